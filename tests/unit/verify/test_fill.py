from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from poolbench.backends.placement import LINE
from poolbench.model.ids import parse_id
from poolbench.model.pooling import Kind
from poolbench.model.workload import DType, View, ViewKind, Workload
from poolbench.verify.fill import (
    arrange,
    exact_values,
    from_reference,
    largest_window,
    numpy_dtype,
    place,
    random_values,
    to_reference,
)
from poolbench.verify.reference import mean_magnitude, pool
from tests.unit.verify.strategies import forward_workloads

SIGNIFICANT_BITS = {DType.F64: 53, DType.F32: 24, DType.F16: 11, DType.BF16: 8}


@pytest.mark.parametrize("fill", [exact_values, random_values])
@pytest.mark.parametrize("dtype", [dtype.value for dtype in DType])
def test_fillings_are_deterministic_and_of_the_workloads_type(fill: Any, dtype: str) -> None:
    workload = parse_id(f"max2d-n2c3-h40w50-k2-{dtype}-nhwc")
    values = fill(workload, 5)
    assert values.shape == (2, 3, 40, 50)
    assert values.dtype == numpy_dtype(workload.dtype)
    assert np.array_equal(values, fill(workload, 5))
    assert not np.array_equal(values, fill(workload, 6))
    assert len(np.unique(values.astype(np.float64))) > 20


def test_both_fillings_of_one_seed_differ() -> None:
    workload = parse_id("max1d-n1c8-w1000-k2-i8-ncw")
    assert not np.array_equal(exact_values(workload, 1), random_values(workload, 1))


def test_maxima_are_tried_on_both_signs_and_averages_on_values_that_do_not_cancel() -> None:
    maximum = exact_values(parse_id("max2d-n1c4-h64w64-k2-f32-nchw"), 0)
    assert maximum.min() < 0 < maximum.max()
    assert np.array_equal(maximum, np.rint(maximum))
    average = exact_values(parse_id("avg2d-n1c4-h64w64-k2-f32-nchw"), 0)
    assert average.min() >= 0 and average.max() > 50
    assert np.array_equal(average, np.rint(average))


@pytest.mark.parametrize("dtype", list(SIGNIFICANT_BITS))
@pytest.mark.parametrize("window", ["h8w8-k2", "h28w28-k28", "h60w60-a1", "h80w128-k80x128"])
def test_sums_of_the_exact_filling_are_exact(dtype: DType, window: str) -> None:
    workload = parse_id(f"avg2d-n1c16-{window}-{dtype.value}-nchw")
    values = exact_values(workload, 3)
    sums = mean_magnitude(workload.spec, values) * largest_window(workload)
    assert sums.max() <= 2 ** SIGNIFICANT_BITS[dtype]
    assert np.count_nonzero(sums) > 0.9 * sums.size  # a filling of zeros would be exact, and of no use


def test_random_integers_cover_their_range() -> None:
    values = random_values(parse_id("max1d-n4c16-w1000-k2-i8-ncw"), 0)
    assert (values.min(), values.max()) == (-128, 127)
    values = random_values(parse_id("max1d-n4c16-w1000-k2-i64-ncw"), 0)
    assert values.min() < -(2**62) and values.max() > 2**62


def test_sums_of_random_integers_do_not_wrap() -> None:
    workload = parse_id("avg1d-n4c16-w1000-k4-i64-ncw")
    values = random_values(workload, 0)
    exact = values.astype(object).reshape(4, 16, 250, 4).sum(axis=-1)
    assert [int(total) for total in values.reshape(4, 16, 250, 4).sum(axis=-1).flat] == list(exact.flat)


def test_random_floats_are_standard_normal() -> None:
    values = random_values(parse_id("avg2d-n4c16-h64w64-k2-f32-nchw"), 0)
    assert abs(values.mean()) < 0.01 and abs(values.std() - 1) < 0.01


@settings(max_examples=80, deadline=None)
@given(forward_workloads(), st.integers(0, 70))
def test_arranged_values_are_the_same_and_lie_as_asked(workload: Workload, pads: int) -> None:
    values = exact_values(workload, 1)
    pad_bytes = pads * workload.dtype.itemsize
    array = arrange(values, workload, pad_bytes=pad_bytes)
    assert array.shape == workload.input_shape
    assert array.dtype == values.dtype
    assert array.ctypes.data % LINE == pad_bytes % LINE
    assert np.array_equal(to_reference(array, workload.order), values)
    assert np.array_equal(from_reference(values, workload.order), array)
    assert strides_in_elements(array) == expected_strides(workload)


def strides_in_elements(array: NDArray[Any]) -> list[int]:
    return [stride // array.dtype.itemsize for stride in array.strides]


def expected_strides(workload: Workload) -> list[int]:
    shape = list(workload.input_shape)
    view = workload.view
    if view.kind is ViewKind.CHANNEL_SLICE:
        assert view.channels is not None
        shape[workload.order.index("c")] = view.channels
    if view.kind is ViewKind.TRANSPOSED:
        shape[-1], shape[-2] = shape[-2], shape[-1]
    strides = [1]
    for size in reversed(shape[1:]):
        strides.insert(0, strides[0] * size)
    if view.kind is ViewKind.TRANSPOSED:
        strides[-1], strides[-2] = strides[-2], strides[-1]
    if view.kind is ViewKind.REVERSED:
        strides[-1] = -strides[-1]
    return strides


def test_what_a_channel_slice_leaves_out_is_poisoned() -> None:
    view = View(kind=ViewKind.CHANNEL_SLICE, channels=5)
    array = place(np.ones((1, 3, 2, 2), np.float32), "nhwc", view)
    buffer = np.lib.stride_tricks.as_strided(array, (1, 2, 2, 5), array.strides)
    assert np.isnan(buffer[..., 3:]).all() and not np.isnan(buffer[..., :3]).any()


@pytest.mark.parametrize("pad_bytes", [-4, 2])
def test_pad_that_would_misalign_elements_is_refused(pad_bytes: int) -> None:
    with pytest.raises(ValueError, match="not a multiple of the itemsize"):
        arrange(np.zeros((1, 1, 4), np.float32), parse_id("max1d-n1c1-w4-k2-f32-ncw"), pad_bytes=pad_bytes)


def test_reference_axes_round_trip_through_any_order() -> None:
    values = np.arange(120).reshape(2, 3, 4, 5, 1)
    assert from_reference(values, "wdchn").shape == (1, 4, 3, 5, 2)
    assert np.array_equal(to_reference(from_reference(values, "wdchn"), "wdchn"), values)


def test_exact_maxima_survive_the_narrow_types() -> None:
    workload = parse_id("max2d-n1c4-h16w16-k3s1p1-bf16-nchw")
    values = exact_values(workload, 0)
    assert workload.spec.kind is Kind.MAX
    assert np.array_equal(values.astype(np.float64), np.rint(values.astype(np.float64)))
    assert np.abs(pool(workload.spec, values)).max() <= 256
