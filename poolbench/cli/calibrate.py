"""``poolbench calibrate``: how often the gate errs on this machine, and what it finds."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.measuring import measured_rows
from poolbench.cli.options import RESULTS, Json, Quiet, Results, Workloads, chosen_workloads
from poolbench.cli.output import print_json, print_warning
from poolbench.cli.progress import teller
from poolbench.errors import ExitCode, StoreError, UsageError
from poolbench.model.calibration import Neighbour

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from poolbench.api.run import Run
    from poolbench.model.calibration import Calibration
    from poolbench.model.result import ResultRow, RunHeader
    from poolbench.model.subject import Subject
    from poolbench.model.workload import Workload

REPORT_EVERY_S = 60.0


def calibrate(
    subject: Annotated[str, typer.Argument(help="The backend whose copies are compared with each other.")] = "strided",
    workloads: Workloads = None,
    equal: Annotated[int, typer.Option(min=1, help="Verdicts on equal pairs, at least.")] = 500,
    planted: Annotated[int, typer.Option(min=1, help="Verdicts on each planted slowdown, at least.")] = 100,
    seconds_per_verdict: Annotated[
        float, typer.Option("--seconds-per-verdict", min=0.2, help="What a gate has for each verdict.")
    ] = 4.0,
    tolerance: Annotated[float, typer.Option(min=0.001, max=1, help="The gate's tolerance.")] = 0.03,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="The gate's confidence.")] = 0.99,
    neighbour: Annotated[
        Neighbour, typer.Option(help="A CPU-hungry process beside the measurement; the result is then not kept.")
    ] = Neighbour.NONE,
    results: Results = RESULTS,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with this calibration (or 'latest'), with the same options."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure the gate's false alarms, and which planted slowdowns it finds. Takes about an hour; may be resumed."""
    from poolbench.analyse.gate.calibration import calibration
    from poolbench.api.calibrate import CalibrationPlan, beside, calibration_subjects, expected_seconds, pieces_for
    from poolbench.api.gate import gate_method
    from poolbench.api.request import Request, choose_subjects, default_limits
    from poolbench.api.run import new_run, resumed_run
    from poolbench.measure.machine import fingerprint
    from poolbench.model.gate import GatePolicy
    from poolbench.store.calibration import write_calibration
    from poolbench.store.reading import read_header
    from poolbench.store.runs import find_run

    choose_subjects([subject])
    entries = chosen_workloads(workloads, None, None)
    subjects = calibration_subjects(subject)
    pieces = pieces_for(equal=equal, planted=planted, workloads=len(entries))
    plan = CalibrationPlan(subjects=subjects, pieces=pieces, seconds_per_verdict=seconds_per_verdict)
    expected_s = expected_seconds(
        pieces=pieces, workloads=len(entries), subjects=len(subjects), seconds_per_verdict=seconds_per_verdict
    )
    typer.echo(f"poolbench: {pieces} pieces of {len(entries)} workloads, about {expected_s / 60:.0f} min.", err=True)
    if resume is None:
        request = Request(
            subjects=subjects,
            workloads=entries,
            method=gate_method(threads=1, memory=False, limits=default_limits(fingerprint().hardware)),
            budget_s=expected_s,
            results_dir=results,
            plan=plan,
        )
        opened = new_run(request, tell=teller(quiet=quiet))
    else:
        path = find_run(results, resume, warn=print_warning)
        _require_alike(read_header(path), path, subjects=subjects, workloads=entries, expected_s=expected_s)
        opened = resumed_run(path, plan=plan, tell=teller(quiet=quiet))
    with beside(neighbour), opened as run:
        rows = _measure(run, expected_s, quiet=quiet)
    policy = GatePolicy(tolerance=tolerance, confidence=confidence)
    try:
        known = calibration(
            run.header, rows, policy=policy, seconds_per_verdict=seconds_per_verdict, neighbour=neighbour.value
        )
    except ValueError:
        typer.echo("poolbench: nothing was measured: no verdict is finished. The rows say why.", err=True)
        raise typer.Exit(ExitCode.MEASUREMENT_FAILED) from None
    # What a gate prints is what holds on this machine as it is, not beside a neighbour that was put there.
    failure: StoreError | None = None
    written: tuple[Path, ...] = ()
    if neighbour is Neighbour.NONE:
        try:
            written = write_calibration(known, results)
        except StoreError as error:
            failure = error
    _report(known, run.path, written, json=json)
    if failure is not None:  # only now: the figures took an hour, and are on the screen
        raise failure


def _require_alike(
    header: RunHeader, path: Path, *, subjects: Sequence[Subject], workloads: Sequence[Workload], expected_s: float
) -> None:
    """Raise UsageError where the run is no calibration, or one that was asked for otherwise."""
    if header.subjects != tuple(subjects):
        its = ", ".join(map(str, header.subjects))
        raise UsageError(f"{path} is not a calibration of {subjects[0]}: its subjects are {its}.")
    if header.workloads != tuple(workloads):
        raise UsageError(f"{path} is a calibration on other workloads: name them with --workloads as it was begun.")
    if not math.isclose(header.budget_s, expected_s, rel_tol=1e-6):
        raise UsageError(
            f"{path} was to take {header.budget_s / 60:.0f} min, and this would take {expected_s / 60:.0f}: give "
            "--equal, --planted and --seconds-per-verdict as it was begun."
        )


def _measure(run: Run, expected_s: float, *, quiet: bool) -> tuple[ResultRow, ...]:
    """Measure to the end, with a word on stderr every minute. On Ctrl-C say how to go on."""
    begin = said = time.monotonic()

    def tell(row: ResultRow, count: int) -> None:
        nonlocal said
        now = time.monotonic()
        if quiet or now - said < REPORT_EVERY_S:
            return
        said = now
        typer.echo(
            f"poolbench: {(now - begin) / 60:.0f} min of about {expected_s / 60:.0f}, launch {row.launch + 1}, "
            f"{count} rows.",
            err=True,
        )

    return measured_rows(run, go_on=f"go on with the same command and --resume {run.header.run}", tell=tell)


def _report(known: Calibration, path: Path, written: tuple[Path, ...], *, json: bool) -> None:
    from dataclasses import asdict

    from poolbench.report.render.terminal import calibration_lines

    if json:
        print_json({"results": str(path), "written": [str(file) for file in written], **asdict(known)})
        return
    for line in calibration_lines(known):
        typer.echo(line)
    typer.echo(f"\nresults      {path}")
    for file in written:
        typer.echo(f"calibration  {file}")
