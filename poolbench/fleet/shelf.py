"""The runs of a fleet in a results folder: one file for each task, there as a whole or not at all.

A task's run is named after the task's key. While it is measured it lies in a folder of its own, ``.in-hand``, which no
command lists. When it is finished it moves to where all runs lie. So a task is done when its file is there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from poolbench.errors import StoreError
from poolbench.model.fleet import FleetTask
from poolbench.store.reading import decode_header
from poolbench.store.runs import SUFFIX

IN_HAND = ".in-hand"


class Shelf:
    """The fleet's runs in the folder ``results``; ``find`` and ``keys`` know those that are finished."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.in_hand = results / IN_HAND
        self._put: dict[str, Path] | None = None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Be the one that puts runs here: what is here is then listed once, and not for each run among all machines.

        Raises StoreError where another process is that one.
        """
        import filelock

        try:
            self.in_hand.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.in_hand / "submitter.lock", timeout=0, fallback_to_soft=False)
            lock.acquire()
        except filelock.Timeout as error:
            raise StoreError(
                f"Another 'poolbench fleet run' with a scheduler stores into {self.results}: let it end, or name "
                "another folder with --results."
            ) from error
        except OSError as error:
            raise StoreError(f"{self.in_hand} cannot be written: {error.strerror or error}.") from error
        try:
            self._put = self._paths()
            yield
        finally:
            self._put = None
            lock.release()

    def keys(self) -> set[str]:
        """Return the keys of all tasks whose runs are here."""
        return set(self._paths() if self._put is None else self._put)

    def lacking(self, tasks: Iterable[FleetTask]) -> list[FleetTask]:
        """Return those of ``tasks`` whose runs are not here, in their order."""
        keys = self.keys()
        return [task for task in tasks if task.key not in keys]

    def find(self, key: str) -> Path | None:
        """Return the finished run of the task ``key``, whichever machine it is of; None where there is none."""
        return self._found(self.results, key) if self._put is None else self._put.get(key)

    def begun(self, key: str, machine: str) -> Path | None:
        """Return the unfinished run of the task ``key`` on the machine of that key; None where there is none."""
        path = self.in_hand / machine / f"{key}{SUFFIX}"
        return path if path.is_file() else None

    def finish(self, path: Path) -> Path:
        """Move a run that is in hand, at ``path``, to the finished ones, and return where it lies now."""
        target = self.results / path.parent.name / path.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        except OSError as error:
            raise StoreError(f"{target} cannot be written: {error.strerror or error}.") from error
        return target

    def put(self, key: str, data: bytes) -> bool:
        """Store a run that came from another machine; return False, and do nothing, where the key is here already.

        Raises StoreError where ``data`` is not the run of the task ``key``, or cannot be written.
        """
        if self.find(key) is not None:
            return False
        header = decode_header(data.partition(b"\n")[0] + b"\n", Path(f"{key}{SUFFIX}"))
        if header.run != key:
            raise StoreError(f"A machine sent the run {header.run} in the place of {key}: it is not stored.")
        target = self.results / header.machine.key / f"{key}{SUFFIX}"
        draft = self.in_hand / f"{key}-{secrets.token_hex(4)}"
        try:
            for folder in (target.parent, draft.parent):
                folder.mkdir(parents=True, exist_ok=True)
            with draft.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, target)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"{target} cannot be written: {error.strerror or error}.") from error
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
        if self._put is not None:
            self._put[key] = target
        return True

    def _paths(self) -> dict[str, Path]:
        return {path.stem: path for folder in self._folders(self.results) for path in folder.glob(f"fleet-*{SUFFIX}")}

    def _found(self, place: Path, key: str) -> Path | None:
        paths = (folder / f"{key}{SUFFIX}" for folder in self._folders(place))
        return next((path for path in paths if path.is_file()), None)

    @staticmethod
    def _folders(place: Path) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            yield from (entry for entry in place.iterdir() if entry.name != IN_HAND and entry.is_dir())
