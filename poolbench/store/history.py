"""What a machine's histories are of, a file each: ``<results>/<machine>/history/<name>.json``.

A report finds by them which histories there are, and works each out anew from the stored runs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from poolbench.errors import StoreError
from poolbench.model.history import HistoryTerms
from poolbench.model.workload import names_of
from poolbench.store import typed
from poolbench.store.document import read_document, write_document

FOLDER = "history"
SUFFIX = ".json"
SCHEMA = 1


def write_terms(terms: HistoryTerms, folder: Path, name: str) -> Path:
    """Store what the history ``name`` is of, in ``folder``. Raises StoreError where it cannot be written."""
    path = folder / f"{name}{SUFFIX}"
    try:
        write_document(path, SCHEMA, {**typed.dump(HistoryTerms, terms), "names": names_of(terms.workloads)})
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def list_terms(folder: Path) -> tuple[list[HistoryTerms], list[str]]:
    """Return what is stored in ``folder``, by name, and a sentence for each file that cannot be read."""
    found, problems = [], []
    again = "the same 'poolbench history' writes it anew"
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            found.append(read_document(path, SCHEMA, _terms, what="history", again=again))
        except StoreError as error:
            problems.append(str(error))
    return found, problems


def _terms(fields: dict[str, Any]) -> HistoryTerms:
    names = typed.load(dict[str, str], fields.pop("names", {}), "names")
    loaded = typed.load(HistoryTerms, fields)
    assert isinstance(loaded, HistoryTerms)
    return replace(loaded, workloads=tuple(workload.named(names) for workload in loaded.workloads))
