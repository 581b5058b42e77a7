"""Arguments and options that several verbs take, written once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.errors import UsageError
from poolbench.model.verdict import Ranking

if TYPE_CHECKING:
    from poolbench.model.workload import Workload

Subjects = Annotated[
    list[str] | None,
    typer.Argument(
        help="Backends, such as torch or numpy:windows ('poolbench list backends'); numpy@2.0.2 is a release, "
        "strided@rev:main a revision of the kernel (docs/environments.md)."
    ),
]
Workloads = Annotated[
    list[str] | None,
    typer.Option(
        "--workloads",
        "-w",
        help="A set (smoke, core, training-core, ci, full, heavy), an id, a pattern on names or ids, a tag, or a file "
        "of ids. May be repeated, or separated by commas. The name of a file may hold commas.",
    ),
]
Passes = Annotated[
    list[str] | None,
    typer.Option(
        "--pass",
        help="What of each workload: forward, training, training-forward or training-backward (a training step and its "
        "two parts). May be repeated, or separated by commas. By default what the workload says.",
    ),
]
Gradients = Annotated[
    list[str] | None,
    typer.Option(
        "--gradient",
        help="How the gradient lies in memory that a training pass gets: contiguous, or sliced (the first channels "
        "of a buffer with twice as many). May be repeated, or separated by commas.",
    ),
]
Results = Annotated[Path, typer.Option("--results", help="The folder that results are kept in.")]


def _of_project(path: Path | None) -> None:
    """Let this process, and the workers that it starts, be about the project in ``path``."""
    if path is not None:
        from poolbench.backends.declaration import REPOSITORY_VARIABLE, project_folder

        os.environ[REPOSITORY_VARIABLE] = str(path.absolute())
        project_folder()  # refuses what is none


Repo = Annotated[
    Path | None,
    typer.Option(
        "--repo",
        metavar="PATH",
        callback=_of_project,
        help="The project whose subjects and revisions are meant, in a git repository.",
        show_default="that of the current folder",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text (docs/json.md).")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Sort = Annotated[
    Ranking, typer.Option("--sort", help="What subjects are ranked by: the time of a call, or the memory it requests.")
]

RESULTS = Path("results")
DEFAULT_WORKLOADS = "core"


def split(option: str, values: list[str] | None, *, may_be_files: bool = False) -> list[str]:
    """Return the entries of a repeatable option whose values may hold several, separated by commas.

    ``may_be_files``: a value that is as a whole the name of a file is one entry, whatever commas it has. Raises
    UsageError where the option is given and holds nothing: an empty variable of a script, as a rule.
    """
    entries: list[str] = []
    for value in values or ():
        if may_be_files and os.path.isfile(value):
            entries.append(value)
        else:
            entries += filter(None, map(str.strip, value.split(",")))
    if values and not entries:
        raise UsageError(f"{option} '{' '.join(values)}' names nothing: say what is meant, or leave the option out.")
    return entries


def chosen_workloads(
    workloads: list[str] | None,
    passes: list[str] | None,
    gradients: list[str] | None,
    *,
    batch_from_source: bool = False,
) -> tuple[Workload, ...]:
    """Return what the options choose, by default the set core; what is left out is told on stderr."""
    from poolbench.catalogue.select import choose

    choice = choose(
        split("--workloads", workloads, may_be_files=True) or [DEFAULT_WORKLOADS],
        batch_from_source=batch_from_source,
        passes=split("--pass", passes),
        gradients=split("--gradient", gradients),
    )
    for note in choice.notes:
        typer.echo(f"poolbench: {note}", err=True)
    return choice.workloads
