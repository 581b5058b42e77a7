"""``poolbench export``: read a stored run, write it in another's format, say where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poolbench.cli.options import RESULTS, Json, Results
from poolbench.cli.output import print_json, print_warning, print_warnings
from poolbench.errors import UsageError

FORMATS = ("asv", "parquet", "csv")


def export(
    run: Annotated[str, typer.Argument(help="A run's name, its file, or 'latest'; 'poolbench list runs' names them.")],
    to: Annotated[
        str,
        typer.Option("--to", help="asv: result files for asv's dashboard and comparison. parquet, csv: two tables."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="The folder to write to.", show_default="asv-runs in the results; the run's own for tables"
        ),
    ] = None,
    repository: Annotated[
        Path | None,
        typer.Option(help="asv only: the git repository of the run's commit.", show_default="poolbench's own"),
    ] = None,
    commit: Annotated[
        str | None, typer.Option(help="asv only: the commit to file the run under.", show_default="the run's own")
    ] = None,
    results: Results = RESULTS,
    json: Json = False,
) -> None:
    """Write a stored run as asv's own result files, or its samples and summary as tables."""
    if to not in FORMATS:
        raise UsageError(f"--to takes {', '.join(FORMATS[:-1])} or {FORMATS[-1]}; '{to}' is none of them.")
    if to != "asv" and (repository is not None or commit is not None):
        raise UsageError("--repository and --commit say where asv files a run: leave them out for a table.")

    from poolbench.api.export import ASV_FOLDER, Format, export_asv, export_tables
    from poolbench.store.asv import CONFIGURATION
    from poolbench.store.reading import read_run
    from poolbench.store.runs import find_run

    stored = read_run(find_run(results, run, warn=print_warning))
    print_warnings(stored.warnings)
    if to != "asv":
        samples, summary = export_tables(stored, out or stored.path.parent, Format(to))
        written = {"samples": samples, "summary": summary}
    else:
        folder = out or results / ASV_FOLDER
        exported = export_asv(stored, folder, source=repository, commit=commit)
        print_warnings(exported.warnings)
        written = {"results": exported.file, "configuration": folder / CONFIGURATION}
    if json:
        print_json({name: str(path) for name, path in written.items()})
        return
    width = max(map(len, written))
    for name, path in written.items():
        typer.echo(f"{name:{width}}  {path}")
    if to == "asv":
        typer.echo(f"look at it with: asv --config {written['configuration']} publish (or preview, show, compare)")
