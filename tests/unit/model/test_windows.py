"""What is told of windows by arithmetic, against a walk through them, over all small sizes."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product

import pytest

from poolbench.backends.geometry import divides_by_inside, divides_by_window, exact_padding, is_same_padding, overhangs
from poolbench.backends.registry import create, names
from poolbench.catalogue.select import select
from poolbench.errors import InvalidSpecError
from poolbench.model.contract import exercised_clauses
from poolbench.model.ids import parse_id
from poolbench.model.memory import least_bytes
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.windows import AdaptiveWindows, SlidingWindows
from poolbench.verify.fill import largest_window


def small_windows(length: int) -> list[SlidingWindows]:
    """Return windows of all small sizes on an axis: as many as fit, and up to two more that overhang."""
    found = []
    for taps, stride, dilation, before, after in product(range(1, 5), range(1, 5), range(1, 6), range(6), range(4)):
        fitting = (length + before + after - (taps - 1) * dilation - 1) // stride + 1
        found += [
            SlidingWindows(
                length=length, size=size, taps=taps, stride=stride, dilation=dilation, before=before, after=after
            )
            for size in range(max(fitting, 1), max(fitting, 0) + 3)
        ]
    return found


def taps_of(windows: SlidingWindows, output: int) -> list[int]:
    return [output * windows.stride - windows.before + tap * windows.dilation for tap in range(windows.taps)]


@pytest.mark.parametrize("length", range(1, 8))
def test_sliding_windows_are_what_a_walk_finds(length: int) -> None:
    for windows in small_windows(length):
        taps = [taps_of(windows, output) for output in range(windows.size)]
        read = [[tap for tap in window if 0 <= tap < length] for window in taps]
        counted = [[tap for tap in window if tap < length + windows.after] for window in taps]
        empty = next((output for output, window in enumerate(read) if not window), None)
        assert windows.first_without_input == empty, windows
        if empty is not None:
            continue
        assert [(w.first, w.count, w.counted) for w in windows] == [
            (inside[0], len(inside), len(within)) for inside, within in zip(read, counted, strict=True)
        ], windows
        assert windows.largest == max(map(len, read)), windows
        assert windows.are_inside == (read == counted), windows
        assert windows.are_whole(counting_padding=True) == (counted == taps), windows
        assert windows.are_whole(counting_padding=False) == (read == taps), windows
        assert list(windows.interior) == [output for output in range(windows.size) if read[output] == taps[output]]
        assert Counter(at for reads in windows.reads() for at in reads) == Counter(at for own in read for at in own)


def test_adaptive_windows_are_what_a_walk_finds() -> None:
    for length, size in product(range(1, 40), range(1, 40)):
        windows = AdaptiveWindows(length=length, size=size)
        bounds = [(math.floor(o * length / size), math.ceil((o + 1) * length / size)) for o in range(size)]
        assert [(w.first, w.first + w.count) for w in windows] == bounds
        assert windows.largest == max(end - first for first, end in bounds)


def test_windows_are_a_sequence() -> None:
    windows = AdaptiveWindows(length=14, size=4)
    assert windows == tuple(windows) and windows != tuple(windows)[1:] and windows != 4
    assert windows[-1] == windows[3] == windows[2:][1]
    for index in (4, -5):
        with pytest.raises(IndexError, match="There are 4 windows"):
            windows[index]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("length", [10**8, 10**12])
@pytest.mark.parametrize(
    "window",
    [
        "k2",
        "k3s1p1",
        "k3s2p1-ceil",
        "k9s2p4d3-ceil",
        "a7",
        "a{half}",
        "a{third}",
        "k{half}s1p{quarter}",
        "k3s2p1_0-xpad",
    ],
)
def test_what_is_asked_of_a_spec_takes_no_walk(window: str, length: int) -> None:
    window = window.format(half=length // 2, third=length // 3, quarter=length // 4)
    kinds = ("avg",) if "xpad" in window else ("max", "avg")
    for kind in kinds:
        text = f"{kind}1d-n1c1-w{length}-{window}"
        (workload,) = select([text])
        spec, spatial = workload.spec, workload.spatial
        assert parse_id(workload.id) == workload and workload.tags
        assert least_bytes(workload) == 4 * workload.output_spatial[0]
        assert largest_window(workload) >= 1 and exercised_clauses(workload) is not None
        for name in names():
            assert isinstance(create(name).supports(workload).ok, bool)
        if spec.window is not None:
            assert len(exact_padding(spec, spatial)) == len(overhangs(spec, spatial)) == 1
            assert isinstance(is_same_padding(spec, spatial), bool)
            assert isinstance(divides_by_inside(spec, spatial), bool)
            assert isinstance(divides_by_window(spec, spatial), bool)


@pytest.mark.timeout(60)
def test_a_huge_padding_that_steps_over_the_input_is_found_without_a_walk() -> None:
    spec = PoolSpec.windowed(Kind.MAX, 10**9, rank=1, stride=10**6 + 3, padding=[(10**17, 10**18)], dilation=10**9 + 7)
    with pytest.raises(InvalidSpecError, match="read padding alone"):
        spec.windows((10**6,))
