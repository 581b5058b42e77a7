"""``poolbench compare``: select, measure, store, analyse, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.measuring import measured_rows, resuming
from poolbench.cli.options import (
    RESULTS,
    Gradients,
    Json,
    Passes,
    Quiet,
    Repo,
    Results,
    Sort,
    Subjects,
    Workloads,
    chosen_workloads,
)
from poolbench.cli.output import print_json, print_warning, require_measured
from poolbench.cli.progress import budget_bar, teller
from poolbench.errors import UsageError
from poolbench.model.method import Cache, LayoutPolicy, Method
from poolbench.model.verdict import Ranking

if TYPE_CHECKING:
    from poolbench.model.result import ResultRow, RunHeader


def compare(
    subjects: Subjects = None,
    workloads: Workloads = None,
    passes: Passes = None,
    gradients: Gradients = None,
    batch: Annotated[
        str | None, typer.Option(help="'source': the batch that each layer's source trains or serves with.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads that each subject may use.")] = 1,
    cache: Annotated[Cache, typer.Option(help="Whether inputs lie in the caches when a call begins.")] = Cache.HOT,
    layout: Annotated[
        LayoutPolicy,
        typer.Option(help="best: subjects may convert to their own layout first. given: converting is timed."),
    ] = LayoutPolicy.BEST,
    memory: Annotated[
        bool, typer.Option("--memory/--no-memory", help="Whether the memory of a call is measured too.")
    ] = True,
    budget: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds to measure for.", show_default="11 a workload, 9 without memory"),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds after which a silent subject is ended.")
    ] = None,
    sort: Sort = Ranking.TIME,
    results: Results = RESULTS,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Measure what this run is missing.")] = None,
    repo: Repo = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure subjects on workloads, interleaved, and tell which is fastest."""
    if resume is not None:
        if subjects or workloads or passes or gradients:
            raise UsageError("--resume continues a run with its own subjects and workloads: name neither beside it.")
        _resume(results, resume, sort=sort, json=json, quiet=quiet)
        return

    from poolbench.api.request import Request, choose_subjects, default_budget_s, default_limits
    from poolbench.api.run import new_run
    from poolbench.measure.advice import thread_notes
    from poolbench.measure.machine import fingerprint

    if batch not in (None, "source"):
        raise UsageError(f"--batch takes 'source', or is left out for the catalogue's own batch; '{batch}' is neither.")
    chosen, notes = choose_subjects(subjects or None, layout=layout)
    for note in (*notes, *thread_notes(threads, [subject.threads for subject in chosen])):
        print_warning(note)
    entries = chosen_workloads(workloads, passes, gradients, batch_from_source=batch == "source")
    limits = default_limits(fingerprint().hardware, request_s=timeout)
    request = Request(
        subjects=chosen,
        workloads=entries,
        method=Method(threads=threads, cache=cache, layout=layout, memory=memory, limits=limits),
        budget_s=default_budget_s(len(entries), memory=memory) if budget is None else budget,
        results_dir=results,
    )
    with (
        budget_bar(request.budget_s, quiet=quiet) as bar,
        new_run(request, observer=bar, tell=teller(quiet=quiet)) as run,
    ):
        rows = measured_rows(run, go_on=f"measure the rest with: {resuming(run)}")
    _report(run.header, rows, run.path, sort=sort, json=json)


def _resume(results: Path, name: str, *, sort: Ranking, json: bool, quiet: bool) -> None:
    from poolbench.api.run import resumed_run
    from poolbench.store.reading import read_header
    from poolbench.store.runs import find_run

    path = find_run(results, name, warn=print_warning)
    header = read_header(path)
    if header.gate is not None:
        raise UsageError(f"{path} is a gate's run: 'poolbench gate --resume {header.run}' goes on with it.")
    with (
        budget_bar(header.budget_s, quiet=quiet) as bar,
        resumed_run(path, observer=bar, tell=teller(quiet=quiet)) as run,
    ):
        rows = measured_rows(run, go_on=f"measure the rest with: {resuming(run)}")
    _report(run.header, rows, run.path, sort=sort, json=json)


def _report(header: RunHeader, rows: tuple[ResultRow, ...], path: Path, *, sort: Ranking, json: bool) -> None:
    """Print the table, write the summary beside the results, and fail where nothing was measured."""
    from poolbench.analyse.compare.summary import summarise
    from poolbench.report.files import write_summary
    from poolbench.report.render.terminal import print_summary

    summary = summarise(header, rows, ranking=sort)
    written = write_summary(summary, path)
    if json:
        from poolbench.report.render.json import summary_document

        print_json({"results": str(path), **summary_document(summary)})
    else:
        print_summary(summary)
        typer.echo(f"\nresults  {path}\nsummary  {written.markdown}\ntable    {written.csv}")
    require_measured(rows)
