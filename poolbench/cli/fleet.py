"""``poolbench fleet``: one plan over many machines, or over this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.options import RESULTS, Json, Quiet, Results
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


@fleet.command(name="simulate", short_help="Play a fleet's scheduler on a virtual clock.")
def simulate(
    machines: Annotated[int, typer.Option(min=1, max=100_000, help="How many machines there are.")] = 10_000,
    tasks: Annotated[int, typer.Option(min=1, max=5_000_000, help="How many tasks are measured.")] = 200_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="What a task takes on a usual machine.")] = 60.0,
    failing: Annotated[float, typer.Option(min=0, max=1, help="The share of machines that die or freeze once.")] = 0.05,
    preempted: Annotated[
        float, typer.Option(min=0, max=1, help="The share of machines that are taken away once, with notice.")
    ] = 0.05,
    straggling: Annotated[
        float, typer.Option(min=0, max=1, help="The share of tasks that take three times as long.")
    ] = 0.01,
    dispatch: Annotated[float, typer.Option(min=0, help="The scheduler's own milliseconds for a task.")] = 1.0,
    ttl: Annotated[float, typer.Option(min=0, help="Seconds after which a silent machine is given up.")] = 300.0,
    seed: Annotated[int, typer.Option(help="Where chance begins.")] = 1,
    json: Json = False,
) -> None:
    """Tell how well a fleet of so many machines is used, and how near it comes to the bound."""
    from dataclasses import asdict

    from poolbench.cli.output import print_json, print_table
    from poolbench.fleet.simulation import Scenario, simulate

    scenario = Scenario(
        machines=machines,
        tasks=tasks,
        task_s=seconds,
        failing=failing,
        preempted=preempted,
        straggling=straggling,
        dispatch_s=dispatch / 1000,
        ttl_s=ttl,
        seed=seed,
    )
    found = simulate(scenario)
    if json:
        print_json({"scenario": asdict(scenario), **asdict(found)})
        return
    rows = [
        ["makespan", f"{found.makespan_s:,.0f} s"],
        ["bound (all machines, no failure, no wait)", f"{found.bound_s:,.0f} s"],
        ["makespan over the bound", f"{found.makespan_s / found.bound_s:.3f}"],
        ["utilisation", f"{found.utilisation:.1%}"],
        ["tasks begun in vain", f"{found.lost:,} of {found.done:,} ({found.lost_s:,.0f} s of machines' time)"],
        ["the scheduler is at work", f"{found.scheduler_busy:.1%} of the time"],
        ["from the last task given away to the end", f"{found.tail_s:,.0f} s"],
    ]
    print_table(["", ""], rows)


@fleet.command(name="placement", short_help="Tell what placing repetitions by what they tell would have saved.")
def placement(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A stored run: its name, its file or 'latest'.")] = "latest",
    results: Results = RESULTS,
    json: Json = False,
) -> None:
    """Play a full sweep and placement by information on the launches of a stored run, at equal knowledge."""
    from dataclasses import asdict

    from poolbench.cli.output import print_json, print_table
    from poolbench.fleet.placement import replay
    from poolbench.store.reading import read_run
    from poolbench.store.runs import find_run

    stored = read_run(find_run(results, run, warn=print_warning))
    print_warnings(stored.warnings)
    found = replay(stored)
    if json:
        print_json(asdict(found))
        return
    typer.echo(f"run {found.run}: {found.workloads} workloads, {found.verdicts} verdicts against the fastest\n")
    rows = [
        [
            str(saving.each),
            *(f"{saving.sweep.seconds:.0f}", f"{saving.sweep.known}", f"{saving.sweep.wrong}"),
            *(f"{saving.placed.seconds:.0f}", f"{saving.placed.known}", f"{saving.placed.wrong}"),
            f"{saving.saved:.0%}",
        ]
        for saving in found.savings
    ]
    header = ["launches each", "sweep s", "known", "wrong", "placed s", "known ", "wrong ", "saved"]
    print_table(header, rows, right=len(header))
    if not rows:
        typer.echo("Its workloads have too few launches to choose among: measure with a larger --budget.")
