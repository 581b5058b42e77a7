"""Arguments and options that several verbs take, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poolbench.model.verdict import Ranking

Subjects = Annotated[
    list[str] | None,
    typer.Argument(help="Backends, such as torch or numpy:windows; 'poolbench list backends' names them."),
]
Workloads = Annotated[
    list[str] | None,
    typer.Option(
        "--workloads",
        "-w",
        help="A set (smoke, core, ci, full, heavy), an id, a pattern on names or ids, a tag, or a file of ids. "
        "May be repeated, or separated by commas.",
    ),
]
Results = Annotated[Path, typer.Option("--results", help="The folder that results are kept in.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text (docs/json.md).")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Sort = Annotated[
    Ranking, typer.Option("--sort", help="What subjects are ranked by: the time of a call, or the memory it requests.")
]

RESULTS = Path("results")


def split(values: list[str] | None, default: str) -> list[str]:
    """Return the entries of a repeatable option whose values may hold several, separated by commas."""
    entries = [entry.strip() for value in values or [default] for entry in value.split(",")]
    return [entry for entry in entries if entry]
