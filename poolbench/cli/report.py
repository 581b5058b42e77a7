"""``poolbench report``: read stored runs, analyse, write pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolbench.cli.options import RESULTS, Json, Results
from poolbench.cli.output import print_json, print_warning
from poolbench.errors import ExitCode, StoreError, UsageError

if TYPE_CHECKING:
    from poolbench.report.content import Page
    from poolbench.store.reading import StoredRun

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
        Path | None,
        typer.Option(
            "--gate",
            metavar="FILE",
            help="Show these verdicts: what gate --json printed. A gate's own run shows its own.",
        ),
    ] = None,
    results: Results = RESULTS,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder that reports are kept in.")] = REPORTS,
    json: Json = False,
) -> None:
    """Write a run as a page with tables and figures, which opens without a network or a server."""
    from poolbench.report.page.site import write_report

    if compare is not None and runs:
        raise UsageError("--compare takes its two runs itself: name none beside it.")
    pages = [_comparison(results, *compare)] if compare else [_page(results, run, gate) for run in runs or ["latest"]]
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


def _page(results: Path, run: str, gate: Path | None) -> tuple[Page, str]:
    """Return a run's page; of one that cannot be read, a page that says so, and the problem."""
    from poolbench.api.export import ASV_FOLDER
    from poolbench.report.page.beside import beside_sections
    from poolbench.report.page.run import build_page, unreadable_page
    from poolbench.store.beside import read_beside, read_document
    from poolbench.store.reading import read_run
    from poolbench.store.runs import find_run

    path = find_run(results, run, warn=print_warning)
    try:
        stored = read_run(path)
    except StoreError as error:
        return unreadable_page(path.stem, str(error)), str(error)
    beside = read_beside(results, stored.header.machine.key, ASV_FOLDER)
    verdicts = _verdicts(stored) if gate is None else read_document(gate)
    sections = beside_sections(beside, verdicts)
    return build_page(stored.header, stored.rows, warnings=stored.warnings, beside=sections), ""


def _verdicts(stored: StoredRun) -> dict[str, Any] | None:
    """Return the verdicts of a gate's run, judged as the gate did; None for a run of another kind."""
    from poolbench.analyse.gate.judge import judge_run
    from poolbench.report.gate import document, exit_code

    if stored.header.gate is None:
        return None
    result = judge_run(stored.header, stored.rows, stored.header.gate)
    return document(result, stored.header.names, None, exit_code(result))


def _comparison(results: Path, first: str, second: str) -> tuple[Page, str]:
    from poolbench.report.page.comparison import build_comparison
    from poolbench.store.reading import read_run
    from poolbench.store.runs import find_run

    stored = [read_run(find_run(results, run, warn=print_warning)) for run in (first, second)]
    return build_comparison(stored[0].header, stored[0].rows, stored[1].header, stored[1].rows,
                            warnings=[*stored[0].warnings, *stored[1].warnings]), ""  # fmt: skip
