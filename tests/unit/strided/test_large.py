"""Arrays so large that they are written around the caches get what small parts of them get, bit by bit."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench import strided
from poolbench.strided import _pool
from tests.unit.strided.test_training import DTYPES, KERNELS, Case
from tests.unit.strided.views import VIEWS

STREAMED = 8 << 20  # bytes, from which on arrays are written around the caches (row_sink.h)


def pooling(kind: str, window: int, stride: int, spatial: tuple[int, ...], pad: int = 0, **options: Any) -> Case:
    rank = len(spatial)
    padding = ((pad, pad),) * rank
    shape: dict[str, Any] = {"window": (window,) * rank, "stride": (stride,) * rank, "dilation": (1,) * rank}
    return Case(kind=kind, spatial=spatial, batch=4, **{**shape, "padding": padding, **options})


# No row is a whole number of cache lines. Of those of stride 1, the outputs are as large as the inputs.
CASES = {
    "max, rows": (pooling("max", 3, 1, (37, 41)), "f32", "contiguous"),
    "max, stride 2": (pooling("max", 3, 2, (37, 41), 1), "f32", "contiguous"),
    "max, flat": (pooling("max", 3, 1, (37, 41), 1), "bf16", "contiguous"),
    "max, 3d": (pooling("max", 2, 2, (6, 13, 15)), "f64", "contiguous"),
    "max, long rows": (pooling("max", 5, 4, (9001,)), "f32", "contiguous"),
    "max, rows beyond the room": (pooling("max", 3, 2, (9001,)), "f32", "contiguous"),
    "max, global": (Case(kind="max", spatial=(31, 33), batch=4, output=(1, 1)), "f32", "contiguous"),
    "max, global and large": (Case(kind="max", spatial=(201, 203), batch=4, output=(1, 1)), "f32", "contiguous"),
    "max, channels last": (pooling("max", 3, 1, (17, 19)), "f32", "channels_last"),
    "max, few channels last": (pooling("max", 2, 2, (61, 63)), "f16", "channels_last"),
    "avg, rows": (pooling("avg", 3, 1, (37, 41), 1), "f32", "contiguous"),
    "avg, apart": (pooling("avg", 5, 5, (41, 43)), "f16", "contiguous"),
    "avg, adaptive": (Case(kind="avg", spatial=(23, 37), batch=4, output=(3, 5)), "f32", "contiguous"),
    "avg, global": (Case(kind="avg", spatial=(201, 203), batch=4, output=(1, 1)), "f64", "contiguous"),
    "avg, channels last": (pooling("avg", 3, 2, (37, 41)), "f32", "channels_last"),
}  # fmt: skip


def drawn(case: Case, dtype: str, layout: str) -> tuple[Case, NDArray[Any]]:
    """Return the case with as many channels as make it large, and its input."""
    each = case.batch * math.prod(case.spatial) * np.dtype(DTYPES[dtype]).itemsize
    case = replace(case, channels=math.ceil(1.35 * STREAMED / each))
    x = np.random.default_rng(1).standard_normal(case.shape, np.float32).astype(DTYPES[dtype])
    return case, VIEWS[layout](x)


def off_the_line(like: NDArray[Any]) -> NDArray[Any]:
    """Return an array of the same strides that begins in the middle of a cache line; no element is right already."""
    room = np.full(like.nbytes // like.itemsize + 1024, 55, like.dtype)
    first = (-room.ctypes.data % 64 + 20) // like.itemsize
    return np.lib.stride_tricks.as_strided(room[first:], like.shape, like.strides)


@pytest.mark.parametrize("name", CASES)
def test_training(name: str) -> None:
    case, dtype, layout = CASES[name]
    case, x = drawn(case, dtype, layout)
    function = getattr(_pool, f"train_{'adaptive_' if case.output else ''}{case.kind}_pool")
    (y, _), reference, *_ = function(case.rank, x, *case.arguments(), None, 2, "NCHW", None, None)
    grad = VIEWS[layout](np.random.default_rng(2).standard_normal(y.shape, np.float32).astype(x.dtype))
    done = set()
    for isa, by_pass, kernel, *of in KERNELS:
        if of != [case.kind, dtype] or kernel == "scalar":
            continue
        arguments = ("NCHW", isa, kernel)
        whole = back = None
        if by_pass == "keep":
            whole = function(case.rank, x, *case.arguments(), off_the_line(y), 2, *arguments)
        if by_pass == "gradient":
            back = _pool.pull_back(reference, grad, off_the_line(x), 2, isa, kernel)
        if whole is not None:
            done.add(kernel)
            for b in range(case.batch):
                (part, _), *_ = function(case.rank, x[b : b + 1], *case.arguments(), None, 1, *arguments)
                np.testing.assert_array_equal(whole[0][0][b : b + 1], part, err_msg=f"{isa}/{kernel}")
        if back is not None:
            done.add(kernel)
            for b in range(case.batch):
                _, kept, *_ = function(case.rank, x[b : b + 1], *case.arguments(), None, 1, "NCHW", None, None)
                part, _ = _pool.pull_back(kept, grad[b : b + 1], None, 1, isa, kernel)
                np.testing.assert_array_equal(back[0][b : b + 1], part, err_msg=f"{isa}/{kernel}")
    assert done


@pytest.mark.parametrize("name", CASES)
def test_pooling_alone(name: str) -> None:
    case, dtype, layout = CASES[name]
    case, x = drawn(case, dtype, layout)
    function = getattr(_pool, f"{'adaptive_' if case.output else ''}{case.kind}_pool")
    for isa in sorted({variant.split("/")[0] for variant in strided.variants()}):
        first, _ = function(case.rank, x, *case.arguments(), None, 2, "NCHW", isa, None)
        whole, _ = function(case.rank, x, *case.arguments(), off_the_line(first), 2, "NCHW", isa, None)
        np.testing.assert_array_equal(whole, first)
        for b in range(case.batch):
            part, _ = function(case.rank, x[b : b + 1], *case.arguments(), None, 1, "NCHW", isa, None)
            np.testing.assert_array_equal(whole[b : b + 1], part, err_msg=isa)
