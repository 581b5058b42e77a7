"""Where channels lie innermost, the vector kernels give what the definition's kernel gives, bit by bit.

What they do besides is drawn too seldom elsewhere: runs of positions, lists that are kept along a row, windows that
overlap along d, arrays around the caches, whole vectors from where they begin in memory, NaN among numbers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench.strided import _pool
from tests.unit.strided.test_training import DTYPES, KERNELS, Case, filled

LARGE = 4 << 20  # bytes of an input from which on what is written may go around the caches (backward_lines.h)


def pooling(
    kind: str, window: tuple[int, ...], stride: int, spatial: tuple[int, ...], pad: int = 0, **options: Any
) -> Case:
    """Return a case whose averages divide by a power of two, so that the order of additions changes no bit."""
    rank = len(spatial)
    return Case(
        kind=kind,
        spatial=spatial,
        window=window,
        stride=(stride,) * rank,
        **{
            "padding": ((pad, pad),) * rank,
            "dilation": (1,) * rank,
            "divisor": 8 if kind == "avg" else None,
            **options,
        },
    )


CASES = {
    "apart": pooling("max", (2, 2), 2, (10, 14)),
    "overlapping": pooling("max", (3, 3), 2, (13, 17), 1),
    "overlapping and ceil": pooling("max", (3, 3), 2, (12, 16), ceil_mode=True),
    "stride 1": pooling("max", (3, 3), 1, (9, 23), 1),
    "stride 1 without padding": pooling("max", (3, 3), 1, (9, 23)),
    "wide": pooling("max", (1, 5), 1, (4, 19), 2, padding=((0, 0), (2, 2))),
    "gaps": pooling("max", (2, 2), 5, (12, 21)),
    "one element": pooling("max", (1, 1), 2, (9, 13)),
    "dilated": pooling("max", (3, 3), 1, (11, 13), 1, dilation=(2, 2)),
    "more than a byte": pooling("max", (17, 16), 1, (20, 21), 3),
    "large": pooling("max", (5, 5), 1, (9, 23), 2),
    "large, dilated along w": pooling("max", (5, 5), 1, (9, 23), 2, dilation=(1, 2)),
    "large, stride 2": pooling("max", (9, 9), 2, (14, 25), 4),
    "large, flat": pooling("max", (2, 13), 1, (6, 30), padding=((1, 1), (6, 6))),
    "large, many planes": pooling("max", (1, 5, 5), 1, (3, 7, 9), padding=((0, 0), (2, 2), (2, 2))),
    "deep": pooling("max", (3, 3, 3), 1, (7, 6, 9), 1),
    "deep, stride 2": pooling("max", (3, 3, 3), 2, (9, 10, 11), 1),
    "adaptive": Case(kind="max", spatial=(7, 11), output=(3, 4)),
    "average, apart": pooling("avg", (2, 2), 2, (10, 14)),
    "average, overlapping": pooling("avg", (3, 3), 2, (13, 17), 1),
    "average, stride 1": pooling("avg", (3, 3), 1, (9, 23), 1),
    "average, stride 1 and one row": pooling("avg", (1, 3), 1, (5, 23), padding=((0, 0), (1, 1))),
    "average, stride 1 and two rows": pooling("avg", (2, 3), 1, (6, 21)),
    "average, stride 1 along a line": pooling("avg", (3,), 1, (27,), 1),
    "average, stride 1 and many planes": pooling("avg", (1, 3, 3), 1, (3, 7, 9), padding=((0, 0), (1, 1), (1, 1))),
    "average, stride 1 and narrow": pooling("avg", (3, 3), 1, (5, 3), 1),
    "average, stride 1 and uncounted": pooling("avg", (3, 3), 1, (9, 23), 1, include_padding=False, divisor=None),
    "average, deep": pooling("avg", (3, 3, 3), 1, (7, 6, 9), 1),
    "average, uncounted padding": pooling("avg", (2, 2), 1, (9, 23), 1, include_padding=False, divisor=None),
    "average, uncounted and apart": pooling("avg", (4, 4), 4, (15, 23), 1, include_padding=False, divisor=None),
}


def innermost(values: NDArray[Any], shift: int) -> NDArray[Any]:
    """Return (N, C, *spatial) values with the channels innermost, `shift` elements behind a cache line's beginning."""
    last = np.moveaxis(values, 1, -1)
    room = np.empty(last.size + 64, values.dtype)
    first = -room.ctypes.data % 64 // values.itemsize + shift
    array = room[first : first + last.size].reshape(last.shape)
    array[...] = last
    return np.moveaxis(array, -1, 1)


@pytest.mark.parametrize("channels", [17, 32, 64, 144])
@pytest.mark.parametrize("name", CASES)
def test_small_arrays(name: str, channels: int) -> None:
    for dtype in ("f32", "f64", "bf16"):
        for shift in (0, 3):
            compare(replace(CASES[name], channels=channels), dtype, shift, special=shift == 0)


