import math

import numpy as np
import pytest

from poolbench.analyse.bisect.choice import Answer, Series, belief, finding, next_place
from poolbench.analyse.bisect.posterior import Reading, believe


def read(place, log_ratio, *, workload="w", error=0.004, runs=1):
    return Reading(workload=workload, place=place, log_ratio=log_ratio, error=error, degrees=20.0, runs=runs)


def bisect(series, values, *, error=0.004, most=30):
    """Bisect without noise: ``values`` holds what each place reads."""
    readings, seen = {}, []
    while len(seen) < most:
        believed = belief(list(readings.values()), series)
        place = next_place(believed, series, seen)
        if place is None:
            break
        seen.append(place)
        readings[place] = read(place, values(place), error=error, runs=seen.count(place))
    return finding(belief(list(readings.values()), series), series, list(readings.values())), seen


@pytest.mark.parametrize("at", [1, 2, 31, 63, 64])
@pytest.mark.parametrize("step", [0.05, -0.05])
def test_a_step_is_found_at_its_place_in_about_as_many_points_as_halving_takes(at, step):
    found, seen = bisect(Series(last=64), lambda place: step if place >= at else 0.0)
    assert (found.answer, found.first, found.last) == (Answer.COMMIT, at, at)
    assert found.is_sure and found.chance >= 0.95 and found.is_one_step and len(seen) <= 9
    (size,) = found.belief.sizes
    assert size.low < math.exp(step) < size.high and size.chance > 0.99


def test_no_step_is_no_difference_after_the_last_place_alone():
    found, seen = bisect(Series(last=64), lambda place: 0.001)
    assert found.answer is Answer.NONE and found.is_sure and set(seen) == {64}


def test_what_cannot_be_measured_becomes_a_range_with_the_commit_behind_it():
    series = Series(last=16, skipped=frozenset({8, 9}))
    found, seen = bisect(series, lambda place: 0.08 if place >= 9 else 0.0)
    assert (found.answer, found.first, found.last, found.is_sure) == (Answer.RANGE, 8, 10, True)
    assert not {8, 9} & set(seen)


def test_a_build_that_repeats_the_one_before_is_no_candidate():
    series = Series(last=4, repeats=frozenset({2, 3}))
    assert series.classes == [(1, 1), (4, 4)]
    found, seen = bisect(series, lambda place: 0.08 if place >= 2 else 0.0)
    assert not {2, 3} & set(seen)
    assert found.answer is Answer.COMMIT and found.last == 4


def test_repeats_beside_what_cannot_be_measured_do_not_make_a_range_of_one_commit():
    found, _ = bisect(Series(last=4, skipped=frozenset({2}), repeats=frozenset({3})), lambda p: 0.1 if p > 1 else 0.0)
    assert found.answer is Answer.RANGE and (found.first, found.last) == (2, 4)


def test_noise_that_hides_the_step_makes_it_measure_again_and_never_claim():
    found, seen = bisect(Series(last=8), lambda place: 0.01, error=0.03, most=6)
    assert set(seen) == {8} and len(seen) == 6
    assert found.answer is Answer.NONE and not found.is_sure


def test_a_budget_that_ends_early_leaves_the_shortest_range():
    series = Series(last=16)
    readings = [read(16, 0.1), read(8, 0.0)]
    found = finding(belief(readings, series), series, readings)
    assert (found.answer, found.first, found.last, found.is_sure) == (Answer.RANGE, 9, 16, False)


def test_a_step_on_one_workload_of_many_is_found_and_said_to_be_of_that_one():
    names, series = [f"w{number}" for number in range(6)], Series(last=8)
    readings, seen = [], []
    while (place := next_place(belief(readings, series), series, seen)) is not None and len(seen) < 20:
        seen.append(place)
        readings = [reading for reading in readings if reading.place != place] + [
            read(place, 0.08 if name == "w3" and place >= 5 else 0.0, workload=name, runs=seen.count(place))
            for name in names
        ]
    found = finding(belief(readings, series), series, readings)
    assert (found.answer, found.last) == (Answer.COMMIT, 5)
    assert [size.workload for size in found.belief.sizes if size.chance > 0.5] == ["w3"]


def test_two_steps_are_told_apart_from_one():
    readings = [read(8, 0.20), read(4, 0.10), read(3, 0.0)]
    found = finding(belief(readings, Series(last=8)), Series(last=8), readings, confidence=0.5)
    assert not found.is_one_step


def test_chances_add_up_and_without_readings_are_those_from_before():
    empty = believe([], 10)
    assert empty.none == 0.5 and np.allclose(empty.weights, 0.05)
    some = believe([read(10, 0.03), read(3, 0.01)], 10)
    assert float(some.weights.sum()) + some.none == pytest.approx(1.0)


def test_a_reading_far_off_alone_does_not_outweigh_what_its_neighbours_say():
    """A place that was measured while the machine was disturbed, with launches that agree all the same."""
    slow = [read(place, 0.06, error=0.006) for place in (8, 9, 10, 16)]
    readings = [*slow, read(7, 0.0), read(12, 0.0, error=0.001)]
    assert belief(readings, Series(last=16)).between(8, 8) > 0.9
