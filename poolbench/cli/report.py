"""``poolbench report``: read stored runs, analyse, write pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poolbench.cli.options import RESULTS, Json, Results
from poolbench.cli.output import print_json, print_warning
from poolbench.errors import ExitCode, UsageError

REPORTS = Path("reports")


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Runs: names, files, or 'latest' (the default); 'poolbench list runs' names them."),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option("--compare", metavar="RUN RUN", help="Hold two runs, or two machines, side by side."),
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(
            "--gate", metavar="RUN", help="Show the verdicts of a gate's run too. A gate's own page has its own."
        ),
    ] = None,
    results: Results = RESULTS,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder that reports are kept in.")] = REPORTS,
    json: Json = False,
) -> None:
    """Write a run as a page with tables and figures, which opens without a network or a server."""
    from poolbench.report.needs import PAGES, need

    need("A page", PAGES)
    from poolbench.api.report import comparison_page, run_page
    from poolbench.report.page.site import write_report

    if compare is not None and runs:
        raise UsageError("--compare takes its two runs itself: name none beside it.")
    if compare is not None:
        pages = [(comparison_page(results, *compare, warn=print_warning), "")]
    else:
        pages = [run_page(results, run, gate=gate, warn=print_warning) for run in runs or ["latest"]]
    sites = [write_report(page, output) for page, _ in pages]
    if json:
        print_json(
            [
                {"run": page.key, "page": str(site.page), "markdown": str(site.markdown), "problem": problem}
                for (page, problem), site in zip(pages, sites, strict=True)
            ]
        )
    else:
        for site in sites:
            typer.echo(f"page      {site.page}\nmarkdown  {site.markdown}")
        typer.echo(f"all       {sites[-1].index}")
    if not sites[-1].has_parquet:
        typer.echo(
            "poolbench: tables are CSV alone: Parquet needs pyarrow (pip install 'poolbench[parquet]').", err=True
        )
    problems = [problem for _, problem in pages if problem]
    for problem in problems:
        print_warning(problem)
    if problems:
        raise typer.Exit(ExitCode.USAGE)
