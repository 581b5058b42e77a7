"""Measuring a run to its end from the command line, or to the Ctrl-C that says how to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from poolbench.cli.output import print_warnings
from poolbench.errors import ExitCode

if TYPE_CHECKING:
    from poolbench.api.run import Run
    from poolbench.model.result import ResultRow


def measured_rows(run: Run, *, go_on: str) -> tuple[ResultRow, ...]:
    """Measure to the end and return all rows, the stored ones first.

    On Ctrl-C say what is kept, and behind the words ``go_on`` the command that measures the rest; then exit.
    """
    print_warnings(run.warnings)
    rows = list(run.stored)
    try:
        for group in run.measure():
            rows += group
    except KeyboardInterrupt:
        results, header = run.path.parent.parent, run.header
        typer.echo(
            f"\npoolbench: interrupted. {run.kept()} finished rows are kept in {run.path}; "
            f"{go_on}: poolbench {header.verb} --results {results} --resume {header.run}",
            err=True,
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    return tuple(rows)
