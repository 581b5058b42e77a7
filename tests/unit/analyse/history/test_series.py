from dataclasses import replace

import pytest

from poolbench.analyse.history.changes import Direction
from poolbench.model.method import Limits, Method
from poolbench.model.result import Status
from poolbench.report.history import changes_table, history_table
from poolbench.report.render.csv import frame as frame_of
from tests.unit.analyse.history.histories import WORKLOADS, make_history, make_points, make_run
from tests.unit.builders import AVG2D, MAX2D

FLAT = [1.0] * 8
STEP = [1.0] * 5 + [1.12] * 3
RATIOS = {MAX2D: STEP, AVG2D: FLAT}


def two_runs(points, **options):
    return [
        make_run(points, RATIOS, (0, 2, 4, 6), name="20260101-000000-0000", seed=1, **options),
        make_run(points, RATIOS, (1, 3, 5, 7), name="20260102-000000-0000", seed=2, **options),
    ]


def test_points_of_several_runs_make_one_series_and_the_step_is_found():
    points = make_points(8)
    history = make_history(points, two_runs(points))
    assert [history.cell(MAX2D, place).runs for place in range(8)] == [1] * 8
    ((change, series),) = history.changes
    assert history.labels(change)[:2] == ("1.4.0", "1.5.0")
    assert change.direction is Direction.SLOWER
    assert [effect.workload for effect in change.effects] == [MAX2D]
    assert change.low < 1.12 < change.high
    assert not series.is_confirmed(change)


def test_a_change_is_confirmed_by_a_second_run_on_both_sides():
    points = make_points(8)
    again = make_run(points, {MAX2D: STEP}, (4, 5), name="20260103-000000-0000", seed=3)
    history = make_history(points, [*two_runs(points), again])
    ((change, series),) = history.changes
    assert series.is_confirmed(change)
    assert history.cell(MAX2D, 4).launches == 12 and history.cell(AVG2D, 4).launches == 6


def test_the_anchor_is_a_point_by_its_copy():
    points = make_points(8)
    history = make_history(points, two_runs(points))
    assert history.cell(MAX2D, 0).estimate.value == pytest.approx(1.0, abs=0.03)
    assert history.cell(MAX2D, 0).error > 0


def test_a_point_that_fails_stays_with_its_reason():
    points = make_points(8)
    failures = {(w, str(points[4].subject)): (Status.FAILED, "does not install.") for w in WORKLOADS}
    first, second = two_runs(points)
    first = make_run(points, RATIOS, (0, 2, 4, 6), name=first.header.run, failures=failures)
    history = make_history(points, [first, second])
    cell = history.cell(MAX2D, 4)
    assert cell.is_settled and "does not install." in cell.note
    ((change, _),) = history.changes
    assert history.labels(change)[:2] == ("1.3.0", "1.5.0")


def test_the_same_build_is_measured_once_and_the_change_lies_behind_its_last_commit():
    points = make_points(8, same_as={4: "1.3.0"})
    history = make_history(points, two_runs(points))
    ((change, _),) = history.changes
    assert history.labels(change)[:2] == ("1.4.0", "1.5.0")
    assert not history.cell(MAX2D, 4).is_known


def test_another_method_starts_a_series_that_a_bridge_ties():
    points = make_points(8)
    old = replace(Method(), version=0)
    earlier = make_run(points, {w: [1.0] * 8 for w in WORKLOADS}, (0, 1, 2, 3, 4), name="a", method=old)
    # By the new method everything but the anchor is 10 % slower: that is no step of the subject's.
    later = make_run(points, {w: [1.0] + [1.1] * 7 for w in WORKLOADS}, (4, 5, 6, 7), name="b", seed=2)
    history = make_history(points, [earlier, later])
    assert history.changes == []
    assert set(history.series.cells) == {(w, place) for w in WORKLOADS for place in (4, 5, 6, 7)}
    carried = history.cell(MAX2D, 2)
    assert carried.is_bridged and carried.estimate.value == pytest.approx(1.1, abs=0.03)
    ((_, bridge),) = history.earlier
    assert bridge.points == (4,)
    assert carried.error > history.earlier[0][0].cells[MAX2D, 2].error


def test_what_does_not_decide_on_times_starts_no_series():
    points = make_points(8)
    first, _ = two_runs(points)
    other = replace(Method(), memory=False, limits=Limits(request_s=1.0))
    assert make_history(points, [first], method=other).earlier == ()


def test_frames_have_a_line_for_each_point_and_workload_and_for_each_change():
    points = make_points(8)
    history = make_history(points, two_runs(points))
    frame = frame_of(history_table(history))
    assert len(frame) == 8 * (len(WORKLOADS) + 1)
    assert frame.loc[(frame["workload"] == MAX2D) & (frame["point"] == "1.6.0"), "ratio"].item() > 1.08
    changes = frame_of(changes_table(history))
    assert list(changes["workload"]) == ["", MAX2D]
    assert list(changes["after"]) == ["1.5.0"] * 2