@pytest.mark.parametrize("channels", [17, 64])
@pytest.mark.parametrize("name", CASES)
def test_large_arrays(name: str, channels: int) -> None:
    each = channels * math.prod(CASES[name].spatial) * 4
    case = replace(CASES[name], channels=channels, batch=math.ceil(1.1 * LARGE / each))
    compare(case, "f32", 3, special=False)


def compare(case: Case, dtype: str, shift: int, *, special: bool) -> None:
    """Compare each instruction set's kernels with the scalar ones, on one thread and on three."""
    is_max = case.kind == "max"
    x = innermost(filled(case.shape, 1, DTYPES[dtype], special=special and is_max), shift)
    function = getattr(_pool, f"train_{'adaptive_' if case.output else ''}{case.kind}_pool")
    call = (case.rank, x, *case.arguments(), None)
    # An average keeps nothing, and pools as it always does.
    (y, _), kept, *_ = function(*call, 1, "NCHW", *(("baseline", "scalar") if is_max else (None, None)))
    grad = innermost(filled(y.shape, 2, DTYPES[dtype]), shift)
    want, _ = _pool.pull_back(kept, grad, None, 1, "baseline", "scalar")
    gradient = "gather_channels" if is_max else "spread_channels"
    is_large = math.prod(case.window[-2:]) >= 25  # one axis after the other
    axes = zip(case.window, case.dilation, case.stride, strict=True)
    # Of more windows on an element than 40 "gather_channels" leaves the gradient to "scatter".
    many = math.prod(math.ceil(((k - 1) * d + 1) / s) for k, d, s in axes) > 40
    for isa in sorted({row[0] for row in KERNELS if row[2] == gradient}):
        if is_max:
            for kernel, threads in [("channels", 1), ("separable", 1), ("separable", 3)]:
                where = f"{isa}/{kernel}, {threads} threads"
                done = function(*call, threads, "NCHW", isa, kernel)
                if done is None:  # not for such windows
                    assert kernel == "separable" and not (is_large and case.channels % 16 == 0), where
                    continue
                (found, _), offsets, *_ = done
                # NaN equals NaN here.
                np.testing.assert_array_equal(found.astype(np.float64), y.astype(np.float64), err_msg=where)
                again, _ = _pool.pull_back(offsets, grad, None, 1, "baseline", "scalar")
                np.testing.assert_array_equal(again, want, err_msg=where)
        for threads in (1, 3):
            if is_max:
                scattered, _ = _pool.pull_back(kept, grad, None, threads, isa, "scatter")
                np.testing.assert_array_equal(scattered, want, err_msg=isa)
            back = _pool.pull_back(kept, grad, None, threads, isa, gradient)
            assert (back is None) == (is_max and many)
            if back is None:
                continue
            if is_max or case.divisor is not None:
                np.testing.assert_array_equal(back[0], want, err_msg=isa)
            else:
                tolerance = 2.0**-7 if dtype == "bf16" else 1e-6
                got, wanted = back[0].astype(np.float64), want.astype(np.float64)
                np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def test_rows_of_averages_that_read_nothing_are_written_whole() -> None:
    """An average of nothing but padding is 0, in all positions of a row."""
    case = replace(pooling("avg", (3, 3), 1, (3, 40), padding=((0, 3), (0, 0)), divisor=None), channels=8)
    x = innermost(filled(case.shape, 1, np.float32), 0)
    for isa in sorted({row[0] for row in KERNELS}):
        y = innermost(np.full((2, 8, 4, 38), 55, np.float32), 0)
        _pool.avg_pool(case.rank, x, *case.arguments(), y, 1, "NCHW", isa, None)
        assert (y[:, :, -1] == 0).all(), isa
        assert (abs(y[:, :, :-1]) <= 3).all(), isa


def test_large_results_go_where_rows_begin_in_the_middle_of_a_line() -> None:
    """What goes around the caches must be aligned in each row, not in the first alone."""
    case = replace(pooling("max", (2, 2), 2, (128, 160)), channels=64, batch=1)
    x = innermost(filled(case.shape, 1, np.float32), 0)
    (y, _), kept, *_ = _pool.train_max_pool(case.rank, x, *case.arguments(), None, 1, "NCHW", None, None)
    grad = innermost(filled(y.shape, 2, np.float32), 0)
    want, _ = _pool.pull_back(kept, grad, None, 1, None, None)

    def ragged(height: int, width: int) -> NDArray[Any]:
        rows = np.zeros(height * (width * 64 + 1) + 16, np.float32)
        rows = rows[-rows.ctypes.data % 64 // 4 :]
        step = (width * 64 + 1) * 4
        return np.lib.stride_tricks.as_strided(rows, (1, 64, height, width), (0, 4, step, 256))

    out, gradient = ragged(64, 80), ragged(128, 160)
    _pool.train_max_pool(case.rank, x, *case.arguments(), out, 1, "NCHW", None, None)
    _pool.pull_back(kept, grad, gradient, 1, None, None)
    np.testing.assert_array_equal(out, y)
    np.testing.assert_array_equal(gradient, want)
