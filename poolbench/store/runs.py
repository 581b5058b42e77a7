"""The runs of a results folder: naming a new one, listing them, and finding one by what the user typed."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from poolbench.errors import StoreError, UnknownNameError
from poolbench.model.subject import Subject
from poolbench.store.reading import read_header, unreadable

SUFFIX = ".jsonl"
LATEST = "latest"

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A line of ``poolbench list runs``. ``rows`` counts lines, readable or not; ``workloads`` is how many were asked.

    ``problem`` says why the header cannot be read; only ``run``, ``path`` and ``machine`` are known then.
    """

    run: str
    path: Path
    started_at: str
    machine: str
    subjects: tuple[Subject, ...]
    workloads: int
    rows: int
    problem: str = ""


def new_run_name(now: datetime, results_dir: Path | None = None) -> str:
    """Return a name such as 20261122-010203-9f3c: names sort by their time (in UTC), and four digits tell twins apart.

    ``now`` without a time zone is taken as UTC. No run in ``results_dir`` bears the name; that none is overwritten
    is up to ``RunFile.create``, which refuses to.
    """
    moment = now if now.tzinfo is None else now.astimezone(UTC)
    while True:
        name = f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        if results_dir is None or not any(results_dir.glob(f"*/{name}{SUFFIX}*")):
            return name


def list_runs(results_dir: Path) -> list[RunSummary]:
    """Return the runs stored under ``results_dir``, the earliest first; none where the folder does not exist.

    Reads each file's first line and counts the others. A machine's folder that cannot be listed is an entry with a
    problem, without a run's name. Raises StoreError where ``results_dir`` itself cannot be listed.
    """
    summaries: list[RunSummary] = []
    for machine in _machines(results_dir):
        try:
            summaries += [_summary(path) for path in _files(machine)]
        except StoreError as error:
            summaries.append(_unreadable("", machine, machine.name, error))
    return sorted(summaries, key=lambda summary: (summary.started_at, summary.run))


def run_files(results_dir: Path) -> Iterator[Path]:
    """Yield the files under ``results_dir`` that bear a run's name, by machine's folder and name, without reading them.

    None where the folder does not exist. Raises StoreError where it, or a machine's folder, cannot be listed.
    """
    for machine in _machines(results_dir):
        yield from _files(machine)


def find_run(results_dir: Path, text: str, *, warn: Callable[[str], object] = warnings.warn) -> Path:
    """Return the file of the run that ``text`` means: a run's name, a file's path, or "latest".

    ``warn`` is given a sentence for each file that cannot be read where it might be the run that is meant.

    Raises UnknownNameError, with the nearest names, where there is none, and StoreError where two machines have a run
    of that name.
    """
    if text == LATEST:
        return _latest(results_dir, warn)
    by_name: dict[str, list[Path]] = {}
    for machine in _machines(results_dir):
        try:
            for path in _files(machine):
                by_name.setdefault(path.stem, []).append(path)
        except StoreError as error:
            warn(f"A folder is left out. {error}")
    found = by_name.get(text.removesuffix(SUFFIX), [])
    if len(found) > 1:
        choices = " or ".join(str(path) for path in found)
        raise StoreError(f"The run '{text}' is stored for more than one machine: give its path, {choices}.")
    if found:
        return found[0]
    if Path(text).is_file():
        return Path(text)
    advice = f"A run's name, its file's path and '{LATEST}' are understood; 'poolbench list runs' lists the runs."
    raise UnknownNameError(f"run under {results_dir}", text, by_name, advice)


def _latest(results_dir: Path, warn: Callable[[str], object]) -> Path:
    runs = list_runs(results_dir)
    sound = [summary for summary in runs if not summary.problem]
    for summary in runs:
        if summary.problem:
            warn(f"A run is left out. {summary.problem}")
    if not sound:
        raise UnknownNameError(f"run under {results_dir}", LATEST, (), "'poolbench compare' measures one.")
    return sound[-1].path


def _machines(results_dir: Path) -> list[Path]:
    # Two levels, <machine>/<run>.jsonl: asv keeps its own files deeper and with another ending.
    try:
        return sorted(path for path in results_dir.iterdir() if path.is_dir()) if results_dir.is_dir() else []
    except OSError as error:
        raise unreadable(results_dir, error) from error


def _files(machine: Path) -> list[Path]:
    try:
        return sorted(path for path in machine.iterdir() if path.suffix == SUFFIX and path.is_file())
    except OSError as error:
        raise unreadable(machine, error) from error


def _summary(path: Path) -> RunSummary:
    try:
        header = read_header(path)
        rows = _count_rows(path)
    except StoreError as error:
        return _unreadable(path.stem, path, path.parent.name, error)
    return RunSummary(
        run=header.run,
        path=path,
        started_at=header.started_at,
        machine=header.machine.key,
        subjects=header.subjects,
        workloads=len(header.workloads),
        rows=rows,
    )


def _unreadable(run: str, path: Path, machine: str, error: StoreError) -> RunSummary:
    return RunSummary(
        run=run, path=path, started_at="", machine=machine, subjects=(), workloads=0, rows=0, problem=str(error)
    )


def _count_rows(path: Path) -> int:
    """Return the number of complete lines after the header."""
    try:
        with path.open("rb") as file:
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))
            return max(lines - 1, 0)
    except OSError as error:
        raise unreadable(path, error) from error
