"""``poolbench fleet``: one plan over many machines, or over this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.fleet_reports import placement, report, simulate
from poolbench.cli.options import RESULTS, Quiet, Results
from poolbench.cli.output import print_warning, print_warnings
from poolbench.cli.progress import teller
from poolbench.errors import ExitCode

if TYPE_CHECKING:
    from poolbench.fleet.plan import FleetPlan
    from poolbench.fleet.progress import Progress
    from poolbench.fleet.shelf import Shelf
    from poolbench.fleet.sparing import Spares

fleet = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="One sweep over many machines, or over this one.")

Plan = Annotated[Path, typer.Argument(metavar="PLAN", help="A plan, in TOML (docs/fleet.md).")]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="A kind that this machine is, as plans name it. May be repeated.")
]


@fleet.command(name="run", short_help="Measure what is missing of a plan.")
def run(
    plan: Plan,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Dask scheduler's address, such as tls://bench-0:8786. Without one, this machine does it.",
        ),
    ] = None,
    kind: Kinds = None,
    spare: Annotated[
        bool, typer.Option("--spare-known", help="Leave out repetitions of cells whose verdicts are all known.")
    ] = False,
    results: Results = RESULTS,
    quiet: Quiet = False,
) -> None:
    """Measure what the results lack of a plan, each task on a whole machine."""
    from poolbench.errors import UsageError
    from poolbench.fleet.plan import read_plan, require_kind
    from poolbench.fleet.progress import Progress
    from poolbench.fleet.shelf import Shelf
    from poolbench.fleet.sparing import known_cells, nothing

    for name in kind or ():
        require_kind(name)
    if scheduler is not None and kind:
        raise UsageError("--kind says what this machine is, and with --scheduler the workers say that: leave it out.")
    read = read_plan(plan)
    print_warnings(read.notes)
    shelf = Shelf(results)
    spares = known_cells(shelf) if spare else nothing
    progress = Progress(read.tasks, shelf.keys())
    try:
        if scheduler is None:
            spared = _here(read, shelf, progress, tuple(kind or ()), spares, quiet=quiet)
        else:
            spared = _spread(read, shelf, progress, scheduler, spares, quiet=quiet)
    except KeyboardInterrupt:
        kept = len(read.tasks) - len(shelf.lacking(read.tasks))
        typer.echo(
            f"\npoolbench: interrupted. {kept} of {len(read.tasks)} tasks are kept in {results}; the same command "
            "measures the rest.",
            err=True,
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    lacking = len(shelf.lacking(read.tasks))
    known = f"; {spared} were spared, since their verdicts are known" if spared else ""
    typer.echo(f"{len(read.tasks) - lacking} of {len(read.tasks)} tasks are in {results}{known}.")
    if lacking > spared:
        raise typer.Exit(ExitCode.MEASUREMENT_FAILED)


def _here(
    plan: FleetPlan, shelf: Shelf, progress: Progress, kinds: tuple[str, ...], spares: Spares, *, quiet: bool
) -> int:
    """Measure on this machine, and return how many tasks were spared."""
    from poolbench.fleet.embedded import run_here

    tell, spared = teller(quiet=quiet), 0
    for step in run_here(plan, shelf, kinds=kinds, progress=progress, tell=tell, spares=spares):
        spared += step.is_spared
        if step.problem:
            print_warning(f"a task is left out: {step.problem}")
        tell(progress.text())
    return spared


def _spread(plan: FleetPlan, shelf: Shelf, progress: Progress, address: str, spares: Spares, *, quiet: bool) -> int:
    """Measure on the scheduler's machines, and return how many tasks were spared."""
    from poolbench.fleet.addresses import need_dask, require_address

    need_dask()
    for note in require_address(address):
        print_warning(note)
    from poolbench.fleet.submitter import Submitter

    submitter = Submitter(
        plan=plan, shelf=shelf, address=address, progress=progress, tell=teller(quiet=quiet), spares=spares
    )
    submitter.run()
    if quiet:
        for problem in dict.fromkeys(submitter.problems.values()):
            print_warning(f"a task is left out {problem}")
    return submitter.spared


@fleet.command(name="worker", short_help="Let this machine measure for a scheduler.")
def worker(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="The Dask scheduler's, such as tls://bench-0:8786.")
    ],
    kind: Kinds = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="A subject that plans may name besides the installed backends, such as 'numpy@2.*' or "
            "'strided@rev:*': it fetches and runs code. May be repeated."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address of this machine that others reach the worker by.")
    ] = "127.0.0.1",
    preflight: Annotated[
        bool, typer.Option("--preflight/--no-preflight", help="Whether 'doctor' must find the machine fit first.")
    ] = True,
    results: Results = RESULTS,
    quiet: Quiet = False,
) -> None:
    """Join a scheduler, and measure one task at a time, until Ctrl-C or SIGTERM."""
    from poolbench.fleet.addresses import need_dask, require_address, require_reachable
    from poolbench.fleet.plan import require_kind

    for name in kind or ():
        require_kind(name)
    need_dask()
    require_reachable(address, host)
    for note in require_address(address):
        print_warning(note)
    from poolbench.fleet.preflight import examined
    from poolbench.fleet.supervisor import supervise

    tell = teller(quiet=quiet)
    about = examined(tuple(kind or ()), preflight=preflight, tell=tell)
    if about.unfit:
        print_warning(f"this machine gets no work. {about.unfit}")
    from poolbench.fleet.outcome import WorkerSettings

    settings = WorkerSettings(
        address=address, host=host, results=str(results.absolute()), about=about, allowed=tuple(allow or ())
    )
    supervise(settings, tell=tell)


fleet.command(name="simulate", short_help="Play a fleet's scheduler on a virtual clock.")(simulate)
fleet.command(name="placement", short_help="Tell what placing repetitions by what they tell would have saved.")(
    placement
)
fleet.command(name="report", short_help="Tell who is fastest on which machine.")(report)
