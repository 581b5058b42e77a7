"""What a machine's histories are of, a file each: ``<results>/<machine>/history/<name>.json``.

A report finds by them which histories there are, and works each out anew from the stored runs.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from poolbench.errors import StoreError
from poolbench.model.history import HistoryTerms
from poolbench.store import typed

FOLDER = "history"
SUFFIX = ".json"
SCHEMA = 1


def write_terms(terms: HistoryTerms, folder: Path, name: str) -> Path:
    """Store what the history ``name`` is of, in ``folder``. Raises StoreError where it cannot be written."""
    path = folder / f"{name}{SUFFIX}"
    names = {workload.id: workload.origin.name for workload in terms.workloads if workload.origin.name}
    record = {"schema": SCHEMA, **typed.dump(HistoryTerms, terms), "names": names}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def list_terms(folder: Path) -> tuple[list[HistoryTerms], list[str]]:
    """Return what is stored in ``folder``, by name, and a sentence for each file that cannot be read."""
    found, problems = [], []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            found.append(_read(path))
        except StoreError as error:
            problems.append(str(error))
    return found, problems


def _read(path: Path) -> HistoryTerms:
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or record.pop("schema", None) != SCHEMA:
            raise StoreError(f"{path} is not a history of this version: the same 'poolbench history' writes it anew.")
        names = typed.load(dict[str, str], record.pop("names", {}), "names")
        loaded = typed.load(HistoryTerms, record)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}): the same 'poolbench history' writes it anew.") from error
    assert isinstance(loaded, HistoryTerms)
    return replace(loaded, workloads=tuple(workload.named(names.get(workload.id, "")) for workload in loaded.workloads))
