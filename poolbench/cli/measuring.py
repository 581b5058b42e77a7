"""Measuring a run to its end from the command line, or to the Ctrl-C that says how to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from poolbench.cli.output import print_warnings
from poolbench.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from poolbench.api.run import Run
    from poolbench.model.result import ResultRow


def measured_rows(
    run: Run, *, go_on: str, tell: Callable[[ResultRow, int], None] | None = None
) -> tuple[ResultRow, ...]:
    """Measure to the end and return all rows, the stored ones first.

    ``tell`` gets a row of each group and the number of all rows so far. On Ctrl-C say what is kept, and ``go_on``: how
    the rest is measured; then exit.
    """
    print_warnings(run.warnings)
    rows = list(run.stored)
    try:
        for group in run.measure():
            rows += group
            if tell is not None:
                tell(group[0], len(rows))
    except KeyboardInterrupt:
        typer.echo(
            f"\npoolbench: interrupted. {run.kept()} finished rows are kept in {run.path}; {go_on}",
            err=True,
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    return tuple(rows)


def resuming(run: Run) -> str:
    """Return the command that goes on with a run of a verb that needs nothing but its name for it."""
    return f"poolbench {run.header.verb} --results {run.path.parent.parent} --resume {run.header.run}"
