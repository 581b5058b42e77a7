from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench.model.ids import parse_id
from poolbench.model.workload import DType
from poolbench.verify import check as check_module
from poolbench.verify.check import bounds, check
from poolbench.verify.fill import exact_values, numpy_dtype, random_values
from poolbench.verify.reference import mean_magnitude, pool

MAX = parse_id("max2d-n2c3-h8w8-k2-f32-nchw")
AVG = parse_id("avg2d-n2c3-h9w9-k3-f32-nchw")
FLOATS = [dtype for dtype in DType if dtype.is_float]


def neighbour(values: NDArray[Any], steps: int) -> NDArray[Any]:
    """Return the floats ``steps`` places above positive ``values``."""
    bits = values.view(f"u{values.dtype.itemsize}")
    return (bits + bits.dtype.type(steps)).view(values.dtype)


def farthest(actual: NDArray[Any], expected: NDArray[Any], dtype: DType) -> float:
    """Return the largest distance, in units in the last place at the expected value."""
    return float(np.max(check_module._distances(actual, expected, expected, dtype)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", [1.0, 1.5, 0.75, 96.0])
def test_neighbours_are_one_unit_apart(dtype: DType, value: float) -> None:
    expected = np.array([value], numpy_dtype(dtype))
    for steps in (0, 1, 3):
        assert farthest(neighbour(expected, steps), expected.astype(np.float64), dtype) == steps


@pytest.mark.parametrize("dtype", FLOATS)
def test_unit_at_zero_and_below_is_the_least_subnormal(dtype: DType) -> None:
    zero = np.zeros(1, numpy_dtype(dtype))
    least = neighbour(zero, 1)
    assert farthest(least, zero, dtype) == 1
    assert farthest(zero, least.astype(np.float64), dtype) == 1
    assert farthest(neighbour(least, 2), least.astype(np.float64), dtype) == 2


def test_distance_to_a_value_between_two_floats_is_a_fraction() -> None:
    assert farthest(np.array([1.0], np.float32), np.array([1 + 2.0**-25]), DType.F32) == 0.25


@pytest.mark.parametrize(
    ("actual", "expected", "distance"),
    [
        (math.nan, math.nan, 0),
        (math.nan, 1.0, math.inf),
        (1.0, math.nan, math.inf),
        (math.inf, math.inf, 0),
        (-math.inf, math.inf, math.inf),
        (3e38, math.inf, math.inf),
        (math.inf, 3e38, math.inf),
        (0.0, -0.0, 0),
    ],
)
def test_nan_and_infinities_equal_themselves_alone(actual: float, expected: float, distance: float) -> None:
    assert farthest(np.array([actual], np.float32), np.array([expected]), DType.F32) == distance


def test_integers_differ_by_their_absolute_difference() -> None:
    info = np.iinfo(np.int64)
    assert farthest(np.array([5], np.uint8), np.array([200]), DType.U8) == 195
    assert farthest(np.array([info.min]), np.array([info.max]), DType.I64) == 2.0**64
    assert farthest(np.array([info.max]), np.array([info.max - 1]), DType.I64) == 1


def test_other_shapes_and_types_are_infinitely_far() -> None:
    expected = pool(MAX.spec, exact_values(MAX, 0))
    for actual in (expected.astype(np.float32)[1:], expected.astype(np.float64)):
        result = check(actual, expected, MAX, exact=True)
        assert not result.ok and result.ulp == math.inf and "was expected" in result.detail


@pytest.mark.parametrize("exact", [True, False])
def test_maximum_must_be_equal(exact: bool) -> None:
    expected = pool(MAX.spec, random_values(MAX, 0))
    right = expected.astype(np.float32)
    result = check(right, expected, MAX, exact=exact)
    assert (result.ok, result.ulp, result.bound, result.detail) == (True, 0, 0, "")
    wrong = right.copy()
    wrong[1, 2, 0, 3] = np.nextafter(wrong[1, 2, 0, 3], np.float32(np.inf))
    result = check(wrong, expected, MAX, exact=exact)
    assert not result.ok and result.ulp == 1
    assert result.detail == (
        "1 of 96 elements differ from the reference by more than 0 ulp; the worst is at (n, c, h, w) = (1, 2, 0, 3): "
        f"expected {float(right[1, 2, 0, 3])!r}, got {float(wrong[1, 2, 0, 3])!r} (1 ulp off)."
    )


def test_worst_of_many_is_named_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = pool(MAX.spec, exact_values(MAX, 0))
    wrong = expected.astype(np.float32)
    wrong[0, 1, 2, 3] += 1
    wrong[1, 0, 1, 0] += 2000
    for elements in (1, 16, 60, 1000):
        monkeypatch.setattr(check_module, "_BLOCK_ELEMENTS", elements)
        detail = check(wrong, expected, MAX, exact=True).detail
        assert detail.startswith("2 of 96 elements") and "(n, c, h, w) = (1, 0, 1, 0)" in detail


def test_exact_average_may_be_two_units_off() -> None:
    expected = pool(AVG.spec, exact_values(AVG, 0)) + 1  # no zeros, so that a neighbour is one unit away
    right = expected.astype(np.float32)
    assert check(right, expected, AVG, exact=True).ok
    assert check(neighbour(right, 1), expected, AVG, exact=True).ok
    far = right.copy()
    far[0, 0, 1, 1] = neighbour(right, 3)[0, 0, 1, 1]
    result = check(far, expected, AVG, exact=True)
    assert not result.ok and result.detail.startswith("1 of 54 elements") and result.bound == 2


def test_random_average_is_judged_by_what_was_summed() -> None:
    # The elements cancel to 2**-20: an error of a unit of their magnitude is thousands of units of the result.
    workload = parse_id("avg1d-n1c1-w3-k3-f32-ncw")
    x = np.array([[[9, -9, 9 * 2.0**-20]]], np.float32)
    expected, scale = pool(workload.spec, x), mean_magnitude(workload.spec, x)
    off = (expected + 2.0**-22).astype(np.float32)
    assert farthest(off, expected, DType.F32) > 1000
    result = check(off, expected, workload, exact=False, scale=scale)
    assert result.ok and result.ulp == pytest.approx(0.5, rel=1e-3)
    far = check(off + np.float32(2.0**-18), expected, workload, exact=False, scale=scale)
    assert not far.ok and "ulp of its window's mean magnitude" in far.detail


def test_random_average_needs_its_scale() -> None:
    expected = pool(AVG.spec, random_values(AVG, 0))
    with pytest.raises(ValueError, match="give scale"):
        check(expected.astype(np.float32), expected, AVG, exact=False)


def test_shape_and_type_are_told_in_words() -> None:
    expected = pool(MAX.spec, exact_values(MAX, 0))
    result = check(expected.astype(np.float32)[:, :, :2], expected, MAX, exact=True)
    assert result.detail == "The output has shape (2, 3, 2, 4); (2, 3, 4, 4) was expected."
    result = check(expected, expected, MAX, exact=True)
    assert not result.ok and result.detail == "The output is of type float64; float32 was expected."


def test_integer_detail_has_no_fractions() -> None:
    workload = parse_id("max1d-n1c1-w4-k2-i64-ncw")
    expected = np.array([[[2**62 + 1, 7]]])
    result = check(expected - [[[1, 0]]], expected, workload, exact=True)
    assert f"expected {2**62 + 1}, got {2**62} (1 units off)" in result.detail


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("window", ["h8w8-k2", "h28w28-k28", "h80w128-k80x128"])
def test_dropping_an_element_is_out_of_bounds(dtype: DType, window: str) -> None:
    """A bound that a plain mistake fits in proves nothing: leave one of the window's elements out."""
    workload = parse_id(f"avg2d-n1c8-{window}-{dtype.value}-nchw")
    x = exact_values(workload, 0)
    expected = pool(workload.spec, x)
    x.reshape(8, -1)[np.arange(8), x.reshape(8, -1).argmax(axis=1)] = 0
    wrong = pool(workload.spec, x).astype(x.dtype)
    assert not check(wrong, expected, workload, exact=True).ok


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [4, 49, 784, 10240])
def test_recursive_summation_in_the_widest_accumulator_stays_in_bounds(dtype: DType, n: int) -> None:
    workload = parse_id(f"avg1d-n4c64-w{n}-a1-{dtype.value}-ncw")
    x = random_values(workload, 0)
    total = np.zeros((4, 64), np.float64 if dtype is DType.F64 else np.float32)
    for i in range(n):
        total += x[:, :, i]
    mean = (total / total.dtype.type(n)).astype(x.dtype)[:, :, None]
    result = check(mean, pool(workload.spec, x), workload, exact=False, scale=mean_magnitude(workload.spec, x))
    assert result.ok, result.detail


def test_bounds_grow_with_the_window_and_stay_below_the_scale() -> None:
    def random_bound(text: str) -> float:
        return bounds(parse_id(text))[1]

    assert bounds(MAX) == (0, 0)
    assert bounds(parse_id("avg1d-n1c1-w4-k2-i64-ncw")) == (0, 0)
    assert bounds(AVG) == (2, 10)
    assert random_bound("avg2d-n1c1-h9w9-k3-f64-nchw") == 18
    assert random_bound("avg1d-n1c1-w10000-a1-f32-ncw") == 802
    assert random_bound("avg1d-n1c1-w10000-a1-bf16-ncw") == 18


def test_bfloat16_is_compared_as_it_is() -> None:
    workload = parse_id("max1d-n1c1-w4-k2-bf16-ncw")
    expected = np.array([[[1.0, 3.0]]])
    assert check(expected.astype(ml_dtypes.bfloat16), expected, workload, exact=True).ok
    result = check(np.array([[[1.0, 3.0078125]]]).astype(ml_dtypes.bfloat16), expected, workload, exact=True)
    assert result.ok and result.ulp == 0  # it rounds to 3
    assert check((expected * 1.01).astype(ml_dtypes.bfloat16), expected, workload, exact=True).ulp == 2
