"""The windows against a brute-force reading of the definition, one tap at a time."""

from itertools import count, pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.errors import InvalidSpecError
from poolbench.model.pooling import Kind, PoolSpec, dilated
from poolbench.model.windows import AxisWindow
from tests.unit.model.strategies import adaptive_specs, windowed_specs


def starts_by_trial(length: int, k: int, s: int, lo: int, hi: int, d: int, ceil_mode: bool) -> list[int]:
    """Slide the window step by step while it lies within the padded input.

    In ceil mode one more follows where the last did not reach the end, also where the last is the one that would come
    before the first; then the last is dropped where it begins in the right-hand padding.
    """
    reach = (k - 1) * d
    starts = list(takewhile(lambda start: start + reach < length + hi, count(-lo, s)))
    if ceil_mode:
        last = starts[-1] if starts else -lo - s
        if last + reach < length + hi - 1:
            starts.append(last + s)
        if starts and starts[-1] >= length:
            starts.pop()
    return starts


@given(windowed_specs(1), st.integers(1, 24))
def test_windows_are_those_of_the_definition(spec: PoolSpec, length: int) -> None:
    assert spec.window is not None and spec.stride is not None
    (k,), (s,), (d,), ((lo, hi),) = spec.window, spec.stride, spec.dilation, spec.padding
    starts = starts_by_trial(length, k, s, lo, hi, d, spec.ceil_mode)
    taps = [[start + i * d for i in range(k)] for start in starts]
    read = [[tap for tap in window if 0 <= tap < length] for window in taps]
    if not starts:
        with pytest.raises(InvalidSpecError, match="does not fit"):
            spec.windows((length,))
        return
    if not all(read):
        with pytest.raises(InvalidSpecError, match="padding alone"):
            spec.windows((length,))
        return
    (windows,) = spec.windows((length,))
    assert [list(range(w.first, w.first + w.count * w.step, w.step)) for w in windows] == read
    assert [w.counted for w in windows] == [sum(-lo <= tap < length + hi for tap in window) for window in taps]


@given(windowed_specs(3), st.tuples(*[st.integers(1, 12)] * 3))
def test_axes_are_independent(spec: PoolSpec, spatial: tuple[int, int, int]) -> None:
    assert spec.window is not None and spec.stride is not None
    alone = [
        PoolSpec.windowed(
            Kind.MAX,
            spec.window[axis],
            rank=1,
            stride=spec.stride[axis],
            padding=[spec.padding[axis]],
            dilation=spec.dilation[axis],
            ceil_mode=spec.ceil_mode,
        )
        for axis in range(3)
    ]
    try:
        expected = tuple(one.windows((length,))[0] for one, length in zip(alone, spatial, strict=True))
    except InvalidSpecError:
        with pytest.raises(InvalidSpecError):
            spec.windows(spatial)
        return
    assert spec.windows(spatial) == expected
    assert spec.output_spatial(spatial) == tuple(len(windows) for windows in expected)


@given(adaptive_specs(1), st.integers(1, 40))
def test_adaptive_windows_cover_the_input_in_order(spec: PoolSpec, length: int) -> None:
    assert spec.output is not None
    (windows,) = spec.windows((length,))
    assert len(windows) == spec.output[0]
    assert windows[0].first == 0
    assert windows[-1].first + windows[-1].count == length
    assert {i for w in windows for i in range(w.first, w.first + w.count)} == set(range(length))
    assert all(w.count == w.counted >= 1 for w in windows)
    # start = floor(i L / O), end = ceil((i + 1) L / O): neighbours share at most one element
    assert all(one.first + one.count - next_.first in (0, 1) for one, next_ in pairwise(windows))


def test_uneven_adaptive_windows_by_hand() -> None:
    (windows,) = PoolSpec.adaptive(Kind.AVG, (4,)).windows((14,))
    assert [(w.first, w.first + w.count) for w in windows] == [(0, 4), (3, 7), (7, 11), (10, 14)]


@pytest.mark.parametrize(("length", "output", "size"), [(60, 6, 10), (7, 1, 7), (6, 6, 1)])
def test_even_adaptive_windows_resolve(length: int, output: int, size: int) -> None:
    spec = PoolSpec.adaptive(Kind.AVG, (output,))
    assert spec.as_windowed((length,)) == PoolSpec.windowed(Kind.AVG, (size,))
    assert spec.as_windowed((length + 1,)) is None or output == 1


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6)), min_size=1, max_size=3), st.sampled_from(Kind))
def test_a_resolved_adaptive_spec_has_the_same_windows(axes: list[tuple[int, int]], kind: Kind) -> None:
    spec = PoolSpec.adaptive(kind, [output for output, _ in axes])
    spatial = tuple(output * size for output, size in axes)
    resolved = spec.as_windowed(spatial)
    assert resolved is not None
    assert resolved.window == tuple(size for _, size in axes)
    assert resolved.windows(spatial) == spec.windows(spatial)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.sampled_from(Kind))
