"""``poolbench bisect``: between a good and a bad end, find the commit that changed the speed."""

from __future__ import annotations

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
from poolbench.errors import ExitCode

if TYPE_CHECKING:
    from poolbench.api.bisect import State
    from poolbench.api.history import HistoryRequest
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
    from poolbench.api.bisecting import bisect_request
    from poolbench.api.request import default_limits
    from poolbench.measure.machine import fingerprint, revision
    from poolbench.report.bisect import bisection_document, bisection_lines
    from poolbench.report.count import change_sentence, count_change_document

    entries = chosen_workloads(workloads, passes, gradients)
    request, seconds = bisect_request(
        subject,
        good,
        bad,
        entries,
        limits=default_limits(fingerprint().hardware, request_s=timeout),
        threads=threads,
        budget_s=budget,
        probe_s=probe,
        results=results,
    )
    points = list(request.points)
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
        typer.echo(f"\nresults  {results / request.machine}")
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
    """Measure point after point. On Ctrl-C say how to go on."""
    from poolbench.api.bisecting import search

    try:
        return search(
            request, confidence, seconds, tell=teller(quiet=quiet), watch=lambda time_s: budget_bar(time_s, quiet=quiet)
        )
    except KeyboardInterrupt:
        typer.echo(
            f"\npoolbench: interrupted. All finished rows are kept under {request.results_dir}; the same command goes "
            "on with them.",
            err=True,
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
