"""``poolbench history``: which points, what is stored of them, measure what is missing, find changes, print."""

from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolbench.cli.options import RESULTS, Gradients, Json, Passes, Quiet, Repo, Results, Workloads, chosen_workloads
from poolbench.cli.output import print_json, print_table, print_warning, print_warnings
from poolbench.cli.progress import budget_bar, teller
from poolbench.errors import ExitCode, StoreError, UsageError
from poolbench.model.method import Cache, LayoutPolicy, Method

if TYPE_CHECKING:
    from collections.abc import Callable

    from poolbench.analyse.history.types import History
    from poolbench.api.history import HistoryRequest
    from poolbench.api.request import Request
    from poolbench.model.subject import Subject

CONFIRMING_ROUNDS = 2
"""Measuring again may move a change to other points, which are then measured again too; more rarely helps."""


def history(
    subject: Annotated[str | None, typer.Argument(help="One backend, such as numpy, torch or strided.")] = None,
    releases: Annotated[
        str | None,
        typer.Option(
            metavar="A..B", help="Releases of its framework: 1.20..1.23, 1.20.. (all since), or 1.20,1.21,1.23.1."
        ),
    ] = None,
    revs: Annotated[
        str | None, typer.Option(metavar="A..B", help="Revisions of its git repository: HEAD~9..HEAD.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Take each N-th point of a range, and the last.")] = 1,
    anchor: Annotated[
        str | None, typer.Option(help="The point that all are measured against: by default the first, or as stored.")
    ] = None,
    workloads: Workloads = None,
    passes: Passes = None,
    gradients: Gradients = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads that each point may use.")] = 1,
    cache: Annotated[Cache, typer.Option(help="Whether inputs lie in the caches when a call begins.")] = Cache.HOT,
    layout: Annotated[
        LayoutPolicy, typer.Option(help="best: a subject may convert to its own layout first. given: that is timed.")
    ] = LayoutPolicy.BEST,
    budget: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds to measure for, altogether.", show_default="2 a workload and point"),
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds after which a silent point is ended.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure/--stored", help="Whether missing points are measured, or only shown.")
    ] = True,
    confirm: Annotated[
        bool, typer.Option("--confirm/--no-confirm", help="Whether the points beside a change are measured again.")
    ] = True,
    remeasure: Annotated[
        bool,
        typer.Option(
            "--remeasure", help="Try again what failed; after a change of method, measure the old points anew as well."
        ),
    ] = False,
    results: Results = RESULTS,
    out: Annotated[
        Path | None, typer.Option(help="The folder for figure and CSV.", show_default="<results>/<machine>/history")
    ] = None,
    imported: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Measure nothing: find changes in a CSV file of Apache Otava's."),
    ] = None,
    simulate: Annotated[
        int | None,
        typer.Option(metavar="SERIES", min=1, help="Measure nothing: tell how often simulated changes are found."),
    ] = None,
    seed: Annotated[int, typer.Option(help="What the simulation draws its series from.")] = 1,
    repo: Repo = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure a subject's releases or revisions against one of them, and tell where it became faster or slower."""
    if imported is not None:
        if subject or releases or revs or simulate is not None:
            raise UsageError("--import measures nothing: name no subject, no points and no --simulate beside it.")
        _imported(imported, json=json)
        return
    if simulate is not None:
        if subject or releases or revs:
            raise UsageError("--simulate measures nothing: name no subject, no releases and no revisions beside it.")
        _simulate(simulate, seed, json=json)
        return
    if subject is None:
        raise UsageError("Name a subject, such as: poolbench history numpy --releases 2.1..2.4")

    from poolbench.api.history import HistoryRequest, load_history, remember
    from poolbench.api.points import choose_anchor, choose_points
    from poolbench.api.request import default_limits
    from poolbench.measure.advice import thread_notes
    from poolbench.measure.machine import fingerprint, revision
    from poolbench.report.bisect import bisect_commands

    chosen, points = choose_points(subject, releases=releases, revs=revs, every=every)
    entries = chosen_workloads(workloads, passes, gradients)
    for note in thread_notes(threads, [chosen.threads]) if measure else ():
        print_warning(note)
    machine = fingerprint()
    limits = default_limits(machine.hardware, request_s=timeout)
    request = HistoryRequest(
        subject=chosen,
        points=tuple(points),
        anchor=choose_anchor(chosen, points, results_dir=results, machine=machine.key, wanted=anchor),
        workloads=entries,
        method=Method(threads=threads, cache=cache, layout=layout, memory=False, limits=limits),
        results_dir=results,
        machine=machine.key,
        budget_s=budget,
    )
    if measure:
        print_warnings(revision().warnings)  # once, for all the runs
        request = _measure(request, remeasure=remeasure, confirm=confirm, may_change_anchor=anchor is None, quiet=quiet)
    found, warnings = load_history(request)
    print_warnings(warnings)
    name = re.sub(r"[^\w.-]+", "_", f"{found.subject}-{releases or revs or ''}")
    try:
        remember(request, name)
    except StoreError as error:  # costs the pages of reports, and not what is asked for now
        print_warning(f"reports will not show this history: {error}")
    commands = bisect_commands(found, every=every, repo=repo, results=None if results == RESULTS else results)
    _report(found, out or results / machine.key / "history", name, commands, json=json)


