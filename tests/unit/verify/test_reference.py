from __future__ import annotations

import itertools
import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from poolbench.errors import InvalidSpecError
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.workload import Workload
from poolbench.verify import reference
from poolbench.verify.reference import mean_magnitude, pool
from tests.unit.verify.strategies import forward_workloads, integers_with_gaps

RAMP = np.arange(1.0, 17.0).reshape(1, 1, 4, 4)


def pooled(spec: PoolSpec, x: Any) -> Any:
    """Pool one channel of one batch and return the plane as a list."""
    values = np.asarray(x)
    return pool(spec, values.reshape(1, 1, *values.shape))[0, 0].tolist()


def test_ramp_under_2x2_stride_2() -> None:
    assert pool(PoolSpec.windowed("max", (2, 2)), RAMP)[0, 0].tolist() == [[6, 8], [14, 16]]
    assert pool(PoolSpec.windowed("avg", (2, 2)), RAMP)[0, 0].tolist() == [[3.5, 5.5], [11.5, 13.5]]


def test_3x3_window_has_nine_elements() -> None:
    # A bump at each of the nine places in turn: each adds a ninth, one outside adds nothing.
    spec = PoolSpec.windowed("avg", (3, 3), stride=1)
    for i, j in itertools.product(range(4), repeat=2):
        x = np.zeros((4, 4))
        x[i, j] = 9
        assert pooled(spec, x)[0][0] == (1 if i < 3 and j < 3 else 0)


@pytest.mark.parametrize(("m", "p", "s"), [(4, 2, 2), (5, 2, 2), (7, 3, 2), (8, 3, 3), (9, 1, 4), (6, 6, 1)])
def test_output_size_without_padding(m: int, p: int, s: int) -> None:
    result = pool(PoolSpec.windowed("max", (p,), stride=(s,)), np.zeros((1, 1, m)))
    assert result.shape == (1, 1, (m - p) // s + 1)


def test_asymmetric_padding_is_nothing_to_a_maximum_and_zero_to_a_sum() -> None:
    # One pad above, none below; none on the left, one on the right.
    x = np.array([[-1.0, -2.0], [-3.0, -4.0]])
    maximum = PoolSpec.windowed("max", (2, 2), stride=1, padding=((1, 0), (0, 1)))
    assert pooled(maximum, x) == [[-1, -2], [-1, -2]]
    average = PoolSpec.windowed("avg", (2, 2), stride=1, padding=((1, 0), (0, 1)))
    assert pooled(average, x) == [[-0.75, -0.5], [-2.5, -1.5]]


def test_dilation_skips_elements() -> None:
    spec = PoolSpec.windowed("max", (2, 2), stride=1, dilation=2)
    assert pool(spec, RAMP)[0, 0].tolist() == [[11, 12], [15, 16]]
    assert pooled(PoolSpec.windowed("avg", (3,), stride=1, dilation=2), [1.0, 50, 2, 50, 6]) == [3]


def test_ceil_mode_keeps_an_overhanging_window_and_drops_one_that_starts_in_the_right_padding() -> None:
    kept = PoolSpec.windowed("max", (2,), ceil_mode=True)
    assert pooled(kept, [1.0, 2, 3, 4, 5]) == [2, 4, 5]
    dropped = PoolSpec.windowed("max", (2,), stride=3, padding=1, ceil_mode=True)
    assert pooled(dropped, [1.0, 2, 3, 4]) == [1, 4]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        # Windows of 3, stride 2, over [12, 24, 36, 48] with one pad each side, ceil mode: they hold 2, 3 and 1 of it,
        # and the last one counts the right pad but not the overhang.
        ({"include_padding": True}, [36 / 3, 108 / 3, 48 / 2]),
        ({"include_padding": False}, [36 / 2, 108 / 3, 48 / 1]),
        ({"divisor": 4}, [36 / 4, 108 / 4, 48 / 4]),
    ],
)
def test_divisor_rules(rules: dict[str, Any], expected: list[float]) -> None:
    spec = PoolSpec.windowed("avg", (3,), stride=2, padding=1, ceil_mode=True, **rules)
    assert pooled(spec, [12.0, 24, 36, 48]) == expected


def test_divisors_multiply_over_the_axes() -> None:
    spec = PoolSpec.windowed("avg", (3, 3), stride=1, padding=1)
    assert pooled(spec, np.full((2, 2), 9.0)) == [[4, 4], [4, 4]]
    assert pooled(
        PoolSpec.windowed("avg", (3, 3), stride=1, padding=1, include_padding=False), np.full((2, 2), 9.0)
    ) == [
        [9, 9],
        [9, 9],
    ]


def test_adaptive_windows_of_uneven_size_overlap() -> None:
    # 5 → 3: [0, 2), [1, 4), [3, 5)
    assert pooled(PoolSpec.adaptive("max", (3,)), [9.0, 1, 2, 7, 3]) == [9, 7, 7]
    assert pooled(PoolSpec.adaptive("avg", (3,)), [9.0, 1, 2, 6, 3]) == [5, 3, 4.5]


