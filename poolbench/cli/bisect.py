"""``poolbench bisect``: between a good and a bad end, find the commit that changed the speed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.options import (
    RESULTS,
    Gradients,
    Json,
    Passes,
    Quiet,
    Repo,
    Results,
    Workloads,
    chosen_workloads,
)
from poolbench.cli.output import print_json, print_warnings
from poolbench.cli.progress import budget_bar, teller
from poolbench.errors import ExitCode, MeasurementError
from poolbench.model.method import Method

if TYPE_CHECKING:
    from poolbench.api.bisect import State
    from poolbench.api.history import HistoryRequest
    from poolbench.api.run import Tell
    from poolbench.model.count import CountChange


def bisect(
    subject: Annotated[str, typer.Argument(help="One backend: a declared one, strided, or one with releases.")],
    good: Annotated[str, typer.Option(help="A revision or release from before the change: all are held to it.")],
    bad: Annotated[str, typer.Option(help="A revision or release from after it.")] = "HEAD",
    workloads: Workloads = None,
    passes: Passes = None,
    gradients: Gradients = None,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.9999, help="Stop when one commit has this probability.")
    ] = 0.95,
    budget: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds to measure for.", show_default="that of log2(commits) + 6 probes"),
    ] = None,
    probe: Annotated[
        float | None, typer.Option(min=1, help="Seconds for each probe.", show_default="24, or 3.6 a workload")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads that each point may use.")] = 1,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds after which a silent point is ended.")] = None,
    counts: Annotated[
        bool, typer.Option("--counts", help="Count the instructions of a call before and after, too (docs/counts.md).")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 4 where the answer is not sure.")
    ] = False,
    results: Results = RESULTS,
    repo: Repo = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell which commit made a subject slower or faster. Interrupted, the same command goes on."""
    from poolbench.api.bisect import bisection_points, probe_seconds, usual_budget_s
    from poolbench.api.history import HistoryRequest
    from poolbench.api.request import default_limits
    from poolbench.measure.machine import fingerprint, revision
    from poolbench.report.bisect import bisection_document, bisection_lines
    from poolbench.report.count import change_sentence, count_change_document

    chosen, points = bisection_points(subject, good, bad)
    entries = chosen_workloads(workloads, passes, gradients)
    machine = fingerprint()
    limits = default_limits(machine.hardware, request_s=timeout)
    seconds = probe_seconds(len(entries)) if probe is None else probe
    request = HistoryRequest(
        subject=chosen,
        points=tuple(points),
        anchor=points[0],
        workloads=entries,
        method=Method(threads=threads, memory=False, limits=limits),
        results_dir=results,
        machine=machine.key,
        budget_s=usual_budget_s(len(points), seconds) if budget is None else budget,
    )
    print_warnings(revision().warnings)
    state = _search(request, confidence, seconds, quiet=quiet)
    print_warnings(state.warnings)
    names = {workload.id: workload.name for workload in entries}
    changes = _count(request, state, quiet=quiet) if counts else ()
    if json:
        document = bisection_document(state.found, points, state.readings, names)
        print_json({**document, "counts": [count_change_document(change) for change in changes]})
    else:
        for line in bisection_lines(state.found, points, state.readings, names):
            typer.echo(line)
        for change in changes:
            said = change_sentence(change) or "Not counted."
            typer.echo(f"  {change.base.subject} to {change.head.subject} on {names[change.head.workload]}: {said}")
        typer.echo(f"\nresults  {results / machine.key}")
    if strict and not state.found.is_sure:
        raise typer.Exit(ExitCode.UNDECIDED)


def _count(request: HistoryRequest, state: State, *, quiet: bool) -> tuple[CountChange, ...]:
    """Count what the answer changed: the point before it beside its last one, on the workloads that it concerns."""
    from poolbench.api.bisect import count_answer
    from poolbench.errors import PoolbenchError

    try:
        return count_answer(request, state, tell=teller(quiet=quiet))
    except PoolbenchError as error:  # a second opinion: without it the answer stands
        print_warnings([f"nothing is counted. {error}"])
        return ()


def _search(request: HistoryRequest, confidence: float, seconds: float, *, quiet: bool) -> State:
    """Measure point after point until enough is known or the budget is used."""
    from poolbench.api.bisect import MOST_VAIN, look, why_failed, why_unbuilt

    tell = teller(quiet=quiet)
    failed: dict[int, str] = {}
    vain, spent_s, number = 0, 0.0, 0
    try:
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
            _measure(request, place, min(seconds, left_s), f"probe {number}, {_standing(state, request)}", tell, quiet)
            spent_s += time.monotonic() - begin
            if place not in state.seen and (why := why_failed(request, place)):
                tell(f"{request.points[place].label} is passed over: {why}")
                failed[place] = why
                continue
            after = look(request, confidence, failed=failed)
            vain = vain + 1 if (after.readings, after.series) == (state.readings, state.series) else 0
            if vain >= MOST_VAIN:
                raise MeasurementError(
                    f"{vain} probes of {request.points[place].label} gave no clean launches: give a longer --probe, "
                    "and see 'poolbench doctor'."
                )
    except KeyboardInterrupt:
        typer.echo(
            f"\npoolbench: interrupted. All finished rows are kept under {request.results_dir}; the same command goes "
            "on with them.",
            err=True,
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _measure(request: HistoryRequest, place: int, seconds: float, what: str, tell: Tell, quiet: bool) -> None:
    from poolbench.api.bisect import probe
    from poolbench.api.run import new_run

    tell(f"{what}: {request.points[place].label} {request.points[place].detail}".rstrip())
    one = probe(request, place, seconds)
    with budget_bar(one.budget_s, quiet=quiet) as bar, new_run(one, observer=bar, tell=tell) as run:
        for _ in run.measure():
            pass  # each row is stored before it comes here


def _standing(state: State, request: HistoryRequest) -> str:
    """Return where the change is believed to be, in few words."""
    if not state.readings:
        return "is there a difference?"
    best = max(state.series.measurable, key=lambda place: state.belief.weights[place - 1])
    chance = state.belief.weights[best - 1]
    return f"none {100 * state.belief.none:.0f} %, {request.points[best].label} {100 * chance:.0f} %"
