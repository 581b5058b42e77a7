"""The explorer's data from stored runs, and the site that is made of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.history.over_runs import over_limit
from poolbench.api.history import stored_histories
from poolbench.errors import StoreError, UsageError
from poolbench.explore.collection import SCHEMA, AnalysedRun, Collection
from poolbench.explore.files import INDEX, document_at, site_files, static_files
from poolbench.store.reading import read_run
from poolbench.store.runs import RunSummary, list_runs

Progress: TypeAlias = Callable[[int, int], object]
"""Called with how many runs are done, and how many there are."""

Stamp: TypeAlias = tuple[str, int, int]


class Explorer:
    """The documents of a results folder, each made when it is asked for first, and again when results change.

    Runs that have not changed are not read again. Threads may share it.
    """

    def __init__(self, results: Path, progress: Progress | None = None) -> None:
        self._results = results
        self._progress = progress
        self._lock = threading.Lock()
        self._analysed: dict[Stamp, AnalysedRun | str] = {}
        self._stamps: tuple[Stamp, ...] | None = None
        self._collection = Collection(runs=())
        self._documents: dict[str, bytes] = {}

    def answer(self, path: str) -> bytes | None:
        """Return the file or document of ``path``; None where there is none. Raises StoreError.

        The results are looked at again whenever the index is asked for, as a browser does when it loads the page.
        """
        if path in static_files():
            return static_files()[path]
        with self._lock:
            if path == INDEX or self._stamps is None:
                self._refresh()
            if path not in self._documents:
                found = document_at(self._collection, path)
                if found is None:
                    return None
                self._documents[path] = found
            return self._documents[path]

    def collection(self) -> Collection:
        """Return what is stored now. Raises StoreError where the results folder cannot be listed."""
        with self._lock:
            self._refresh()
            return self._collection

    def _refresh(self) -> None:
        files = [path for pattern in ("*/*.jsonl", "*/history/*.json") for path in sorted(self._results.glob(pattern))]
        now = tuple(map(_stamp, files))
        if now == self._stamps:
            return
        listed = list_runs(self._results)
        stamps = tuple(_stamp(run.path) for run in listed)
        runs, problems = [], []
        for done, (run, stamp) in enumerate(zip(listed, stamps, strict=True)):
            if self._progress is not None and stamp not in self._analysed:
                self._progress(done, len(listed))
            found = self._analysed.get(stamp) or analysed(run)
            self._analysed[stamp] = found
            if isinstance(found, str):
                problems.append(found)
            elif found.summary.workloads:
                runs.append(found)
        self._analysed = {stamp: self._analysed[stamp] for stamp in stamps}
        histories = []
        for machine in dict.fromkeys(run.machine for run in listed):
            of_machine, unread = stored_histories(self._results, machine)
            histories += [(machine, history) for history in of_machine]
            problems += unread
        self._collection = Collection(
            runs=tuple(runs), histories=tuple(histories), problems=tuple(dict.fromkeys(problems))
        )
        self._documents = {}
        self._stamps = now


def analysed(run: RunSummary) -> AnalysedRun | str:
    """Return what a listed run found, or a sentence on why it cannot be read."""
    if run.problem:
        return run.problem
    try:
        stored = read_run(run.path)
    except StoreError as error:
        return str(error)
    header = stored.header
    ledger = Ledger(stored.rows, header.method.rejection)
    summary = summarise(header, stored.rows, ledger=ledger)
    known = [
        over_limit(ledger, cell.workload, str(cell.subject)) for cell in summary.cells if cell.times_limit is not None
    ]
    return AnalysedRun(
        summary=summary,
        models={workload.id: workload.origin.model for workload in header.workloads},
        over_limit=tuple(cell for cell in known if cell is not None),
        warnings=stored.warnings,
    )


def shortcomings(collection: Collection, results: Path) -> tuple[str, ...]:
    """Return what whoever looks at ``collection`` has to know: what could not be read, or that there is nothing."""
    if collection.runs or collection.problems:
        return collection.problems
    return (f"There are no runs under {results}: 'poolbench compare' makes one, and --results names another folder.",)


def write_site(collection: Collection, folder: Path, *, earlier: int) -> tuple[int, int]:
    """Write the explorer as files below ``folder``; return how many they are, and their bytes.

    Each run is compared with up to ``earlier`` of the runs before it.
    The same results give the same bytes. Documents of an earlier site there go. Raises UsageError where the folder
    holds something else, and StoreError where it cannot be written.
    """
    _require_own(folder)
    written: dict[Path, int] = {}
    try:
        for path, content in site_files(collection, earlier=earlier):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            written[target] = len(content)
        for stale in sorted({*(folder / "data").rglob("*.json")} - written.keys()):
            stale.unlink()
    except OSError as error:
        raise StoreError(
            f"The site cannot be written below {folder} ({error.strerror or error}): make room or name another folder."
        ) from error
    return len(written), sum(written.values())


def _require_own(folder: Path) -> None:
    """Refuse a folder that holds what no explorer wrote: nothing of somebody else's is replaced."""
    try:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return
        known = folder.is_dir() and json.loads((folder / INDEX).read_text(encoding="utf-8")).get("schema")
    except (OSError, ValueError, AttributeError):
        known = None
    if not isinstance(known, int) or not 0 < known <= SCHEMA:
        raise UsageError(
            f"{folder} exists and is no site that 'poolbench site' wrote: name a new folder or an empty one."
        )


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return (str(path), 0, 0)
    return (str(path), found.st_mtime_ns, found.st_size)
