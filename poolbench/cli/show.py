"""``poolbench show``: read a stored run, analyse, print."""

from __future__ import annotations

from typing import Annotated

import typer

from poolbench.cli.options import RESULTS, Json, Results
from poolbench.cli.output import print_json, print_summary, require_measured, summary_as_json


def show(
    run: Annotated[str, typer.Argument(help="A run's name, its file, or 'latest'; 'poolbench list runs' names them.")],
    results: Results = RESULTS,
    json: Json = False,
) -> None:
    """Print the table of a stored run. Everything is recomputed from its samples."""
    from poolbench.analyse.summary import summarise
    from poolbench.store.reading import read_run
    from poolbench.store.runs import find_run

    stored = read_run(find_run(results, run))
    for warning in stored.warnings:
        typer.echo(f"poolbench: {warning}", err=True)
    summary = summarise(stored.header, stored.rows)
    if json:
        print_json(summary_as_json(summary))
    else:
        print_summary(summary)
    require_measured(stored.rows)
