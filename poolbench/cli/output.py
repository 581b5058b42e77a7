"""What commands print, whatever the verb: tables, JSON, and the exit code of a run that measured nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from poolbench.errors import ExitCode

if TYPE_CHECKING:
    from poolbench.model.result import ResultRow


PIPE_WIDTH = 10_000


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: int = 0) -> None:
    """Print a table; the last ``right`` columns are aligned to the right. Without a terminal it is plain text."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if is_terminal else None, pad_edge=False, show_header=any(header))
    for index, title in enumerate(header):
        is_right = index >= len(header) - right
        table.add_column(title, justify="right" if is_right else "left", overflow="fold", no_wrap=is_right)
    for row in rows:
        table.add_row(*map(Text, row))  # as text: a cell is never markup
    if is_terminal:
        Console(highlight=False).print(table)
        return
    # A pipe has no width: nothing is wrapped there, so that a line stays a line.
    console = Console(highlight=False, width=PIPE_WIDTH)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def print_warning(text: str) -> None:
    """Print one line on stderr: it stands beside the answer, which goes on without what it tells of."""
    typer.echo(f"poolbench: {text}", err=True)


def print_json(value: Any) -> None:
    """Print ``value`` as ``as_json`` writes it."""
    typer.echo(as_json(value))


def as_json(value: Any) -> str:
    """Return ``value`` as JSON, two spaces deep. NaN and infinity become null: JSON has no such numbers."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def print_warnings(warnings: Iterable[str]) -> None:
    """Print what has to be known of a run though it goes on, on stderr."""
    for warning in warnings:
        print_warning(warning)


def require_measured(rows: Sequence[ResultRow]) -> None:
    """End with exit code 3 where not one row of a subject was measured; the limit alone does not count."""
    from poolbench.model.result import Status
    from poolbench.model.subject import LIMIT

    subjects = [row for row in rows if row.subject != LIMIT]
    if any(row.status is Status.OK for row in subjects):
        return
    statuses = ", ".join(sorted({row.status.value for row in subjects})) or "none was started"
    typer.echo(f"poolbench: nothing was measured: {statuses}. The table says why for each row.", err=True)
    raise typer.Exit(ExitCode.MEASUREMENT_FAILED)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