def test_same_gives_ceil_of_length_over_stride(length: int, k: int, s: int, d: int, kind: Kind) -> None:
    spec = PoolSpec.same(kind, (k,), (s,), (length,), dilation=d)
    ((lo, hi),) = spec.padding
    assert hi - lo in (0, 1), "the odd pad goes to the end"
    if lo or hi:
        assert (-(-length // s) - 1) * s + dilated(k, d) == length + lo + hi, "no more padding than needed"
        assert spec.include_padding == (kind is Kind.MAX)
    try:
        assert spec.output_spatial((length,)) == (-(-length // s),)
    except InvalidSpecError as error:  # a dilated window can fall between the elements of a short input
        assert d > 1 and "padding alone" in str(error)


def test_valid_takes_whole_windows() -> None:
    assert PoolSpec.valid(Kind.MAX, (3,), (2,)).output_spatial((8,)) == (3,)
    assert PoolSpec.valid(Kind.MAX, (3,)).stride == (3,)


@pytest.mark.parametrize(
    ("length", "ceil_mode", "padding", "expected"),
    [
        (7, False, 0, 3),  # 7 is 3 + 2 × 2
        (8, False, 0, 3),
        (8, True, 0, 4),  # the fourth window hangs over by one
        (7, True, 0, 3),  # nothing is left over: the same as floor
        (112, False, 1, 56),
    ],
)
def test_output_sizes_by_hand(length: int, ceil_mode: bool, padding: int, expected: int) -> None:
    spec = PoolSpec.windowed(Kind.MAX, 3, rank=1, stride=2, padding=padding, ceil_mode=ceil_mode)
    assert spec.output_spatial((length,)) == (expected,)


def test_ceil_mode_drops_a_window_that_starts_in_the_right_hand_padding() -> None:
    spec = PoolSpec.windowed(Kind.MAX, 2, rank=1, stride=2, padding=1, ceil_mode=True)
    # Padded length 5 + 2 = 7: ceil((7 − 2) / 2) + 1 = 4 windows at −1, 1, 3, 5; the last would start behind the input.
    assert spec.windows((5,)) == (
        (
            AxisWindow(first=0, count=1, step=1, counted=2),
            AxisWindow(first=1, count=2, step=1, counted=2),
            AxisWindow(first=3, count=2, step=1, counted=2),
        ),
    )


def test_an_overhang_is_not_counted_but_padding_is() -> None:
    spec = PoolSpec.windowed(Kind.AVG, 3, rank=1, stride=2, padding=1, ceil_mode=True)
    (windows,) = spec.windows((6,))
    # Starts −1, 1, 3, 5; the padded input ends at 6 (inclusive), and the last window reaches 7.
    assert [(w.first, w.count, w.counted) for w in windows] == [(0, 2, 3), (1, 3, 3), (3, 3, 3), (5, 1, 2)]


def test_a_window_of_three_by_three_has_nine_elements() -> None:
    rows, columns = PoolSpec.windowed(Kind.AVG, (3, 3)).windows((3, 3))
    assert rows[0].count * columns[0].count == 9


def test_properties_tell_the_kinds_of_spec_apart() -> None:
    assert PoolSpec.global_(Kind.AVG, 3).is_global
    assert PoolSpec.global_(Kind.AVG, 3).is_adaptive
    assert not PoolSpec.adaptive(Kind.AVG, (1, 2)).is_global
    windowed = PoolSpec.windowed(Kind.MAX, (3, 3), padding=((0, 1), (1, 1)))
    assert not windowed.is_adaptive and not windowed.is_global
    assert windowed.is_padded and not windowed.has_symmetric_padding
    assert windowed.as_windowed((9, 9)) is windowed


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: PoolSpec.windowed(Kind.MAX, 3), "A window of 3 says nothing of the rank"),
        (lambda: PoolSpec.adaptive(Kind.MAX, 3), "An output of 3 says nothing of the rank"),
        (lambda: PoolSpec.windowed(Kind.MAX, 3, rank=4), "over 4 spatial axes is not supported"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 0)), "The window (3, 0) has an entry below 1"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 3), stride=(1,)), "The stride (1,) has 1 entries"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 3), dilation=0), "The dilation (0, 0)"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 3), padding=-1), "must be a (lo, hi) pair"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 3), padding=((1, 2, 3), 0)), "must be a (lo, hi) pair"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 3), padding=(1,)), "has 1 entries"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 3), include_padding=False), "a maximum has none"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 3), divisor=2), "a maximum has none"),
        (lambda: PoolSpec.windowed(Kind.AVG, (3, 3), divisor=0), "The divisor is 0"),
        (lambda: PoolSpec.windowed(Kind.AVG, (3, 3), divisor=2, include_padding=False), "leave it out"),
        (lambda: PoolSpec.adaptive(Kind.AVG, (0, 1)), "The output (0, 1) has an entry below 1"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 3)).windows((9,)), "the shape has 1: (9,)"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 3)).windows((9, 0)), "Axis w has length 0"),
        (lambda: PoolSpec.windowed(Kind.MAX, (3, 3)).windows((9, 2)), "does not fit along w"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused_with_a_sentence(build, expected: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        build()
    assert expected in str(caught.value)
