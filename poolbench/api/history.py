"""A subject's history: which points it has, what of them is stored, and which runs measure what is missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from poolbench.analyse.history.series import Measured, build_history, measured_as
from poolbench.analyse.history.types import History
from poolbench.api.run import Request, default_budget_s
from poolbench.backends import registry
from poolbench.environments.reference import is_kernel
from poolbench.environments.releases import chosen_releases, released, whole_releases
from poolbench.environments.revisions import revisions
from poolbench.errors import StoreError, UsageError
from poolbench.model.history import HistoryTerms, Point
from poolbench.model.method import Method
from poolbench.model.result import Status
from poolbench.model.subject import Subject, parse_subject
from poolbench.model.verdict import Policy
from poolbench.model.workload import Workload
from poolbench.store.history import FOLDER, list_terms, write_terms
from poolbench.store.reading import read_header, read_run
from poolbench.store.runs import list_runs

BATCH = 4
"""So many points share a run with the anchor: blocks stay short enough for a drift to cancel in them."""

POLICY = Policy(relevant_change=0.015)
"""Ratios are measured to 1 %, more closely than where two subjects are compared: a step is between two of them."""

CONFIRMING_SHARE = 0.25
"""What part of a given budget is kept for measuring again beside what seems to have changed."""

_USUAL_SUBJECTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """What is measured: ``points`` of ``subject`` (which names no environment) on ``workloads``, against ``anchor``.

    ``budget_s`` is for everything, or None for the usual time.
    """

    subject: Subject
    points: tuple[Point, ...]
    anchor: Point
    workloads: tuple[Workload, ...]
    method: Method
    results_dir: Path
    machine: str
    budget_s: float | None = None


def choose_points(text: str, *, releases: str | None, revs: str | None, every: int = 1) -> tuple[Subject, list[Point]]:
    """Return the subject that ``text`` names, and its points, the oldest first.

    Raises an UsageError where the subject, a release or a revision does not exist, or where the range has fewer than
    two points.
    """
    subject = parse_subject(text)
    backend = registry.create(subject.backend)
    if subject.environment or subject.copy != 1 or subject.is_limit:
        raise UsageError(f"'{text}': name a backend alone, such as {subject.backend}: the points are its environments.")
    if (releases is None) == (revs is None):
        raise UsageError("Say which points: either --releases, such as 1.20..1.23, or --revs, such as HEAD~5..HEAD.")
    if is_kernel(subject) is not (releases is None):
        wanted = "--revs A..B: it is built from this project's revisions" if is_kernel(subject) else (
            "--releases A..B: only this project's kernel (strided) is built from revisions"
        )  # fmt: skip
        raise UsageError(f"The history of {subject.backend} takes {wanted}.")
    if releases is not None:
        if not backend.framework:
            raise UsageError(f"{subject.backend} needs no framework, so that there is no release of it.")
        points = _release_points(subject, backend.framework, releases, every)
    else:
        points = _revision_points(subject, revs or "", every)
    if len(points) < 2:
        raise UsageError(f"'{releases or revs}' is one point alone, {points[0].label}; a history has two or more.")
    if all(point.same_as for point in points[1:]):
        raise UsageError(
            f"All {len(points)} revisions of '{revs}' build the same kernel as {points[0].label}: nothing between them "
            "can have changed its speed. Name an older revision to begin with."
        )
    return subject, points


def choose_anchor(
    subject: Subject, points: Sequence[Point], *, results_dir: Path, machine: str, wanted: str | None = None
) -> Point:
    """Return the point that all are measured against: the wanted one, else that of the stored runs, else the first.

    Unless it is wanted, none is taken that is known to fail wherever it was tried.
    """
    by_subject = {point.subject: point for point in points}
    by_text = {str(point.subject): point for point in points}
    if wanted is not None:
        if not wanted.strip():
            raise UsageError("The anchor names no point: say which, or leave it out for the first, or the stored one.")
        named = {point.label: point for point in points} | by_text
        if wanted in named:
            return named[wanted]
        text = f"{'rev:' if is_kernel(subject) else ''}{wanted}"
        return Point(label=wanted, subject=replace(subject, environment=text))
    failing = failing_subjects(subject, results_dir=results_dir, machine=machine)
    together: Counter[Subject] = Counter()
    for run in list_runs(results_dir):
        if run.machine != machine or run.problem:
            continue
        family = [other for other in run.subjects if _is_point_of(other, subject)]
        if len(family) > 1 and (set(family) & set(by_subject) or len(family) > 2):
            together.update({other: 1 for other in family if other.copy == 1 and other not in failing})
    if together:
        usual = together.most_common(1)[0][0]
        return by_subject.get(usual) or Point(label=_label(usual), subject=usual)
    sound = [point for point in points if not point.problem and not point.same_as]
    if not sound:
        raise UsageError(f"None of the points can be measured; the first says: {points[0].problem}")
    return next((point for point in sound if point.subject not in failing), sound[0])


def failing_subjects(subject: Subject, *, results_dir: Path, machine: str) -> frozenset[Subject]:
    """Return the points of ``subject`` that were tried on this machine and never gave a result on any workload."""
    has_result: dict[str, bool] = {}
    for run in list_runs(results_dir):
        if run.machine != machine or run.problem or not any(_is_point_of(other, subject) for other in run.subjects):
            continue
        try:
            rows = read_run(run.path).rows
        except StoreError:
            continue  # load_history says which file cannot be read
        for row in rows:
            has_result[row.subject] = has_result.get(row.subject, False) or row.status is Status.OK
    return frozenset(parse_subject(text) for text, has_one in has_result.items() if not has_one)


def load_history(request: HistoryRequest) -> tuple[History, list[str]]:
    """Return what the stored runs show, and warnings about what of them could not be read."""
    runs, warnings = _stored(request)
    history = build_history(
        subject=request.subject,
        anchor=request.anchor,
        points=request.points,
        workloads=[workload.id for workload in request.workloads],
        names={workload.id: workload.name for workload in request.workloads},
        runs=runs,
        method=request.method,
    )
    return history, warnings


def remember(request: HistoryRequest, name: str) -> None:
    """Store what the history is of, so that reports of this machine show it. Raises StoreError."""
    terms = HistoryTerms(
        subject=request.subject,
        points=request.points,
        anchor=request.anchor,
        workloads=request.workloads,
        method=request.method,
    )
    write_terms(terms, request.results_dir / request.machine / FOLDER, name)


def stored_histories(results_dir: Path, machine: str) -> tuple[list[History], list[str]]:
    """Return each history of ``machine`` as its stored runs have it now, and sentences on what cannot be read."""
    histories = []
    found, problems = list_terms(results_dir / machine / FOLDER)
    for terms in found:
        request = HistoryRequest(
            subject=terms.subject,
            points=terms.points,
            anchor=terms.anchor,
            workloads=terms.workloads,
            method=terms.method,
            results_dir=results_dir,
            machine=machine,
        )
        history, warnings = load_history(request)
        histories.append(history)
        problems += warnings
    return histories, list(dict.fromkeys(problems))


def missing_runs(history: History, request: HistoryRequest, *, remeasure: bool = False) -> list[Request]:
    """Return the runs that measure what no stored run has.

    Points that are known to fail are not tried again, and what an earlier method has measured is not measured again,
    unless ``remeasure`` says so; but for the latest such point and the anchor: the bridge between the methods.
    """
    bridge = _bridge_points(history)
    lacking: dict[tuple[Workload, ...], list[int]] = {}
    for place, point in enumerate(history.points):
        if point.same_as or point.problem:
            continue
        wanted = []
        for workload in request.workloads:
            own = history.series.cells.get((workload.id, place))
            is_settled = own is not None and (own.is_known if remeasure else own.is_settled)
            is_carried = history.cell(workload.id, place).is_bridged or _is_known_earlier(history, workload.id, place)
            if not is_settled and (remeasure or place in bridge or not is_carried):
                wanted.append(workload)
        if wanted:
            lacking.setdefault(tuple(wanted), []).append(place)
    share = (1 - CONFIRMING_SHARE) if request.budget_s is not None else 1.0
    return _batches(lacking, history, request, share)


def confirming_runs(history: History, request: HistoryRequest, *, spent_s: float = 0.0) -> list[Request]:
    """Return the runs that measure once more beside each change that was seen in one run alone."""
    lacking: dict[tuple[Workload, ...], list[int]] = {}
    for change in history.series.changes:
        if history.series.is_confirmed(change):
            continue
        names = {effect.workload for effect in change.effects} or set(history.series.mean_workloads)
        workloads = tuple(workload for workload in request.workloads if workload.id in names)
        for place in (change.before, change.after):
            if history.series.runs_at(place, names) < 2:
                lacking.setdefault(workloads, []).append(place)
    lacking = {workloads: sorted(set(places)) for workloads, places in lacking.items()}
    if request.budget_s is None:
        return _batches(lacking, history, request, 1.0)
    left = max(request.budget_s - spent_s, 0.0) / request.budget_s
    return _batches(lacking, history, request, left)


def _release_points(subject: Subject, package: str, text: str, every: int) -> list[Point]:
    try:
        known = released(package)
    except UsageError:
        named = whole_releases(text)  # then no index is needed: some may be stored, and some environments kept
        if named is None:
            raise
        known = named
    found = chosen_releases(package, text, known, every=every)
    return [Point(label=version, subject=replace(subject, environment=version)) for version in found]


def _revision_points(subject: Subject, text: str, every: int) -> list[Point]:
    points: list[Point] = []
    previous, first = None, ""
    for revision in revisions(text, every=every):
        is_same = bool(revision.build) and revision.build == previous
        first = first if is_same else revision.commit
        previous = revision.build
        points.append(
            Point(
                label=revision.commit,
                subject=replace(subject, environment=f"rev:{revision.commit}"),
                detail=revision.title,
                same_as=first if is_same else "",
                problem=revision.problem,
            )
        )
    return points


def _is_point_of(found: Subject, subject: Subject) -> bool:
    return bool(found.environment) and (found.backend, found.threads) == (subject.backend, subject.threads)


def _label(subject: Subject) -> str:
    return subject.environment.removeprefix("rev:")


def _stored(request: HistoryRequest) -> tuple[list[Measured], list[str]]:
    """Return the stored runs of this machine in which the anchor stood beside a point, in order of time."""
    wanted = {measured_as(point, request.anchor) for point in request.points}
    runs, warnings = [], []
    for run in list_runs(request.results_dir):
        if run.machine != request.machine:
            continue
        if run.problem:
            warnings.append(run.problem)
            continue
        if request.anchor.subject not in run.subjects:
            continue
        if not wanted & set(run.subjects):
            continue
        try:
            if not _is_comparable(read_header(run.path).method, request.method):
                continue
            stored = read_run(run.path)
        except StoreError as error:
            warnings.append(str(error))
            continue
        warnings += stored.warnings
        runs.append(Measured(header=stored.header, rows=stored.rows))
    return runs, warnings


def _is_comparable(stored: Method, now: Method) -> bool:
    """Whether both time the same thing, be it in different ways: another number of threads is another history."""
    return (stored.threads, stored.cache, stored.layout) == (now.threads, now.cache, now.layout)


def _is_known_earlier(history: History, workload: str, place: int) -> bool:
    cells = (series.cells.get((workload, place)) for series, _ in history.earlier)
    return any(cell is not None and cell.is_known for cell in cells)


def _bridge_points(history: History) -> set[int]:
    """Return the points that the present method measures though an earlier one has: the anchor, and the latest."""
    if not history.earlier:
        return set()
    old = sorted({place for _, place in history.earlier[0][0].cells})
    anchor = [place for place in old if history.points[place].subject == history.anchor.subject]
    return {*anchor[:1], *old[-1:]}


def _batches(
    lacking: dict[tuple[Workload, ...], list[int]], history: History, request: HistoryRequest, share: float
) -> list[Request]:
    """Divide points over runs so that neighbours are in different ones.

    What a run's anchor errs by, all of its points err by: spread like this it looks like noise, and not like a step.
    """
    cells = sum(len(workloads) * len(places) for workloads, places in lacking.items())
    requests = []
    for workloads, places in lacking.items():
        count = math.ceil(len(places) / BATCH)
        for number in range(count):
            batch = places[number::count]
            subjects = (history.anchor.subject, *(measured_as(history.points[p], history.anchor) for p in batch))
            if request.budget_s is None:
                budget_s = default_budget_s(len(workloads), memory=False) * (len(batch) + 1) / _USUAL_SUBJECTS
            else:
                budget_s = request.budget_s * share * len(workloads) * len(batch) / cells
            requests.append(
                Request(
                    subjects=subjects,
                    workloads=workloads,
                    method=replace(request.method, memory=False),
                    budget_s=max(budget_s, 1.0),
                    results_dir=request.results_dir,
                    policy=POLICY,
                )
            )
    return requests
