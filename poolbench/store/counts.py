"""Counts beside a run: ``RUN.counts.json`` next to its rows, written when they are taken. Rows know nothing of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from poolbench.errors import StoreError
from poolbench.model.count import Count
from poolbench.store import typed

SUFFIX = ".counts.json"
SCHEMA = 1


def counts_path(run: Path) -> Path:
    """Return where the counts of the run whose rows are in ``run`` lie."""
    return run.with_name(run.stem + SUFFIX)


def write_counts(run: Path, found: Sequence[Count]) -> Path:
    """Write ``found`` beside a run and return the file. Raises StoreError where that is refused."""
    path = counts_path(run)
    text = json.dumps({"schema": SCHEMA, "counts": [typed.dump(Count, one) for one in found]}, indent=1)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"The counts cannot be written to {path}: {error.strerror or error}.") from error
    return path


def read_counts(run: Path) -> tuple[Count, ...]:
    """Return the counts beside a run; none where none were taken. Raises StoreError for a file that cannot be read."""
    path = counts_path(run)
    if not path.is_file():
        return ()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA:
            raise StoreError(f"{path} has schema {record['schema']}, which a newer poolbench wrote: update this one.")
        return tuple(typed.load(Count, one) for one in record["counts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is no file of counts ({error}): delete it, and count again.") from error