def _measure(
    request: HistoryRequest, *, remeasure: bool, confirm: bool, may_change_anchor: bool, quiet: bool
) -> HistoryRequest:
    """Measure what is missing, and then beside what seems to have changed. On Ctrl-C say how to go on.

    Returns the request, with another anchor where the first one failed.
    """
    from poolbench.api.history import confirming_runs, load_history

    begin = time.monotonic()
    try:
        request = _measure_points(request, remeasure=remeasure, may_change_anchor=may_change_anchor, quiet=quiet)
        for _ in range(CONFIRMING_ROUNDS if confirm else 0):
            spent_s = time.monotonic() - begin
            if request.budget_s is not None and spent_s > request.budget_s:
                break
            again = confirming_runs(load_history(request)[0], request, spent_s=spent_s)
            if not again:
                break
            _run_all(again, "points beside a change", quiet=quiet)
    except KeyboardInterrupt:
        typer.echo(
            f"\npoolbench: interrupted. All finished rows are kept under {request.results_dir}; the same command "
            "measures what is missing, and with --stored it shows what there is.",
            err=True,
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    return request


def _measure_points(
    request: HistoryRequest, *, remeasure: bool, may_change_anchor: bool, quiet: bool
) -> HistoryRequest:
    """Measure the points. Where the anchor fails altogether, the next point takes its place."""
    from poolbench.api.history import load_history, missing_runs
    from poolbench.api.points import choose_anchor, failing_subjects

    def has_failed() -> bool:
        failing = failing_subjects(request.subject, results_dir=request.results_dir, machine=request.machine)
        return request.anchor.subject in failing

    tried: set[Subject] = set()
    while True:
        missing = missing_runs(load_history(request)[0], request, remeasure=remeasure)
        _run_all(missing, "points", quiet=quiet, is_vain=has_failed if may_change_anchor else None)
        tried.add(request.anchor.subject)
        if not may_change_anchor or not has_failed():
            return request
        anchor = choose_anchor(
            request.subject, request.points, results_dir=request.results_dir, machine=request.machine
        )
        if anchor.subject in tried:
            return request
        teller(quiet=quiet)(f"{request.anchor.label} cannot be measured; all points are held to {anchor.label} instead")
        request = replace(request, anchor=anchor)


def _run_all(requests: list[Request], what: str, *, quiet: bool, is_vain: Callable[[], bool] | None = None) -> None:
    """Measure ``requests``; no more of them where ``is_vain`` after one."""
    from poolbench.api.run import new_run

    tell = teller(quiet=quiet)
    for number, request in enumerate(requests, 1):
        if number > 1 and is_vain is not None and is_vain():
            return
        names = ", ".join(str(subject) for subject in request.subjects[1:])
        tell(f"{what}, run {number} of {len(requests)}, {request.budget_s:.0f} s: {names}")
        with budget_bar(request.budget_s, quiet=quiet) as bar, new_run(request, observer=bar, tell=tell) as run:
            for _ in run.measure():
                pass  # each row is stored before it comes here


def _report(found: History, folder: Path, name: str, commands: list[str], *, json: bool) -> None:
    """Print the table and the changes, write CSV and (with matplotlib) the figure, and fail where nothing is known.

    ``commands`` bisect the changes.
    """
    from poolbench.report.history import changes_table, history_table
    from poolbench.report.needs import FIGURES, missing
    from poolbench.report.render.csv import write_csv
    from poolbench.report.render.json import history_document
    from poolbench.report.render.terminal_history import render_history

    images = () if missing(FIGURES) else (".svg", ".png")
    files = {ending: folder / f"{name}{ending}" for ending in (".csv", ".changes.csv", *images)}
    is_known = any(found.cell(w, place).is_known for w in found.workloads for place in range(len(found.points)))
    if is_known:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_csv(history_table(found), files[".csv"])
            write_csv(changes_table(found), files[".changes.csv"])
            if images:
                from poolbench.report.figures.canvas import files as drawn
                from poolbench.report.figures.history import history_figure

                for ending, content in zip(images, drawn(history_figure(found)), strict=True):
                    files[ending].write_bytes(content)
        except OSError as error:
            raise StoreError(f"The history cannot be written to {folder}: {error.strerror}.") from error
    if json:
        written = [str(path) for path in files.values()] if is_known else []
        print_json({"files": written, "bisect": commands, **history_document(found)})
    else:
        typer.echo(render_history(found), nl=False)
        if commands:
            typer.echo("\nbisect   " + "\n         ".join(commands))
        if is_known:
            figure = [f"figure   {files['.svg']}\n         {files['.png']}"] if images else []
            typer.echo("\n".join(("", *figure, f"tables   {files['.csv']}\n         {files['.changes.csv']}")))
    if is_known and not images:
        print_warning("The figure is left out: it needs matplotlib (pip install 'poolbench[report]').")
    if not is_known:
        typer.echo(
            "poolbench: no point has the three clean launches that an interval needs. The lines above say which "
            "failed; of the others most slots waited for a core, which 'poolbench doctor' explains, or the time was "
            "short: the same command goes on.",
            err=True,
        )
        raise typer.Exit(ExitCode.MEASUREMENT_FAILED)


def _imported(path: Path, *, json: bool) -> None:
    """Tell where each metric of a file changes. The file holds no errors: they come from how neighbours differ."""
    from poolbench.analyse.history.single import LEAST_READINGS, single_steps
    from poolbench.store.otava import read_otava

    series = read_otava(path)
    if len(series.labels) < LEAST_READINGS:
        raise StoreError(f"{path} has {len(series.labels)} points: changes are looked for in {LEAST_READINGS} or more.")
    found: list[dict[str, Any]] = [
        {
            "metric": metric,
            "before": series.labels[step.place - 1],
            "after": series.labels[step.place],
            "ratio": math.exp(step.size),
        }
        for metric, values in series.metrics.items()
        for step in single_steps(values)
    ]
    if json:
        print_json({"file": str(path), "points": len(series.labels), "metrics": list(series.metrics), "changes": found})
        return
    for change in found:
        typer.echo(f"{change['metric']}: × {change['ratio']:.3f} between {change['before']} and {change['after']}")
    if not found:
        typer.echo(f"No change was found in {', '.join(series.metrics)} over {len(series.labels)} points.")


def _simulate(trials: int, seed: int, *, json: bool) -> None:
    """Print how often each way of looking reports a change: where there is none, and where one is."""
    from poolbench.analyse.history.simulation import ASV, MOST_ASV_TRIALS, SCENARIOS, simulate

    rates = list(simulate(trials=trials, seed=seed))
    if json:
        print_json(
            [
                {
                    **{name: getattr(rate, name) for name in ("points", "error", "launches", "method", "trials")},
                    "scenario": rate.scenario.name,
                    "share": rate.share,
                }
                for rate in rates
            ]
        )
        return
    by_line: dict[tuple[str, ...], list[str]] = {}
    for rate in rates:
        key = (f"{rate.points}", f"{100 * rate.error:g} %", f"{rate.launches}", rate.method)
        by_line.setdefault(key, []).append(f"{100 * rate.share:.1f}")
    heading = ("points", "error", "launches", "method", *(scenario.name for scenario in SCENARIOS))
    print_table(heading, [(*key, *shares) for key, shares in by_line.items()], right=len(SCENARIOS))
    typer.echo(
        f"\nPer cent of {trials} series (of {min(trials, MOST_ASV_TRIALS)} for {ASV}). Without a step: in which one is "
        "reported. With a step: in which it alone is reported, and in its place."
    )
