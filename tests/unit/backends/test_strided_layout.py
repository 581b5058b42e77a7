"""Which axis order the strided subjects convert to, and what they leave alone."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from poolbench.backends.base import Source
from poolbench.backends.strided import Strided
from poolbench.backends.strided_layout import preferred_order
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy
from poolbench.strided import training
from poolbench.verify.reference import pool


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("max2d-n1c64-h28w28-k3s2p1-f32-nchw", "nhwc"),
        ("max2d-n1c64-h28w28-k2-f32-nhwc", "nhwc"),
        ("max2d-n1c64-h56w56-k3s2p1-f32-nhwc", "nchw"),  # long rows
        ("max2d-n1c64-h56w56-k2-f32-nchw", "nhwc"),
        ("max2d-n1c64-h112w112-k2-f32-nchw", "nchw"),
        ("max2d-n1c64-h224w224-k3s2p1-f32-nchw", "nchw"),
        ("max2d-n1c64-h224w224-k2-f32-nchw", "nhwc"),  # wide ones, whose windows share nothing
        ("avg2d-n1c64-h56w56-k2-f32-nchw", "nhwc"),
        ("max2d-n1c3-h56w56-k2-f32-nchw", "nchw"),  # few channels
        ("max2d-n1c512-h12w16-k13s1p6-f32-nchw", "nhwc"),  # large squares, taken four at a time
        ("max2d-n1c512-h12w16-k3x13s1p1x6-f32-nchw", "nchw"),
        ("avg2d-n1c512-h12w16-k13s1p6-f32-nchw", "nchw"),  # windows that overlap in each step
        ("max2d-n1c512-h12w16-k13s1p6-f32-nchw.train", "nhwc"),
        ("avg2d-n1c2048-h60w60-a1-f32-nhwc", "nchw"),  # a sum over a large plane
        ("avg2d-n1c2048-h60w60-a1-f32-nchw.train", "nchw"),
        ("avg2d-n1c2048-h60w60-a2-f32-nchw.train", "nhwc"),
        ("max1d-n32c256-w473-k4-f32-ncw", "nwc"),
        ("max1d-n32c64-w8177-k4-f32-ncw", "ncw"),
        ("avg2d-n1c192-h28w28-k3s1p1-f32-nhwc", "nchw"),  # rows that each window reads again
        ("avg2d-n1c768-h7w7-k3s1p1-f32-nchw", "nhwc"),
        ("max1d-n256c32-w496-k4-f32-ncw", "ncw"),
        ("avg1d-n128c512-w30-k30-f32-ncw", "ncw"),
        ("max3d-n1c64-d16h56w56-k2-f32-ncdhw", "ncdhw"),
        ("max3d-n1c64-d4h14w14-k2-f32-ncdhw", "ndhwc"),
    ],
)
def test_the_order_depends_on_the_workload(text: str, order: str) -> None:
    assert preferred_order(parse_id(text), "avx512") == order


@pytest.mark.parametrize("isa", ["avx2", "baseline", "neon"])
@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("max2d-n1c64-h112w112-k3s2p1-f32-nchw", "nhwc"),
        ("max2d-n1c24-h112w112-k3s2p1-f32-nchw", "nhwc"),
        ("max2d-n1c3-h56w56-k2-f32-nchw", "nchw"),  # few channels
        ("max2d-n1c512-h12w16-k13s1p6-f32-nchw", "nhwc"),
        ("avg2d-n1c512-h12w16-k13s1p6-f32-nchw", "nchw"),  # running sums
        ("avg2d-n1c2048-h7w7-a1-f32-nhwc", "nchw"),  # whole planes
        ("avg2d-n1c2048-h7w7-a1-f32-nchw.train", "nhwc"),
        ("avg2d-n1c2048-h60w60-a1-f32-nhwc.train", "nchw"),
    ],
)
def test_narrow_vectors_want_channels(text: str, order: str, isa: str) -> None:
    assert preferred_order(parse_id(text), isa) == order


def test_avx2_walks_down_rows_of_maxima_that_share_most() -> None:
    workload = parse_id("max2d-n1c256-h20w20-k5s1p2-f32-nchw")
    assert [preferred_order(workload, isa) for isa in ("avx2", "baseline")] == ["nchw", "nhwc"]
    assert preferred_order(parse_id("max2d-n1c256-h20w20-k5s1p2-f32-nchw.train"), "avx2") == "nhwc"


@pytest.mark.parametrize("policy", list(LayoutPolicy))
def test_a_converted_input_gives_the_same_answer(policy: LayoutPolicy) -> None:
    workload = parse_id("avg2d-n2c64-h9w12-k3s2p1-xpad-f32-nchw")
    values = np.random.default_rng(0).standard_normal(workload.input_shape).astype(np.float32)
    prepared = Strided().prepare(workload, Source(array=values, layout=policy))
    assert prepared.layout == {LayoutPolicy.BEST: "nhwc", LayoutPolicy.GIVEN: "nchw"}[policy]
    np.testing.assert_allclose(prepared.output(), pool(workload.spec, values), rtol=1e-6, atol=1e-6)


def test_views_are_read_as_they_lie() -> None:
    workload = parse_id("max2d-n1c64-h9w12-k2-f32-nchw.c80")
    values = np.zeros((1, 80, 9, 12), np.float32)[:, :64]
    assert Strided().prepare(workload, Source(array=values)).layout == "nchw"


def test_a_gradient_keeps_its_view_in_the_preferred_order(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = parse_id("max2d-n1c64-h8w8-k2-f32-nchw.train.gc80")
    values = np.zeros(workload.input_shape, np.float32)
    gradient = np.zeros((1, 80, 4, 4), np.float32)[:, :64]
    seen: list[tuple[int, ...]] = []

    @functools.wraps(training.max_pool2d)
    def spy(x: np.ndarray, *arguments: object, **keywords: object) -> tuple[np.ndarray, object]:
        def pullback(given: np.ndarray, **_: object) -> np.ndarray:
            seen.append(given.strides)
            return x

        return x, pullback

    monkeypatch.setattr(training, "max_pool2d", spy)
    Strided().prepare(workload, Source(array=values, gradient=gradient)).run()
    assert seen == [(4 * 4 * 80 * 4, 4 * 80 * 4, 80 * 4, 4)]
