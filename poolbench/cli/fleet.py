"""``poolbench fleet``: one plan over many machines, or over this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poolbench.cli.options import RESULTS, Quiet, Results
from poolbench.cli.output import print_warning, print_warnings
from poolbench.cli.progress import teller
from poolbench.errors import ExitCode

fleet = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="One sweep over many machines, or over this one.")

Plan = Annotated[Path, typer.Argument(metavar="PLAN", help="A plan, in TOML (docs/fleet.md).")]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="A kind that this machine is, as plans name it. May be repeated.")
]


@fleet.command(name="run", short_help="Measure what is missing of a plan.")
def run(
    plan: Plan,
    kind: Kinds = None,
    results: Results = RESULTS,
    quiet: Quiet = False,
) -> None:
    """Measure what the results lack of a plan, on this machine, one task after the other."""
    from poolbench.fleet.plan import read_plan, require_kind
    from poolbench.fleet.progress import Progress
    from poolbench.fleet.shelf import Shelf

    for name in kind or ():
        require_kind(name)
    read = read_plan(plan)
    print_warnings(read.notes)
    shelf, tell = Shelf(results), teller(quiet=quiet)
    progress = Progress(read.tasks, shelf.keys())
    problems: list[str] = []
    try:
        from poolbench.fleet.embedded import run_here

        for step in run_here(read, shelf, kinds=tuple(kind or ()), progress=progress, tell=tell):
            if step.problem:
                problems.append(step.problem)
                print_warning(f"a task is left out: {step.problem}")
            tell(progress.text())
    except KeyboardInterrupt:
        kept = len(read.tasks) - len(shelf.lacking(read.tasks))
        typer.echo(
            f"\npoolbench: interrupted. {kept} of {len(read.tasks)} tasks are kept in {results}; measure the rest with "
            "the same command.",
            err=True,
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    lacking = len(shelf.lacking(read.tasks))
    typer.echo(f"{len(read.tasks) - lacking} of {len(read.tasks)} tasks are in {results}.")
    if lacking:
        raise typer.Exit(ExitCode.MEASUREMENT_FAILED)
