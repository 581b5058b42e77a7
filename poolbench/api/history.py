"""A subject's history: what of its points is stored, and which runs measure what is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from poolbench.analyse.history.series import Measured, build_history, measured_as
from poolbench.analyse.history.types import History
from poolbench.api.request import Request, default_budget_s
from poolbench.errors import StoreError
from poolbench.model.history import HistoryTerms, Point
from poolbench.model.method import Method
from poolbench.model.subject import Subject
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
