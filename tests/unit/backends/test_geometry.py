import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from poolbench.backends import geometry
from poolbench.backends.placement import PAGE, empty_at
from poolbench.errors import InvalidSpecError
from poolbench.model.pooling import PoolSpec
from poolbench.model.workload import DType, View, ViewKind

sizes = st.integers(1, 4)


@st.composite
def specs(draw: st.DrawFn, kind: str = "avg") -> tuple[PoolSpec, tuple[int, ...]]:
    """Draw a windowed spec and an input that it fits."""
    rank = draw(st.integers(1, 3))

    def axes(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=rank, max_size=rank))

    rule = draw(st.sampled_from(({}, {"include_padding": False}, {"divisor": 5}))) if kind == "avg" else {}
    spec = PoolSpec.windowed(
        kind,
        axes(sizes),
        stride=axes(sizes),
        padding=list(zip(axes(st.integers(0, 3)), axes(st.integers(0, 3)), strict=True)),
        dilation=axes(st.integers(1, 3)),
        ceil_mode=draw(st.booleans()),
        **rule,
    )
    spatial = tuple(axes(st.integers(1, 15)))
    try:
        spec.windows(spatial)
    except InvalidSpecError:
        assume(False)
    return spec, spatial


def reads(spec: PoolSpec, spatial: tuple[int, ...]) -> list[list[range]]:
    return [[range(w.first, w.first + w.count * w.step, w.step) for w in axis] for axis in spec.windows(spatial)]


@given(specs())
def test_exact_padding_makes_a_floor_call_read_the_same_windows(case: tuple[PoolSpec, tuple[int, ...]]) -> None:
    spec, spatial = case
    exact = PoolSpec.windowed(
        "max",
        spec.window or (),
        stride=spec.stride,
        dilation=spec.dilation,
        padding=geometry.exact_padding(spec, spatial),
    )
    assert reads(exact, spatial) == reads(spec, spatial)


@given(specs())
def test_divisors_are_the_products_of_what_the_windows_count(case: tuple[PoolSpec, tuple[int, ...]]) -> None:
    spec, spatial = case
    found = geometry.divisors(spec, spatial)
    assert found.shape == spec.output_spatial(spatial)
    for position in np.ndindex(found.shape):
        windows = [axis[i] for axis, i in zip(spec.windows(spatial), position, strict=True)]
        counts = [w.counted if spec.include_padding else w.count for w in windows]
        assert found[position] == (spec.divisor or math.prod(counts))


@given(specs())
def test_the_divisor_rules_are_what_the_divisors_say(case: tuple[PoolSpec, tuple[int, ...]]) -> None:
    spec, spatial = case
    found = geometry.divisors(spec, spatial)
    inside = geometry.divisors(
        PoolSpec.windowed(
            "avg",
            spec.window or (),
            stride=spec.stride,
            padding=spec.padding,
            dilation=spec.dilation,
            ceil_mode=spec.ceil_mode,
            include_padding=False,
        ),
        spatial,
    )
    assert geometry.divides_by_window(spec, spatial) == bool(np.all(found == math.prod(spec.window or ())))
    if spec.divisor is None:
        assert geometry.divides_by_inside(spec, spatial) == bool(np.all(found == inside))
    else:
        assert not geometry.divides_by_inside(spec, spatial)


@given(specs())
def test_same_padding_is_recognised(case: tuple[PoolSpec, tuple[int, ...]]) -> None:
    spec, spatial = case
    same = PoolSpec.same("max", spec.window or (), spec.stride or (), spatial, dilation=spec.dilation)
    try:
        same.windows(spatial)
    except InvalidSpecError:  # a dilated window between whose taps the whole input lies
        assume(False)
    assert geometry.is_same_padding(same, spatial)
    if geometry.is_same_padding(spec, spatial):
        assert reads(spec, spatial) == reads(same, spatial)


def test_padding_that_begins_elsewhere_is_not_same() -> None:
    torch_style = PoolSpec.windowed("max", (3,), stride=(2,), padding=1)  # SAME pads an even input at its end alone
    assert not geometry.is_same_padding(torch_style, (8,))
    assert geometry.is_same_padding(torch_style, (9,))


def test_nothing_is_above_the_lowest_value() -> None:
    for dtype in DType:
        if dtype.is_float:
            assert geometry.lowest(dtype) == -math.inf
        else:
            assert geometry.lowest(dtype) == np.iinfo(dtype.numpy_name).min


def test_an_array_is_brought_from_any_order_into_any_other() -> None:
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    moved = geometry.contiguous(array, "nhwc", "cnwh")
    assert moved.flags.c_contiguous
    assert moved.shape == (5, 2, 4, 3)
    assert moved[4, 1, 3, 2] == array[1, 2, 3, 4]


VIEWS = [View(kind=kind, channels=7 if kind is ViewKind.CHANNEL_SLICE else None) for kind in ViewKind]


@pytest.mark.parametrize("behind", [0, 64, 192, 4 * 397])
def test_what_is_brought_into_another_order_lies_in_its_page_where_it_lay(behind: int) -> None:
    array = empty_at((2, 3, 4, 5), np.dtype(np.float32), behind=behind)
    array[...] = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    moved = geometry.contiguous(array, "nchw", "nhwc")
    assert moved.ctypes.data % PAGE == behind
    assert np.array_equal(moved, array.transpose(0, 2, 3, 1))
    for view in VIEWS:
        lying = geometry.in_order(array, "nchw", "nhwc", view)
        assert lying.ctypes.data % PAGE == behind, view
        assert np.array_equal(lying, moved), view


def test_a_contiguous_array_is_not_copied() -> None:
    array = np.zeros((2, 3, 4, 5))
    assert np.shares_memory(geometry.contiguous(array, "nchw", "nchw"), array)


def test_an_operator_without_divisor_gets_the_overhang_as_padding_only_where_a_divisor_is_asked_for() -> None:
    asked = {"stride": [2], "padding": [(1, 0)], "ceil_mode": True}
    assert geometry.operator_padding(PoolSpec.windowed("avg", [3], **asked), (5,)) == ((1, 0),)
    assert geometry.operator_padding(PoolSpec.windowed("avg", [3], divisor=5, **asked), (5,)) == ((1, 1),)


@pytest.mark.parametrize(("padding", "is_below"), [((1, 1), True), ((2, 0), False), ((0, 2), False), ((0, 0), True)])
def test_padding_is_below_the_window_where_it_is_on_both_sides(padding: tuple[int, int], is_below: bool) -> None:
    assert geometry.is_below_window(((0, 0), padding), PoolSpec.windowed("max", [1, 2])) is is_below
