from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench.model.ids import parse_id
from poolbench.model.workload import DType, Workload
from poolbench.verify import filling
from poolbench.verify.check import check_gradient, gradient_bounds
from poolbench.verify.fill import numpy_dtype
from poolbench.verify.gradient_fill import most_windows

OVERLAPPING = parse_id("max2d-n2c3-h9w9-k3s1p1-f32-nchw.train")
AVERAGE = parse_id("avg2d-n2c3-h9w9-k3s1p1-xpad-f32-nchw.train")
FLOATS = [dtype for dtype in DType if dtype.is_float]


def compare(found: NDArray[Any], filled: filling.Filling, workload: Workload, *, exact: bool) -> Any:
    return filling.check_input_gradient(found, filled, workload, exact=exact)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("workload", [OVERLAPPING, AVERAGE])
def test_the_reference_rounded_is_right(workload: Workload, exact: bool) -> None:
    filled = filling.make(workload, 0, exact=exact)
    result = compare(filled["expected_gradient"].astype(np.float32), filled, workload, exact=exact)
    assert result.ok and result.ulp <= 1 and result.detail == ""


def test_integers_that_a_maximum_hands_on_must_be_equal() -> None:
    filled = filling.make(OVERLAPPING, 0, exact=True)
    wrong = filled["expected_gradient"].astype(np.float32)
    place = tuple(np.argwhere(wrong)[0])
    wrong[place] = np.nextafter(wrong[place], np.float32(np.inf))
    result = compare(wrong, filled, OVERLAPPING, exact=True)
    assert not result.ok and result.bound == 0
    assert result.detail.startswith("1 of 486 elements of the gradient differ from the reference by more than 0 ulp;")


def test_a_random_sum_is_judged_by_the_magnitudes_that_meet() -> None:
    # 9 and -9 + 2**-20 meet in one element: a unit of their magnitude is thousands of units of the sum.
    workload = parse_id("max1d-n1c1-w3-k2s1-f32-ncw.train")
    expected, scale = np.array([[[0, 2.0**-20, 0]]]), np.array([[[0, 18.0, 0]]])
    off = (expected * 2).astype(np.float32)
    result = check_gradient(off, expected, workload, exact=False, scale=scale)
    assert result.ok and result.ulp < 1
    far = check_gradient(
        (off + np.float32([0, 2.0**-17, 0])).astype(np.float32), expected, workload, exact=False, scale=scale
    )
    assert not far.ok and "of the magnitudes that it sums" in far.detail
    with pytest.raises(ValueError, match="give scale"):
        check_gradient(off, expected, workload, exact=False)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("text", ["max2d-n1c8-h9w9-k3s1p1", "avg2d-n1c8-h9w9-k3s1p1", "avg2d-n1c8-h8w8-k2"])
def test_a_window_that_sends_nothing_is_out_of_bounds(text: str, dtype: DType) -> None:
    """A bound that a plain mistake fits in proves nothing: leave out the window whose gradient is the greatest."""
    from poolbench.verify.gradient import pool_gradient

    workload = parse_id(f"{text}-{dtype}-nchw.train")
    filled = filling.make(workload, 0, exact=True)
    lost = filled["gradient"].copy()
    lost.flat[np.abs(lost.astype(np.float64)).argmax()] = 0
    wrong = pool_gradient(workload.spec, filled["input"], lost).astype(numpy_dtype(dtype))
    assert not compare(wrong, filled, workload, exact=True).ok


def test_a_gradient_sent_to_the_neighbour_is_out_of_bounds() -> None:
    filled = filling.make(OVERLAPPING, 0, exact=False)
    wrong = np.roll(filled["expected_gradient"].astype(np.float32), 1, axis=-1)
    assert not compare(wrong, filled, OVERLAPPING, exact=False).ok


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("text", ["avg2d-n2c8-h16w16-k3s1p1", "max2d-n2c8-h16w16-k5s1p2", "avg1d-n1c8-w99-k31s1"])
def test_adding_up_in_the_type_itself_stays_in_bounds(text: str, dtype: DType) -> None:
    """Window after window, rounded to the dtype each time, terms by a rounded reciprocal: the worst that is fair."""
    workload = parse_id(f"{text}-{dtype}-nc{'w' if '1d' in text else 'hw'}.train")
    filled = filling.make(workload, 1, exact=False)
    kind = numpy_dtype(dtype)
    total = np.zeros(workload.reference_input_shape, kind)
    windows = workload.spec.windows(workload.spatial)
    for position in np.ndindex(*workload.output_spatial):
        reads = (..., *(slice(w[o].first, w[o].first + w[o].count) for w, o in zip(windows, position, strict=True)))
        above = filled["gradient"][(..., *position)]
        if workload.spec.kind == "avg":
            counted = np.prod([w[o].counted for w, o in zip(windows, position, strict=True)])
            term = (above * kind.type(1 / counted)).astype(kind)
            total[reads] += term[(..., *[None] * workload.spec.rank)]
        else:
            part = filled["input"][reads].astype(np.float64)
            hit = part == part.max(axis=tuple(range(2, part.ndim)), keepdims=True)
            total[reads] += np.where(hit, above[(..., *[None] * workload.spec.rank)], kind.type(0)).astype(kind)
    assert compare(total, filled, workload, exact=False).ok


def test_shape_and_type_are_told_in_words() -> None:
    filled = filling.make(OVERLAPPING, 0, exact=True)
    right = filled["expected_gradient"]
    assert (
        "The gradient has shape (2, 3, 9, 8)"
        in compare(right[..., 1:].astype(np.float32), filled, OVERLAPPING, exact=True).detail
    )
    assert "The gradient is of type float64" in compare(right, filled, OVERLAPPING, exact=True).detail


def test_bounds_grow_with_the_overlap() -> None:
    assert most_windows(OVERLAPPING) == 9
    assert gradient_bounds(OVERLAPPING) == (0, 8)
    assert gradient_bounds(AVERAGE) == (10, 10)
    assert gradient_bounds(parse_id("avg2d-n1c1-h8w8-k2.train")) == (2, 2)
    assert gradient_bounds(parse_id("max2d-n1c1-h8w8-k2.train")) == (0, 0)
    assert gradient_bounds(parse_id("max2d-n2c3-h9w9-k3s1p1-f64.train"))[1] == 16
