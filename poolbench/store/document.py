"""Typed values that have a JSON file of their own: a machine's calibration, what a history is of."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from poolbench.errors import StoreError

T = TypeVar("T")


def write_document(path: Path, schema: int, fields: dict[str, Any]) -> None:
    """Write ``fields`` to ``path``, which is never half written. Raises OSError."""
    text = json.dumps({"schema": schema, **fields}, indent=1, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def read_document(path: Path, schema: int, load: Callable[[dict[str, Any]], T], *, what: str, again: str) -> T:
    """Return what ``load`` makes of the fields in ``path``.

    Raises StoreError, with ``again`` as the way to mend it, where it cannot be read or is no ``what`` of this version.
    """
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or record.pop("schema", None) != schema:
            raise StoreError(f"{path} is not a {what} of this version: {again}.")
        return load(record)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}): {again}.") from error
