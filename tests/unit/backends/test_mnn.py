"""MNN's subjects: which averages are asked for, whose memory the output is, and files that are left behind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench.backends import registry
from poolbench.backends.base import Source
from poolbench.model.ids import parse_id


def prepare(name: str, text: str) -> tuple[Any, NDArray[np.float32]]:
    if not registry.describe(name).installed:
        pytest.skip(f"{name} is not installed")
    backend = registry.create(name)
    backend.load(threads=1)
    workload = parse_id(text)
    array = np.random.default_rng(3).random(workload.input_shape, np.float32)
    return backend.prepare(workload, Source(array=array)), array


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("avg2d-n1c3-h8w8-k2", ""),
        ("avg2d-n1c3-h8w8-k4x2", ""),
        ("avg2d-n1c3-h7w7-k2p1-xpad", ""),  # divisors 1, 2 and 4
        ("avg2d-n1c3-h7w7-k2p1", ""),
        ("avg2d-n1c3-h8w8-k3s2", "reciprocal"),
        ("avg2d-n1c3-h8w8-k4s2p1-xpad", "reciprocal"),  # 9, 12 and 16
        ("avg2d-n1c3-h7w7-k2s2p0_1", "no more padding behind"),
        ("avg2d-n1c3-h8w8-k2-div5", "no more padding behind"),
        ("max2d-n1c3-h8w8-k3s2p0_1", ""),
    ],
)
def test_averages_are_asked_for_where_their_divisors_are_exact(text: str, reason: str) -> None:
    support = registry.create("mnn").supports(parse_id(f"{text}-f32-nchw"))
    assert support.ok == (not reason)
    assert reason in support.reason


@pytest.mark.parametrize("channels", [1, 4, 5, 16, 19])
def test_the_session_pools_alone_and_the_values_come_back_plain(channels: int) -> None:
    text = f"max2d-n2c{channels}-h6w6-k2-f32-nchw"
    shared, x = prepare("mnn:out", text)
    assert shared.run() is None
    expected = x.reshape(2, channels, 3, 2, 3, 2).max(axis=(3, 5))
    assert np.array_equal(shared.output(), expected)
    plain, _ = prepare("mnn", text)
    first, second = plain.run(), plain.run()
    assert np.array_equal(first, expected)
    assert not np.shares_memory(first, second)


def test_no_file_of_a_model_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    prepare("mnn", "max2d-n1c3-h4w4-k2-f32-nchw")
    assert os.listdir(tmp_path) == []
