"""Where a results folder's database lies, and the lock of those who write to it.

    <user's cache folder>/poolbench/databases/<key>/manifest.json   which files it was made from, renamed last
                                              <key>/parts/*.parquet  a table of one machine and month each
                                              <key>/lock             held while it is brought up to date

The key is made of the host and of the folder's real path: a home may be shared by hosts on which the same path is
another folder. POOLBENCH_DATABASES names another place than the cache folder.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from poolbench.errors import StoreError

DIRECTORY_VARIABLE = "POOLBENCH_DATABASES"

LOCK_WAIT_S = 600.0
"""How long a second writer waits for the first: making a database of ten million samples takes minutes."""

_LOCK_POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A database's ``folder``, for the results in ``store`` (an absolute path without links) on ``host``."""

    folder: Path
    store: Path
    host: str

    @property
    def manifest(self) -> Path:
        """What says which parts count."""
        return self.folder / "manifest.json"

    @property
    def parts(self) -> Path:
        """The folder of Parquet files."""
        return self.folder / "parts"


def place_of(results_dir: Path) -> Place:
    """Return where the database of ``results_dir`` lies, whether it is there yet or not."""
    store, host = results_dir.resolve(), platform.node()
    digest = hashlib.sha256(f"{host}\0{store}".encode()).hexdigest()[:12]
    words = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(store.parts[-2:])).strip("-").lower()[:40]
    return Place(folder=_root() / f"{words or 'store'}-{digest}", store=store, host=host)


@contextmanager
def writing(
    place: Place, *, timeout_s: float = LOCK_WAIT_S, waiting: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Hold the lock of the database. ``waiting`` is called once where another process holds it.

    Raises StoreError where that lasts longer than ``timeout_s``, or the lock cannot be made.
    """
    import filelock  # takes a tenth of a second

    path = place.folder / "lock"
    try:
        place.parts.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path, thread_local=False, fallback_to_soft=False, poll_interval=_LOCK_POLL_S)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            waiting()
            lock.acquire(timeout=timeout_s)
    except filelock.Timeout:
        raise StoreError(
            f"The database of {place.store} is being brought up to date by another process for more than "
            f"{timeout_s:.0f} s: wait until it ends, or end it. Its lock is {path}, which ends with its process."
        ) from None
    except OSError as error:
        raise unwritable(place, error) from error
    try:
        yield
    finally:
        lock.release()


def unwritable(place: Place, error: OSError) -> StoreError:
    """Return the error that says why the database cannot be written."""
    return unwritable_because(place, str(error.strerror or error))


def unwritable_because(place: Place, reason: str) -> StoreError:
    """Return the error of ``unwritable``, with the reason in words."""
    return StoreError(
        f"The database of {place.store} cannot be written to {place.folder}: {reason}. The results are not touched. "
        f"Make room there, or name another folder in {DIRECTORY_VARIABLE}."
    )


def _root() -> Path:
    override = os.environ.get(DIRECTORY_VARIABLE)
    if override:
        return Path(override)
    import platformdirs

    return platformdirs.user_cache_path("poolbench") / "databases"
