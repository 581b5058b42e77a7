"""What lies beside the runs of a machine: histories, the gate's calibration and asv's files, as plain data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolbench.errors import PoolbenchError, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from poolbench.store.asv import AsvResults

HISTORY_FOLDER = "history"
CALIBRATION = "calibration.json"
_CHANGES = ".changes.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHistory:
    """A history as its files have it: the columns are those of ``poolbench.analyse.history.frame``."""

    name: str
    points: pd.DataFrame
    changes: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """All of it; ``problems`` say, a sentence each, what could not be read. ``calibration`` is its JSON document."""

    histories: tuple[StoredHistory, ...] = ()
    calibration: dict[str, Any] | None = None
    asv: tuple[AsvResults, ...] = ()
    problems: tuple[str, ...] = ()


def read_beside(results_dir: Path, machine: str, asv_folder: str) -> Beside:
    """Return what there is for ``machine``; asv's files lie in ``asv_folder`` of the results. Raises nothing."""
    problems: list[str] = []
    histories = []
    for path in sorted((results_dir / machine / HISTORY_FOLDER).glob(f"*{_CHANGES}")):
        try:
            histories.append(_history(path))
        except (OSError, ValueError, KeyError) as error:
            problems.append(f"The history in {path.name} is left out: it cannot be read ({error}).")
    calibration = None
    path = results_dir / machine / CALIBRATION
    if path.is_file():
        try:
            calibration = read_document(path)
        except StoreError as error:
            problems.append(str(error))
    return Beside(
        histories=tuple(histories),
        calibration=calibration,
        asv=_asv(results_dir / asv_folder, problems),
        problems=tuple(problems),
    )


def read_document(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``, such as what ``poolbench gate --json`` printed. Raises StoreError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read as a JSON document: {error}.") from error
    if not isinstance(document, dict):
        raise StoreError(f"{path} holds JSON, but not an object.")
    return document


def _history(changes: Path) -> StoredHistory:
    import pandas as pd

    name = changes.name.removesuffix(_CHANGES)
    points = pd.read_csv(changes.with_name(f"{name}.csv"))
    found = pd.read_csv(changes)
    needed = {"position", "point", "workload", "name", "ratio", "low", "high"}
    if not needed <= set(points.columns) or not {"before", "after", "direction", "ratio"} <= set(found.columns):
        raise ValueError("it lacks columns of a history")
    return StoredHistory(name=name, points=points, changes=found)


def _asv(folder: Path, problems: list[str]) -> tuple[AsvResults, ...]:
    from poolbench.store.asv import is_asv_folder, read_results

    if not is_asv_folder(folder):
        return ()
    try:
        return read_results(folder, warn=problems.append)
    except PoolbenchError as error:
        problems.append(str(error))
        return ()
