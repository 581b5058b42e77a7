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
    results: Results = RESULTS,
    quiet: Quiet = False,
) -> None:
    """Measure what the results lack of a plan, each task on a whole machine."""
    from poolbench.errors import UsageError
    from poolbench.fleet.plan import read_plan, require_kind
    from poolbench.fleet.progress import Progress
    from poolbench.fleet.shelf import Shelf

    for name in kind or ():
        require_kind(name)
    if scheduler is not None and kind:
        raise UsageError("--kind says what this machine is, and with --scheduler the workers say that: leave it out.")
    read = read_plan(plan)
    print_warnings(read.notes)
    shelf = Shelf(results)
    progress = Progress(read.tasks, shelf.keys())
    try:
        if scheduler is None:
            _here(read, shelf, progress, tuple(kind or ()), quiet=quiet)
        else:
            _spread(read, shelf, progress, scheduler, quiet=quiet)
    except KeyboardInterrupt:
        kept = len(read.tasks) - len(shelf.lacking(read.tasks))
        typer.echo(
            f"\npoolbench: interrupted. {kept} of {len(read.tasks)} tasks are kept in {results}; the same command "
            "measures the rest.",
            err=True,
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    lacking = len(shelf.lacking(read.tasks))
    typer.echo(f"{len(read.tasks) - lacking} of {len(read.tasks)} tasks are in {results}.")
    if lacking:
        raise typer.Exit(ExitCode.MEASUREMENT_FAILED)


def _here(plan: FleetPlan, shelf: Shelf, progress: Progress, kinds: tuple[str, ...], *, quiet: bool) -> None:
    from poolbench.fleet.embedded import run_here

    tell = teller(quiet=quiet)
    for step in run_here(plan, shelf, kinds=kinds, progress=progress, tell=tell):
        if step.problem:
            print_warning(f"a task is left out: {step.problem}")
        tell(progress.text())


def _spread(plan: FleetPlan, shelf: Shelf, progress: Progress, address: str, *, quiet: bool) -> None:
    from poolbench.fleet.addresses import need_dask, require_address

    need_dask()
    for note in require_address(address):
        print_warning(note)
    from poolbench.fleet.submitter import Submitter

    submitter = Submitter(plan=plan, shelf=shelf, address=address, progress=progress, tell=teller(quiet=quiet))
    submitter.run()
    if quiet:
        for problem in dict.fromkeys(submitter.problems.values()):
            print_warning(f"a task is left out {problem}")


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
