"""``poolbench query``: SQL to the results' database; a table, CSV or JSON."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolbench.cli.options import RESULTS, Json, Results
from poolbench.cli.output import print_json, print_table, print_warning
from poolbench.errors import UsageError

if TYPE_CHECKING:
    import duckdb

FETCHED = 10_000
MOST_LINES = 1000
"""More lines than these are no table for a person: programs take them as CSV or JSON."""


def query(
    sql: Annotated[
        str | None,
        typer.Argument(
            help="One SELECT on the views runs, samples, cells, verdicts, history, memory and machines.",
            show_default="the views and their columns",
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    json: Json = False,
    results: Results = RESULTS,
) -> None:
    """Ask all the runs of a results folder in SQL. It can read the views, and nothing else."""
    if as_csv and json:
        raise UsageError("--csv and --json are two forms of one answer: choose one.")

    from poolbench.api.query import asked

    with closing(asked(COLUMNS if sql is None else sql, results, tell=print_warning)) as answer:
        names = _distinct([str(column[0]) for column in answer.description or ()])
        if as_csv:
            _write_csv(names, _lines(answer))
        elif json:
            print_json([dict(zip(names, map(_plain, line), strict=True)) for line in _lines(answer)])
        else:
            _print(names, answer)


COLUMNS = "SELECT table_name AS view, column_name, data_type FROM duckdb_columns() WHERE NOT internal"


def _lines(answer: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while lines := answer.fetchmany(FETCHED):
        yield from lines


def _write_csv(names: list[str], lines: Iterator[tuple[Any, ...]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(map(_plain, line) for line in lines)


def _print(names: list[str], answer: duckdb.DuckDBPyConnection) -> None:
    lines = answer.fetchmany(MOST_LINES)
    print_table(names, [list(map(_text, line)) for line in lines])
    if len(lines) == MOST_LINES and answer.fetchone() is not None:
        print_warning(f"these are the first {MOST_LINES} lines: --csv and --json print all of them.")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """Return what JSON and CSV have a form for."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _distinct(names: list[str]) -> list[str]:
    """Return the columns' names, with a number where SQL gave two of them one name."""
    seen: dict[str, int] = {}
    chosen = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        chosen.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return chosen
