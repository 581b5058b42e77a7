"""Moving runs that are no longer wanted out of a results folder, into another one: nothing is deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from poolbench.errors import StoreError
from poolbench.model.result import Status
from poolbench.store.exchange import copy_new
from poolbench.store.reading import read_header, read_run
from poolbench.store.runs import run_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which runs are meant: those that meet all of what is given.

    ``before`` is a moment with a time zone; ``unmeasured`` are runs of which no row is OK.
    """

    runs: tuple[str, ...] = ()
    machine: str = ""
    before: datetime | None = None
    unmeasured: bool = False


def chosen(results_dir: Path, choice: Choice) -> tuple[list[Path], list[str]]:
    """Return the files of the runs that are meant, and a sentence for each file that cannot be read: it stays."""
    found, problems = [], []
    for path in run_files(results_dir):
        try:
            if _is_meant(path, choice):
                found.append(path)
        except StoreError as error:
            problems.append(f"{path} stays: {error}")
    return found, problems


def move_out(path: Path, folder: Path) -> list[Path]:
    """Move a run's file, and what lies beside it under its name, to ``folder``/<machine>; return where they are now.

    Everything is copied before anything here goes. Raises StoreError where something of the name is there already, or
    cannot be written; all that is here stays then. The machine's lock must be held.
    """
    files = [path, *sorted(each for each in path.parent.glob(f"{path.stem}.*") if each != path and each.is_file())]
    targets = [folder / path.parent.name / each.name for each in files]
    copied: list[Path] = []
    try:
        for source, target in zip(files, targets, strict=True):
            copy_new(source, target)
            copied.append(target)
    except StoreError:
        for target in copied:
            target.unlink(missing_ok=True)
        raise
    try:
        for source in files:
            source.unlink()
    except OSError as error:
        raise StoreError(
            f"{source} cannot be removed: {error.strerror or error}. Its copy lies in {folder} as well."
        ) from error
    return targets


def _is_meant(path: Path, choice: Choice) -> bool:
    if choice.runs and path.stem not in choice.runs:
        return False
    header = read_header(path)
    if choice.machine and header.machine.key != choice.machine:
        return False
    if choice.before is not None:
        started = datetime.fromisoformat(header.started_at)
        if (started if started.tzinfo else started.replace(tzinfo=UTC)) >= choice.before:
            return False
    return not choice.unmeasured or not any(row.status is Status.OK for row in read_run(path).rows)
