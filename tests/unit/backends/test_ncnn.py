"""ncnn's subject: the packing of channels, batches, and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench.backends import registry
from poolbench.backends.base import Source
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy


def prepare(text: str, layout: LayoutPolicy = LayoutPolicy.BEST) -> tuple[Any, NDArray[np.float32]]:
    if not registry.describe("ncnn").installed:
        pytest.skip("ncnn is not installed")
    backend = registry.create("ncnn")
    backend.load(threads=1)
    workload = parse_id(text)
    array = np.random.default_rng(3).random(workload.input_shape, np.float32)
    return backend.prepare(workload, Source(array=array, layout=layout)), array


@pytest.mark.parametrize("channels", [4, 6, 8, 12, 16, 24, 32])
def test_channels_are_packed_as_the_layer_likes_them_and_the_values_stay(channels: int) -> None:
    prepared, x = prepare(f"max2d-n2c{channels}-h5w7-k2s1-f32-nchw")
    packs = {blob.elempack for blob in prepared.run()}
    assert len(packs) == 1
    pack = packs.pop()
    assert pack in (1, 4, 8, 16)
    assert channels % pack == 0
    assert prepared.layout == (f"nChw{pack}c" if pack > 1 else "nchw")
    assert (pack > 1) == (channels % 4 == 0)
    expected = np.max([x[..., i : i + 4, j : j + 6] for i in (0, 1) for j in (0, 1)], axis=0)
    assert np.array_equal(prepared.output(), expected)


def test_the_timed_call_is_given_blobs_that_are_packed_already(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, _ = prepare("max2d-n2c32-h5w7-k2s1-f32-nchw")
    import ncnn

    packs = []
    enter = ncnn.Extractor.input

    def spy(extractor: Any, name: int, blob: Any) -> int:
        packs.append(blob.elempack)
        return int(enter(extractor, name, blob))

    monkeypatch.setattr(ncnn.Extractor, "input", spy)
    (pack,) = {blob.elempack for blob in prepared.run()}
    assert pack > 1
    assert packs == [pack, pack]


def test_each_call_makes_a_blob_for_each_sample() -> None:
    prepared, _ = prepare("max2d-n3c16-h4w4-k2-f32-nchw")
    first, second = prepared.run(), prepared.run()
    assert len(first) == len(second) == 3
    assert prepared.output().shape == (3, 16, 2, 2)
    assert len({id(blob) for blob in (*first, *second)}) == 6


def test_the_given_layout_gives_an_array_in_the_caller_s_order() -> None:
    prepared, x = prepare("max2d-n2c16-h4w4-k2-f32-nhwc", LayoutPolicy.GIVEN)
    result = prepared.run()
    assert np.array_equal(result, x.reshape(2, 2, 2, 2, 2, 16).max(axis=(2, 4)))
    assert prepared.layout == "nchw"


def test_adaptive_windows_may_be_uneven() -> None:
    prepared, x = prepare("avg2d-n1c16-h5w4-a2x3-f32-nchw")
    rows, columns = [(0, 3), (2, 5)], [(0, 2), (1, 3), (2, 4)]
    expected = [[x[..., a:b, c:d].mean(axis=(2, 3)) for c, d in columns] for a, b in rows]
    assert np.allclose(prepared.output(), np.moveaxis(np.array(expected), (0, 1), (2, 3)), rtol=1e-6)
