"""The bisection's loop, of the verb and of Python alike: look at what is stored, build, measure, look again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from poolbench.analyse.bisect.choice import Answer, Finding
from poolbench.analyse.bisect.posterior import Reading
from poolbench.api.bisect import (
    MOST_VAIN,
    State,
    bisection_points,
    look,
    probe,
    probe_seconds,
    usual_budget_s,
    why_failed,
    why_unbuilt,
)
from poolbench.api.history import HistoryRequest
from poolbench.api.request import default_limits
from poolbench.api.run import Tell, silent
from poolbench.catalogue.select import choose
from poolbench.errors import MeasurementError, UsageError
from poolbench.measure.machine import fingerprint
from poolbench.measure.session import Observer
from poolbench.model.history import Point
from poolbench.model.method import Limits, Method
from poolbench.model.workload import Workload

LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.9999

Watch = Callable[[float], AbstractContextManager[Observer | None]]
"""Gives what observes a probe of so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """The answer of a bisection: ``found`` in terms of places in ``points``, from the ``readings`` that it rests on."""

    found: Finding
    points: tuple[Point, ...]
    readings: tuple[Reading, ...]
    warnings: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The commits or releases that hold the change: one, a range, or none."""
        if self.found.answer is Answer.NONE:
            return ()
        return tuple(point.label for point in self.points[self.found.first : self.found.last + 1])


def bisect(
    subject: str,
    good: str,
    bad: str,
    workloads: Sequence[str],
    *,
    confidence: float,
    budget_s: float | None,
    probe_s: float | None,
    threads: int,
    passes: Sequence[str],
    gradients: Sequence[str],
    results: str | Path,
) -> Bisection:
    """Measure and return the answer; ``poolbench.bisect`` documents the arguments."""
    if not LEAST_CONFIDENCE <= confidence <= MOST_CONFIDENCE:
        raise UsageError(f"confidence is {confidence}: it lies from {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}.")
    for name, seconds in (("budget_s", budget_s), ("probe_s", probe_s)):
        if seconds is not None and not seconds >= 1:
            raise UsageError(f"{name} is {seconds}: it takes a second or more, or None for the usual one.")
    choice = choose(workloads, passes=passes, gradients=gradients)
    request, seconds = bisect_request(
        subject,
        good,
        bad,
        choice.workloads,
        limits=default_limits(fingerprint().hardware),
        threads=threads,
        budget_s=budget_s,
        probe_s=probe_s,
        results=Path(results),
    )
    state = search(request, confidence, seconds)
    warnings = (*choice.notes, *state.warnings)
    return Bisection(found=state.found, points=request.points, readings=state.readings, warnings=warnings)


def bisect_request(
    subject: str,
    good: str,
    bad: str,
    workloads: tuple[Workload, ...],
    *,
    limits: Limits,
    threads: int,
    budget_s: float | None,
    probe_s: float | None,
    results: Path,
) -> tuple[HistoryRequest, float]:
    """Return what is asked of the points from ``good`` to ``bad``, and the seconds of a probe."""
    chosen, points = bisection_points(subject, good, bad)
    seconds = probe_seconds(len(workloads)) if probe_s is None else probe_s
    request = HistoryRequest(
        subject=chosen,
        points=tuple(points),
        anchor=points[0],
        workloads=workloads,
        method=Method(threads=threads, memory=False, limits=limits),
        results_dir=results,
        machine=fingerprint().key,
        budget_s=usual_budget_s(len(points), seconds) if budget_s is None else budget_s,
    )
    return request, seconds


def _unwatched(_: float) -> AbstractContextManager[Observer | None]:
    return nullcontext()


def search(
    request: HistoryRequest, confidence: float, seconds: float, *, tell: Tell = silent, watch: Watch = _unwatched
) -> State:
    """Measure point after point until enough is known or the budget is used."""
    failed: dict[int, str] = {}
    vain, spent_s, number = 0, 0.0, 0
    while True:
        state = look(request, confidence, failed=failed)
        place, left_s = state.next_place, (request.budget_s or 0.0) - spent_s
        # A probe that is cut to less than half says too little for what it costs.
        if place is None or left_s < min(seconds, request.budget_s or seconds) / 2:
            return state
        if why := why_unbuilt(request, place, tell):
            failed[place] = why
            continue
        number += 1
        begin = time.monotonic()
        point = request.points[place]
        tell(f"probe {number}, {_standing(state, request)}: {point.label} {point.detail}".rstrip())
        _measure(request, place, min(seconds, left_s), tell, watch)
        spent_s += time.monotonic() - begin
        if place not in state.seen and (why := why_failed(request, place)):
            tell(f"{point.label} is passed over: {why}")
            failed[place] = why
            continue
        after = look(request, confidence, failed=failed)
        vain = vain + 1 if (after.readings, after.series) == (state.readings, state.series) else 0
        if vain >= MOST_VAIN:
            raise MeasurementError(
                f"{vain} probes of {point.label} gave no clean launches: give a longer --probe, and see 'poolbench "
                "doctor'."
            )


def _measure(request: HistoryRequest, place: int, seconds: float, tell: Tell, watch: Watch) -> None:
    from poolbench.api.run import new_run

    one = probe(request, place, seconds)
    with watch(one.budget_s) as observer, new_run(one, observer=observer, tell=tell) as run:
        for _ in run.measure():
            pass  # each row is stored before it comes here


def _standing(state: State, request: HistoryRequest) -> str:
    """Return where the change is believed to be, in few words."""
    if not state.readings:
        return "is there a difference?"
    best = max(state.series.measurable, key=lambda place: state.belief.weights[place - 1])
    chance = state.belief.weights[best - 1]
    return f"none {100 * state.belief.none:.0f} %, {request.points[best].label} {100 * chance:.0f} %"
