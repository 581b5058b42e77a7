"""``poolbench show``: read a stored run, analyse, print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.options import RESULTS, Json, Results, Sort
from poolbench.cli.output import print_json, print_table, print_warning, print_warnings, require_measured
from poolbench.model.verdict import Ranking

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary


def show(
    run: Annotated[str, typer.Argument(help="A run's name, its file, or 'latest'; 'poolbench list runs' names them.")],
    results: Results = RESULTS,
    sort: Sort = Ranking.TIME,
    kernels: Annotated[bool, typer.Option("--kernels", help="Also print which kernel computed, where it is known.")] = (
        False
    ),
    json: Json = False,
) -> None:
    """Print the table of a stored run. Everything is recomputed from its samples."""
    from poolbench.analyse.compare.summary import summarise
    from poolbench.report.render.terminal import print_summary
    from poolbench.store.reading import read_run
    from poolbench.store.runs import find_run

    path = find_run(results, run, warn=print_warning)
    stored = read_run(path)
    print_warnings(stored.warnings)
    summary = summarise(stored.header, stored.rows, ranking=sort)
    if json:
        from poolbench.report.render.json import summary_document

        print_json({"results": str(path), **summary_document(summary)})
    else:
        print_summary(summary)
        if kernels:
            _print_kernels(summary)
    require_measured(stored.rows)


def _print_kernels(summary: RunSummary) -> None:
    """Print who computed, a line for each workload, subject and pass."""
    told = [(c.workload, str(c.subject), by_pass, name) for c in summary.cells for by_pass, name in c.kernels]
    typer.echo("")
    if not told:
        typer.echo("Which kernels computed is not known: no subject of this run tells, or it is older than that.")
    else:
        print_table(("workload", "subject", "pass", "kernel"), told)
