"""Where a machine's calibration is kept: beside its results, and in the user's data folder for all other folders.

POOLBENCH_DATA_DIR names another folder in place of the user's; tests use it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from poolbench.errors import StoreError
from poolbench.model.calibration import Calibration
from poolbench.store import typed
from poolbench.store.document import read_document, write_document

DIRECTORY_VARIABLE = "POOLBENCH_DATA_DIR"
NAME = "calibration.json"
SCHEMA = 2


def write_calibration(calibration: Calibration, results_dir: Path) -> tuple[Path, ...]:
    """Store ``calibration`` for its machine; return where.

    Raises StoreError where it cannot be written beside the results.
    """
    fields = typed.dump(Calibration, calibration)
    beside = results_dir / calibration.machine / NAME
    try:
        write_document(beside, SCHEMA, fields)
    except OSError as error:
        raise StoreError(f"{beside} cannot be written: {error.strerror or error}.") from error
    own = _own_folder() / calibration.machine / NAME
    try:
        write_document(own, SCHEMA, fields)
    except OSError:  # a home that cannot be written to: the copy beside the results serves this folder
        return (beside,)
    return beside, own


def read_calibration(machine: str, results_dir: Path) -> Calibration | None:
    """Return what is known of ``machine``, the latest of both places; None where it was never calibrated.

    Raises StoreError where a file is there and cannot be read.
    """
    found = [_read(path) for path in (results_dir / machine / NAME, _own_folder() / machine / NAME) if path.is_file()]
    return max(found, key=lambda calibration: calibration.measured_at, default=None)


def known_calibration(machine: str, results_dir: Path, *, warn: Callable[[str], None]) -> Calibration | None:
    """Return what ``read_calibration`` does. A file that cannot be read is told to ``warn``, and costs nothing else."""
    try:
        return read_calibration(machine, results_dir)
    except StoreError as error:
        warn(str(error))
        return None


def _own_folder() -> Path:
    override = os.environ.get(DIRECTORY_VARIABLE)
    if override:
        return Path(override)
    import platformdirs

    return platformdirs.user_data_path("poolbench")


def _read(path: Path) -> Calibration:
    return read_document(path, SCHEMA, _load, what="calibration", again="'poolbench calibrate' makes a new one")


def _load(fields: dict[str, Any]) -> Calibration:
    loaded = typed.load(Calibration, fields)
    assert isinstance(loaded, Calibration)
    return loaded
