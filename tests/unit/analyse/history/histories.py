"""Synthetic histories: runs of an anchor with points, from given true ratios. No clock is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from poolbench.analyse.history.series import Measured, build_history, measured_as
from poolbench.analyse.history.types import History, Point
from poolbench.model.method import Method
from poolbench.model.result import Status
from poolbench.model.subject import parse_subject
from tests.unit.builders import AVG2D, MAX2D, Noise, make_header, make_rows

WORKLOADS = (MAX2D, AVG2D)
SUBJECT = "numpy"


def make_points(count: int, **of_place: Mapping[int, str]) -> list[Point]:
    """Return the releases 1.0.0, 1.1.0, …; ``same_as`` and ``problem`` may be given by place."""
    return [
        Point(
            label=f"1.{place}.0",
            subject=parse_subject(f"{SUBJECT}@1.{place}.0"),
            **{name: given[place] for name, given in of_place.items() if place in given},
        )
        for place in range(count)
    ]


def make_run(
    points: Sequence[Point],
    ratios: Mapping[str, Sequence[float]],
    places: Sequence[int],
    *,
    name: str = "20260101-000000-0000",
    seed: int = 1,
    launches: int = 6,
    method: Method | None = None,
    failures: Mapping[tuple[str, str], tuple[Status, str]] | None = None,
) -> Measured:
    """Return a run of ``places`` with the first point as anchor; ``ratios`` by workload and place."""
    anchor = points[0]
    times = {
        workload: {
            str(anchor.subject): 1e5,
            **{str(measured_as(points[p], anchor)): 1e5 * ratio[p] for p in places},
        }
        for workload, ratio in ratios.items()
    }
    subjects = [str(subject) for subject in (anchor.subject, *(measured_as(points[p], anchor) for p in places))]
    header = replace(make_header(subjects, tuple(ratios), method=method), run=name)
    rows = make_rows(times, noise=Noise(), seed=seed, launches=launches, failures=failures)
    return Measured(header=header, rows=[replace(row, run=name) for row in rows])


def make_history(points: Sequence[Point], runs: Sequence[Measured], *, method: Method | None = None) -> History:
    """Return what the runs show."""
    return build_history(
        subject=parse_subject(SUBJECT),
        anchor=points[0],
        points=points,
        workloads=WORKLOADS,
        names={MAX2D: "stem", AVG2D: "trans"},
        runs=runs,
        method=method or Method(),
    )