def test_global_reduces_everything() -> None:
    assert pooled(PoolSpec.global_("max", 2), RAMP[0, 0]) == [[16]]
    assert pooled(PoolSpec.global_("avg", 3), np.arange(8.0).reshape(2, 2, 2)) == [[[3.5]]]


def test_three_dimensions() -> None:
    x = np.arange(27.0).reshape(3, 3, 3)
    assert pooled(PoolSpec.windowed("max", (2, 2, 2), stride=1), x) == [[[13, 14], [16, 17]], [[22, 23], [25, 26]]]
    assert pooled(PoolSpec.windowed("avg", (1, 3, 3)), x) == [[[4]], [[13]], [[22]]]


def test_nan_and_infinities() -> None:
    spec = PoolSpec.windowed("max", (2,))
    result = pooled(spec, [math.nan, 1, 1, math.nan, -math.inf, -math.inf, math.inf, 0])
    assert math.isnan(result[0]) and math.isnan(result[1])
    assert result[2:] == [-math.inf, math.inf]


def test_integers_stay_exact_beyond_what_float64_holds() -> None:
    big = np.iinfo(np.int64).max
    result = pool(PoolSpec.windowed("max", (2,)), np.array([[[big - 1, big - 2, -big, -big - 1]]]))
    assert result.dtype == np.int64
    assert result[0, 0].tolist() == [big - 1, -big]


def test_integer_averages_truncate_towards_zero() -> None:
    x = np.array([[[-3, 2, -4, -3, 3, 4]]], np.int32)
    assert pool(PoolSpec.windowed("avg", (2,)), x)[0, 0].tolist() == [0, -3, 3]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_every_float_type_gives_float64(dtype: Any) -> None:
    result = pool(PoolSpec.windowed("avg", (4,)), np.array([[[1, 2, 4, 1]]], dtype))
    assert result.dtype == np.float64
    assert result[0, 0, 0] == 2


def test_narrow_maxima_keep_the_type() -> None:
    x = np.array([[[3, 200, 7, 9]]], np.uint8)
    assert pool(PoolSpec.windowed("max", (2,)), x, narrow=True).dtype == np.uint8
    assert pool(PoolSpec.windowed("avg", (2,)), x.astype(np.float32), narrow=True).dtype == np.float64


def test_mean_magnitude_has_the_divisor_of_the_average() -> None:
    x = np.array([[[-3.0, 3, -6, 0]]])
    assert mean_magnitude(PoolSpec.windowed("avg", (2,), divisor=3), x)[0, 0].tolist() == [2, 2]
    assert x[0, 0, 0] == -3


def test_window_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidSpecError, match="does not fit"):
        pool(PoolSpec.windowed("max", (5,)), np.zeros((1, 1, 4)))


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).standard_normal((3, 5, 6, 7))
    spec = PoolSpec.windowed("avg", (3, 2), stride=2, padding=1)
    whole = pool(spec, x)
    for elements in (1, 42, 100, 500):
        monkeypatch.setattr(reference, "_BLOCK_ELEMENTS", elements)
        assert np.array_equal(pool(spec, x), whole)


@settings(max_examples=150, deadline=None)
@given(forward_workloads(), st.integers(0, 99))
def test_equals_the_definition_element_by_element(workload: Workload, seed: int) -> None:
    x = integers_with_gaps(workload, seed)
    result = pool(workload.spec, x)
    assert result.shape == workload.reference_output_shape
    for n, c in itertools.product(range(workload.batch), range(workload.channels)):
        np.testing.assert_allclose(result[n, c], by_hand(workload.spec, x[n, c]), rtol=1e-13, atol=0)


def by_hand(spec: PoolSpec, plane: NDArray[Any]) -> NDArray[np.float64]:
    """Pool one plane, one window at a time and one tap at a time."""
    result = np.empty(spec.output_spatial(plane.shape))
    for position in np.ndindex(*result.shape):
        taps = [list(axis_taps(spec, axis, o, plane.shape[axis])) for axis, o in enumerate(position)]
        values: list[float] = []
        counted = 0
        for tap in itertools.product(*taps):
            inside = all(0 <= at < length for at, length in zip(tap, plane.shape, strict=True))
            ends = [length + spec.padding[axis][1] for axis, length in enumerate(plane.shape)]
            counted += all(at < end for at, end in zip(tap, ends, strict=True))
            if inside:
                values.append(float(plane[tap]))
        if spec.kind is Kind.MAX:
            result[position] = math.nan if any(map(math.isnan, values)) else max(values)
        else:
            result[position] = sum(values) / (spec.divisor or (counted if spec.include_padding else len(values)))
    return result


def axis_taps(spec: PoolSpec, axis: int, o: int, length: int) -> range:
    if spec.output is not None:
        size = spec.output[axis]
        return range(math.floor(o * length / size), math.ceil((o + 1) * length / size))
    assert spec.window is not None and spec.stride is not None
    start = o * spec.stride[axis] - spec.padding[axis][0]
    return range(start, start + spec.window[axis] * spec.dilation[axis], spec.dilation[axis])
