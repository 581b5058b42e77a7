from itertools import pairwise

import numpy as np
import pytest

from poolbench.analyse.history.changes import MEAN, Direction, Track, _Found, _together, find_changes, joint_deficit
from poolbench.analyse.history.segments import contrast, find_steps, observations, optimal_places, penalty
from poolbench.analyse.history.simulation import CONFIRMED, SCENARIOS, simulate

RNG = np.random.default_rng


def track(values, *, error=0.01, degrees=4.0, points=None):
    count = len(values)
    return Track(
        points=tuple(range(count)) if points is None else tuple(points),
        values=tuple(map(float, values)),
        errors=(error,) * count,
        degrees=(degrees,) * count,
    )


def stepped(seed, count, place, size, *, error=0.01):
    return RNG(seed).normal(0, error, count) + np.where(np.arange(count) >= place, size, 0.0)


def test_the_best_cut_is_the_best_of_all_cuts():
    values = stepped(1, 8, 3, 0.08) + np.where(np.arange(8) == 6, 0.1, 0.0)
    series = observations(values, [0.01] * 8, [4.0] * 8)
    paid = penalty(series, 0.02)

    def cost(places):
        edges = [0, *places, 8]
        parts = [slice(a, b) for a, b in pairwise(edges)]
        weights = 1 / series.variances
        squares = sum(
            float((weights[p] * (values[p] - np.average(values[p], weights=weights[p])) ** 2).sum()) for p in parts
        )
        return squares + paid * len(places)

    every = [[place for place in range(1, 8) if bits >> place & 1] for bits in range(0, 256, 2)]
    assert optimal_places(series, paid) == min(every, key=cost)


def test_a_contrast_weighs_points_by_how_well_they_are_known():
    series = observations([0.0, 0.0, 0.1, 0.2], [0.001, 0.001, 0.001, 1.0], [50.0] * 4)
    size, error, degrees = contrast(series, 0, 2, 4)
    assert size == pytest.approx(0.1, abs=0.02)  # the plain mean would be 0.15
    assert error < 0.3 and degrees > 10


def test_a_step_lies_between_its_points_with_its_size():
    (step,) = find_steps(observations(stepped(2, 10, 4, 0.05), [0.01] * 10, [4.0] * 10), error_rate=0.02)
    assert step.place == 4
    low, high = step.interval(0.95)
    assert low < 0.05 < high and low > 0.02
    assert step.first <= 4 <= step.last


def test_a_change_names_direction_workloads_and_nothing_else():
    tracks = {f"w{number}": track(stepped(number, 10, 6, 0.0)) for number in range(8)}
    tracks["up"] = track(stepped(20, 10, 6, 0.08))
    tracks["also up"] = track(stepped(21, 10, 6, 0.06))
    tracks["down"] = track(stepped(22, 10, 3, -0.08))
    first, second = find_changes(tracks)
    assert (first.before, first.after, first.direction) == (2, 3, Direction.FASTER)
    assert [effect.workload for effect in first.effects] == ["down"]
    assert (second.before, second.after, second.direction) == (5, 6, Direction.SLOWER)
    assert {effect.workload for effect in second.effects} == {"up", "also up"}
    assert second.low < second.ratio < second.high and 1.04 < second.ratio < 1.1


@pytest.mark.parametrize(("count", "place"), [(2, 1), (3, 1), (3, 2), (4, 2)])
def test_a_step_on_all_workloads_of_a_short_series_is_no_noise(count, place):
    tracks = {f"w{number}": track(stepped(number, count, place, 0.3)) for number in range(12)}
    (change,) = find_changes(tracks)
    assert (change.before, change.after) == (place - 1, place)
    assert len(change.effects) == 12


def test_a_release_that_is_slow_alone_among_four_is_two_changes():
    slow = {f"w{number}": track(RNG(number).normal(0, 0.01, 4) + np.array([0, 0.3, 0, 0])) for number in range(12)}
    found = find_changes(slow)
    assert [(one.before, one.after, one.direction) for one in found] == [
        (0, 1, Direction.SLOWER),
        (1, 2, Direction.FASTER),
    ]


def test_two_steps_in_one_direction_at_places_that_fit_no_common_one_stay_two():
    tracks = {"early": track(stepped(3, 12, 4, 0.06)), "late": track(stepped(4, 12, 8, 0.06))}
    assert [one.after for one in find_changes(tracks)] == [4, 8]


def test_steps_share_a_place_while_the_sum_of_squares_allows():
    assert joint_deficit(1) == pytest.approx(6.63, abs=0.01)
    assert joint_deficit(2) == pytest.approx(9.21, rel=0.02)
    assert joint_deficit(12) == pytest.approx(26.22, rel=0.01)
    early, late = ({5: 20.0, 6: 15.0, 7: 14.0}, {7: 14.0, 8: 20.0})
    assert [sorted(one.gains) for one in _together(*_steps(early, late))] == [[5, 6, 7]]
    close = ({5: 20.0, 6: 19.0}, {6: 18.0, 7: 20.0})
    assert len(_together(*_steps(*close))) == 2


def _steps(*gains):
    step = find_steps(observations(stepped(2, 10, 4, 0.05), [0.01] * 10, [4.0] * 10), error_rate=0.02)[0]
    found = [_Found(workload=f"w{number}", step=step, gains=one) for number, one in enumerate(gains)]
    return found[0], found


def test_what_moves_every_workload_a_little_shows_in_their_mean():
    values = [stepped(number, 10, 5, 0.012) for number in range(24)]
    tracks = {f"w{number}": track(one) for number, one in enumerate(values)}
    assert not [one for one in find_changes(tracks) if one.effects]
    mean = track(np.mean(values, axis=0), error=0.01 / np.sqrt(24))
    (change,) = find_changes(tracks, mean=mean)
    assert (change.before, change.after) == (4, 5)
    assert all(effect.workload != MEAN for effect in change.effects)


def test_a_point_that_a_workload_lacks_leaves_open_where_it_changed():
    values = stepped(3, 10, 5, 0.1)
    kept = [place for place in range(10) if place not in (4, 5)]
    (change,) = find_changes({"w": track(values[kept], points=kept)})
    assert (change.before, change.after) == (3, 6)


def test_a_release_that_was_slow_alone_is_two_changes():
    values = stepped(4, 8, 9, 0.0) + np.where(np.arange(8) == 3, 0.15, 0.0)
    up, down = find_changes({"w": track(values)})
    assert (up.after, up.direction, down.after, down.direction) == (3, Direction.SLOWER, 4, Direction.FASTER)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_points_are_no_error(count):
    assert find_changes({"w": track([0.0] * count)}) == []


def test_the_simulation_keeps_its_promises():
    """Few series, for the time it takes; docs/decisions/0012-change-points.md has the figures of many."""
    shares = {
        (rate.scenario.name, rate.method): rate.share
        for rate in simulate(
            trials=30, seed=7, settings=[(10, 0.01, 5)], methods=[CONFIRMED],
            scenarios=[one for one in SCENARIOS if one.name in ("identical", "outliers", "step 5%")],
        )
    }  # fmt: skip
    assert shares["identical", CONFIRMED] <= 0.05 and shares["outliers", CONFIRMED] <= 0.1
    assert shares["step 5%", CONFIRMED] >= 0.8
