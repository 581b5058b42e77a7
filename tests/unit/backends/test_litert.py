"""LiteRT's models: how each padding is written, who computes, and whose memory the output is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from poolbench.backends import registry
from poolbench.backends.base import Source
from poolbench.backends.litert_model import padding_of
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy


def prepare(name: str, text: str, layout: LayoutPolicy = LayoutPolicy.BEST) -> Any:
    if not registry.describe(name).installed:
        pytest.skip(f"{name} is not installed")
    backend = registry.create(name)
    backend.load(threads=1)
    workload = parse_id(text)
    array = np.random.default_rng(3).random(workload.input_shape, np.float32)
    return backend.prepare(workload, Source(array=array, layout=layout))


@pytest.mark.parametrize(
    ("text", "padding"),
    [
        ("max2d-n1c3-h8w8-k2", "SAME"),  # which is VALID where windows tile the input
        ("max2d-n1c3-h9w9-k2", "VALID"),
        ("max2d-n1c3-h9w9-k3s2p1", "SAME"),
        ("max2d-n1c3-h8w8-k3s2p1", "PAD"),  # SAME would put the element of padding at the end
        ("max2d-n1c3-h8w8-k3s2p0_1", "SAME"),
        ("avg2d-n1c3-h9w9-k3s2p1-xpad", "SAME"),
        ("avg2d-n1c3-h9w9-k3s2p1", "PAD"),
        ("avg2d-n1c3-h8w8-k3s2p1-xpad", None),
        ("avg2d-n1c3-h9w9-k3s2p1-div5", None),
    ],
)
def test_padding_is_written_by_the_attribute_where_it_says_the_same(text: str, padding: str | None) -> None:
    workload = parse_id(f"{text}-f32-nhwc")
    spec = workload.spec.as_windowed(workload.spatial)
    assert spec is not None
    assert padding_of(spec, workload.spatial) == padding


@pytest.mark.parametrize(
    ("text", "kernels"),
    [
        ("max2d-n1c3-h8w8-k2-f32-nhwc", {"pool": "xnnpack"}),
        ("max2d-n1c3-h8w8-a1-f32-nhwc", {"pool": "xnnpack"}),
        ("max2d-n1c3-h8w8-k3s2p1-f32-nhwc", {"pool": "xnnpack", "pad": "built in"}),
        ("avg2d-n1c3-h9w9-k3s2p1-f32-nhwc", {"pool": "xnnpack", "pad": "xnnpack"}),
        ("max2d-n1c3-h8w8-k1s2-f32-nhwc", {"pool": "built in"}),
    ],
)
def test_the_row_says_what_the_delegate_took(text: str, kernels: dict[str, str]) -> None:
    assert prepare("litert", text).kernels == kernels


@pytest.mark.parametrize("layout", list(LayoutPolicy))
@pytest.mark.parametrize("order", ["nhwc", "nchw"])
def test_only_the_subject_that_shares_its_output_writes_to_the_same_one(order: str, layout: LayoutPolicy) -> None:
    text = f"max2d-n1c3-h8w8-k2-f32-{order}"
    plain, shared = (prepare(name, text, layout) for name in ("litert", "litert:out"))
    assert not np.shares_memory(plain.run(), plain.run())
    is_copied = layout is LayoutPolicy.GIVEN and order == "nchw"  # the way back into the caller's order is a copy
    assert np.shares_memory(shared.run(), shared.run()) == (not is_copied)
    assert np.array_equal(plain.output(), shared.output())
