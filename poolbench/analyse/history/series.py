"""Histories put together from stored runs.

Rows of several runs meet here, but never times of several runs: each launch gives a ratio to the anchor that stood in
the same blocks, and launches of all runs that used the same method are the units of one estimate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from poolbench.analyse.estimate.ledger import Ledger, estimates
from poolbench.analyse.estimate.location import LEAST_LAUNCHES, Location, average, locate, standard_error
from poolbench.analyse.history.changes import MEAN, Track, find_changes
from poolbench.analyse.history.types import Bridge, Cell, History, Series
from poolbench.model.estimate import Estimate
from poolbench.model.history import Point
from poolbench.model.method import Method, timing_method
from poolbench.model.subject import Subject
from poolbench.model.verdict import Policy

if TYPE_CHECKING:
    from poolbench.model.result import ResultRow, RunHeader

LEAST_ERROR = 1e-6
"""In place of a standard error of 0: launches that agree to the last digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A stored run: its header and its rows."""

    header: RunHeader
    rows: Sequence[ResultRow]


def build_history(
    *,
    subject: Subject,
    anchor: Point,
    points: Sequence[Point],
    workloads: Sequence[str],
    names: Mapping[str, str],
    runs: Sequence[Measured],
    method: Method,
    policy: Policy | None = None,
) -> History:
    """Return the history that ``runs``, in order of time, show. Pure: the same runs give the same history."""
    policy = policy or Policy()
    by_method: dict[Method, list[Measured]] = {timing_method(method): []}
    for run in runs:
        by_method.setdefault(timing_method(run.header.method), []).append(run)
    all_series = {key: _series(key, found, anchor, points, workloads, policy) for key, found in by_method.items()}
    present = all_series.pop(timing_method(method))
    earlier = [(series, _bridge(series, present, workloads)) for series in reversed(all_series.values()) if series.runs]
    return History(
        subject=subject,
        anchor=anchor,
        points=tuple(points),
        workloads=tuple(workloads),
        names=dict(names),
        series=present,
        earlier=tuple(earlier),
        policy=policy,
    )


def measured_as(point: Point, anchor: Point) -> Subject:
    """Return the subject that a point is measured as: the anchor itself a second time."""
    return replace(anchor.subject, copy=anchor.subject.copy + 1) if point.subject == anchor.subject else point.subject


def _series(
    method: Method,
    runs: Sequence[Measured],
    anchor: Point,
    points: Sequence[Point],
    workloads: Sequence[str],
    policy: Policy,
) -> Series:
    ledgers = [Ledger(run.rows, run.header.method.rejection) for run in runs]
    cells: dict[tuple[str, int], Cell] = {}
    located: dict[tuple[str, int], tuple[Location, list[int]]] = {}
    used: set[str] = set()
    for place, point in enumerate(points):
        name, base = str(measured_as(point, anchor)), str(anchor.subject)
        if point.same_as:
            continue
        for workload in workloads:
            found = [dict(estimates(ledger.pairs(workload, name, base))) for ledger in ledgers]
            launches = {
                number * 1_000_000 + launch: value for number, one in enumerate(found) for launch, value in one.items()
            }
            used |= {run.header.run for run, one in zip(runs, found, strict=True) if one}
            cell, location = _cell(ledgers, workload, place, (name, base), launches, policy)
            if cell is not None:
                cells[workload, place] = replace(cell, runs=sum(bool(one) for one in found))
            if location is not None:
                located[workload, place] = (location, list(launches))
    means, mean_workloads = _means(cells, located, workloads, policy)
    tracks = {
        workload: _track([cell for (one, _), cell in cells.items() if one == workload and cell.is_known])
        for workload in workloads
    }
    mean = _track(list(means.values())) if len(mean_workloads) > 1 else None
    return Series(
        method=method,
        cells=cells,
        means=means,
        mean_workloads=mean_workloads,
        changes=tuple(find_changes(tracks, mean=mean, confidence=policy.confidence)),
        runs=tuple(run.header.run for run in runs if run.header.run in used),
    )


def _cell(
    ledgers: Sequence[Ledger],
    workload: str,
    place: int,
    subjects: tuple[str, str],
    launches: Mapping[int, float],
    policy: Policy,
) -> tuple[Cell | None, Location | None]:
    if len(launches) >= LEAST_LAUNCHES:
        location = locate(list(launches.values()), policy.confidence)
        return _located_cell(workload, place, location, len(launches)), location
    for subject in subjects:
        failures = [row for ledger in ledgers if (row := ledger.failure(workload, subject)) is not None]
        if failures:
            text = f"{failures[-1].status}: {failures[-1].note}" if failures[-1].note else f"{failures[-1].status}."
            note, is_anchor = f"{subject} ended {text}", subject == subjects[1]
            return Cell(workload=workload, point=place, note=note, blames_anchor=is_anchor), None
    return (Cell(workload=workload, point=place, launches=len(launches)) if launches else None), None


def _located_cell(workload: str, place: int, location: Location, launches: int) -> Cell:
    estimate = Estimate(
        value=math.exp(location.centre), low=math.exp(location.low), high=math.exp(min(location.high, 700.0))
    )
    return Cell(
        workload=workload,
        point=place,
        log_ratio=location.centre,
        error=max(float(standard_error(location.influence)), LEAST_ERROR),
        degrees=location.degrees,
        estimate=estimate,
        launches=launches,
    )


def _means(
    cells: Mapping[tuple[str, int], Cell],
    located: Mapping[tuple[str, int], tuple[Location, list[int]]],
    workloads: Sequence[str],
    policy: Policy,
) -> tuple[dict[int, Cell], tuple[str, ...]]:
    """Return the geometric means, over the workloads that all points have: else the set itself would make steps."""
    places = sorted({place for _, place in located})
    common = tuple(w for w in workloads if places and all((w, place) in located for place in places))
    means = {}
    for place in places if common else ():
        location = average([located[workload, place] for workload in common], policy.confidence)
        launches = min(cells[workload, place].launches for workload in common)
        runs = min(cells[workload, place].runs for workload in common)
        means[place] = replace(_located_cell(MEAN, place, location, launches), runs=runs)
    return means, common


def _track(cells: Sequence[Cell]) -> Track:
    ordered = sorted(cells, key=lambda cell: cell.point)
    return Track(
        points=tuple(cell.point for cell in ordered),
        values=tuple(cell.log_ratio for cell in ordered),
        errors=tuple(cell.error for cell in ordered),
        degrees=tuple(cell.degrees for cell in ordered),
    )


def _bridge(old: Series, new: Series, workloads: Sequence[str]) -> Bridge:
    shared = sorted(
        {place for (_, place), cell in old.cells.items() if cell.is_known}
        & {place for (_, place), cell in new.cells.items() if cell.is_known}
    )
    offsets = {}
    for workload in workloads:
        pairs = [
            (new.cells[workload, place], old.cells[workload, place])
            for place in shared
            if all((workload, place) in one.cells and one.cells[workload, place].is_known for one in (new, old))
        ]
        if pairs:
            weights = np.array([1 / (now.error**2 + then.error**2) for now, then in pairs])
            values = np.array([now.log_ratio - then.log_ratio for now, then in pairs])
            offsets[workload] = (float((weights * values).sum() / weights.sum()), float(weights.sum() ** -0.5))
    return Bridge(points=tuple(shared), offsets=offsets)
