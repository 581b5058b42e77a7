"""A bisection: its points, what the stored runs say of them, and the run that measures the next one.

Each probe is a run of its own, of the anchor (the good end) and one point, by the method of ``poolbench history`` and
under its names: so a history has all probes, and a bisection all that a history has measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from poolbench.analyse.bisect.choice import Answer, Finding, Series, belief, finding, next_place
from poolbench.analyse.bisect.posterior import Belief, Reading
from poolbench.analyse.history.series import measured_as
from poolbench.api.count import counts
from poolbench.api.history import POLICY, HistoryRequest, load_history
from poolbench.api.points import choose_points
from poolbench.api.request import Request, default_budget_s
from poolbench.api.run import Tell
from poolbench.backends import registry
from poolbench.environments.interpreter import Unavailable
from poolbench.environments.provide import provide
from poolbench.environments.reference import is_kernel
from poolbench.errors import MeasurementError, UsageError
from poolbench.model.count import CountChange
from poolbench.model.history import Point
from poolbench.model.subject import Subject, parse_subject

REVISION = "rev:"

SUBJECTS_IN_DEFAULT = 5
"""What the usual budget of a run is for; a probe has two."""

EXTRA_PROBES = 6
"""Beside one for each halving: the far end, and what is measured again."""

MOST_VAIN = 2
"""So many runs without a clean launch of a point are enough."""

_RELEASE = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known: the readings, how often each place was measured, and what is believed and answered now."""

    series: Series
    readings: tuple[Reading, ...]
    seen: tuple[int, ...]
    belief: Belief
    found: Finding
    next_place: int | None
    warnings: tuple[str, ...] = ()


def bisection_points(text: str, good: str, bad: str) -> tuple[Subject, list[Point]]:
    """Return the subject that ``text`` names, and its revisions or releases from ``good`` to ``bad``.

    ``rev:`` before either says that it is a revision where it could be a release. Raises an UsageError where one does
    not exist, or ``good`` does not lead to ``bad``.
    """
    subject = parse_subject(text)
    backend = registry.create(subject.backend)
    ends = [end.removeprefix(REVISION) for end in (good, bad)]
    if any(not end or ".." in end or "," in end for end in ends):
        raise UsageError("--good and --bad each name one revision or one release, such as --good v1.2 --bad HEAD.")
    has_releases = bool(backend.framework) and not is_kernel(subject)
    looks = [has_releases and _RELEASE.fullmatch(end) is not None for end in (good, bad)]
    if all(looks):
        return choose_points(text, releases="..".join(ends), revs=None)
    if any(looks):
        release, revision = (good, bad) if looks[0] else (bad, good)
        raise UsageError(
            f"'{release}' is a release of {backend.framework} and '{revision}' is a revision: name two releases, or "
            f"write {REVISION}{release} for a tag of that name."
        )
    return choose_points(text, releases=None, revs="..".join(ends))


def probe_seconds(workloads: int) -> float:
    """Return for how long a probe measures when nobody says."""
    return default_budget_s(workloads, memory=False) * 2 / SUBJECTS_IN_DEFAULT


def usual_budget_s(points: int, probe_s: float) -> float:
    """Return the seconds that are enough as a rule: one probe for each halving, and some more."""
    return probe_s * (math.ceil(math.log2(max(points, 2))) + EXTRA_PROBES)


def look(request: HistoryRequest, confidence: float, *, failed: Mapping[int, str] | None = None) -> State:
    """Return what the stored runs say. ``failed`` are the places that cannot be measured now, and why.

    What failed in an earlier call is not held against a place: its declaration may have been corrected since. Raises
    MeasurementError where the bad end is among them.
    """
    history, warnings = load_history(request)
    reasons = {place: point.problem for place, point in enumerate(request.points) if point.problem} | dict(failed or {})
    series = Series(
        last=len(request.points) - 1,
        skipped=frozenset(reasons) - {0},
        repeats=frozenset(place for place, point in enumerate(request.points) if point.same_as),
    )
    if series.last in series.skipped:
        raise MeasurementError(
            f"The bad end {request.points[series.last].label} cannot be measured: {reasons[series.last].rstrip('. ')}. "
            "Name an earlier one with --bad."
        )
    cells = {key: cell for key, cell in history.series.cells.items() if key[1] > 0 and cell.is_known}
    readings = tuple(
        Reading(
            workload=workload,
            place=place,
            log_ratio=cell.log_ratio,
            error=cell.error,
            degrees=cell.degrees,
            runs=cell.runs,
        )
        for (workload, place), cell in sorted(cells.items(), key=lambda each: (each[0][1], each[0][0]))
    )
    seen = tuple(
        place
        for place in sorted({reading.place for reading in readings})
        for _ in range(max(reading.runs for reading in readings if reading.place == place))
    )
    believed = belief(readings, series)
    return State(
        series=series,
        readings=readings,
        seen=seen,
        belief=believed,
        found=finding(believed, series, readings, confidence),
        next_place=next_place(believed, series, seen, confidence),
        warnings=tuple(warnings),
    )


def probe(request: HistoryRequest, place: int, seconds: float) -> Request:
    """Return the run that measures the point at ``place`` in turns with the anchor."""
    return Request(
        subjects=(request.anchor.subject, measured_as(request.points[place], request.anchor)),
        workloads=request.workloads,
        method=replace(request.method, memory=False),
        budget_s=max(seconds, 1.0),
        results_dir=request.results_dir,
        policy=POLICY,
    )


def count_answer(request: HistoryRequest, state: State, *, tell: Tell) -> tuple[CountChange, ...]:
    """Count the point before the answer and its last, on the workloads that it concerns; both ends where it is none."""
    found = state.found
    is_none = found.answer is Answer.NONE
    before, after = (0, state.series.last) if is_none else (max(found.first - 1, 0), found.last)
    concerned = {size.workload for size in found.belief.sizes if is_none or size.chance > 0.5}
    workloads = [workload for workload in request.workloads if workload.id in concerned] or request.workloads
    base, head = (request.points[place].subject for place in (before, after))
    taken = list(counts((base, head), workloads, layout=request.method.layout, tell=tell))
    return tuple(CountChange(base=one, head=other) for one, other in zip(taken[::2], taken[1::2], strict=True))


def why_unbuilt(request: HistoryRequest, place: int, tell: Tell) -> str:
    """Build the point at ``place`` and the anchor; return why the point cannot be had, "" where it can.

    Raises MeasurementError where it is the anchor that cannot be.
    """
    point, anchor = request.points[place].subject, request.anchor.subject
    made = provide([anchor, point], tell=tell)
    if isinstance(made[anchor], Unavailable):
        raise MeasurementError(f"The good end cannot be had, to which all are held. {_reason(made[anchor])}")
    return _reason(made[point])


def _reason(place: object) -> str:
    return place.reason if isinstance(place, Unavailable) else ""


def why_failed(request: HistoryRequest, place: int) -> str:
    """Return why the point at ``place`` gave nothing on any workload; "" where it merely lacked clean launches.

    Raises MeasurementError where it is the anchor that failed.
    """
    history, _ = load_history(request)
    own = [cell for w in history.workloads if (cell := history.series.cells.get((w, place))) is not None]
    if any(cell.is_known for cell in own):
        return ""
    blamed = next((cell.note for cell in own if cell.blames_anchor), None)
    if blamed is not None:
        raise MeasurementError(f"The good end, to which all are held, cannot be measured: {blamed}")
    return next((cell.note for cell in own if cell.note), "")
