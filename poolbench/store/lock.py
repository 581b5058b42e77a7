"""One run at a time on a machine: two at once would disturb each other's times.

The lock belongs to the machine and the user, not to a results folder. It is a file in the user's cache folder, named
after the host since home folders are shared, or, where that folder cannot be written, in one of the user's own below
the system's temporary folder. POOLBENCH_LOCK_DIR names another folder; tests use it. The system's own file lock is
taken on it, which ends with the process that holds it, however that ends; beside it the holder leaves a note of who
it is, which is only ever read to name a holder that is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from poolbench.errors import RunLockedError, StoreError

DIRECTORY_VARIABLE = "POOLBENCH_LOCK_DIR"

_NOTE_WAIT_S = 2.0
"""How long a refused run waits for a holder that has only just begun to leave its note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock. ``born_s`` is the process's start (seconds since 1970): process numbers are used again."""

    run: str
    pid: int
    born_s: float
    since: str
    command: str


@contextmanager
def machine_lock(holder: str, directory: Path | None = None) -> Iterator[Path]:
    """Hold this machine for the run named ``holder``; gives the lock's path.

    ``directory`` goes before POOLBENCH_LOCK_DIR, and that before the user's own folders. Raises RunLockedError at
    once, naming the holder, where another run measures here; StoreError where no folder for the lock can be written.
    """
    import filelock  # takes a tenth of a second, which only a run should pay

    path = _writable_path(directory)
    lock = filelock.FileLock(path, blocking=False, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise RunLockedError(_refusal(_read_holder(_note_path(path)), path)) from error
    except OSError as error:
        raise _unusable(path.parent, error) from error
    note = _note_path(path)
    try:
        # The note only serves a refused run's message, so that a full disk does not stop the measuring here.
        with contextlib.suppress(OSError):
            _leave_note(note, holder)
        yield path
    finally:
        # First the note, then the lock: afterwards the note could be the next holder's.
        with contextlib.suppress(OSError):
            note.unlink(missing_ok=True)
        lock.release()


def _writable_path(directory: Path | None) -> Path:
    name = f"run-{re.sub(r'[^A-Za-z0-9.-]+', '-', platform.node()) or 'localhost'}.lock"
    override = os.environ.get(DIRECTORY_VARIABLE)
    if directory is not None or override:
        folders = [directory if directory is not None else Path(str(override))]
    else:
        folders = _own_folders()
    failure: OSError | None = None
    for folder in folders:
        try:
            _make_writable(folder, folder / name)
        except OSError as error:
            failure = failure or error
        else:
            return folder / name
    assert failure is not None
    raise _unusable(folders[0], failure)


def _own_folders() -> list[Path]:
    import platformdirs

    # The cache folder goes first: every session of a user has the same, unlike XDG_RUNTIME_DIR and TMPDIR.
    user = os.getuid() if hasattr(os, "getuid") else platform.node()
    return [platformdirs.user_cache_path("poolbench"), Path(tempfile.gettempdir()) / f"poolbench-{user}"]


def _make_writable(folder: Path, lock: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, os.strerror(13), str(folder))
    if lock.exists() and not os.access(lock, os.R_OK | os.W_OK):
        raise PermissionError(13, os.strerror(13), str(lock))


def _note_path(lock: Path) -> Path:
    return lock.with_suffix(".holder.json")


def _leave_note(note: Path, run: str) -> None:
    import psutil

    me = Holder(
        run=run,
        pid=os.getpid(),
        born_s=psutil.Process().create_time(),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join([Path(sys.argv[0]).name or "python", *sys.argv[1:]]),
    )
    draft = note.with_name(f"{note.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(me)), encoding="utf-8")
    draft.replace(note)  # at once, so that nobody reads half a note


def _read_holder(note: Path) -> Holder | None:
    """Return who holds the lock, or None where the holder leaves no note in time: a dead one's is not believed."""
    deadline = time.monotonic() + _NOTE_WAIT_S
    while True:
        holder = _parse_note(note)
        if holder is not None and _is_alive(holder):
            return holder
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.02)


def _parse_note(note: Path) -> Holder | None:
    try:
        return Holder(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # absent, or not a note of ours: the holder stays unnamed


def _is_alive(holder: Holder) -> bool:
    import psutil

    try:
        return abs(psutil.Process(holder.pid).create_time() - holder.born_s) < 2.0
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False


def _refusal(holder: Holder | None, path: Path) -> str:
    who = "Another run"
    stop = "stop it"
    if holder is not None:
        who = f"The run {holder.run} (process {holder.pid}, since {holder.since}, '{holder.command}')"
        stop = f"stop it with Ctrl-C or 'kill -INT {holder.pid}'"
    return (
        f"{who} is measuring on this machine, and two runs at once would disturb each other's times. Wait until it "
        f"ends, or {stop}. The lock is {path}; it ends with its process, so there is nothing to delete."
    )


def _unusable(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"The lock that keeps runs on this machine apart cannot be made in {folder}: {error.strerror or error}. Set "
        f"{DIRECTORY_VARIABLE} to a folder that you may write to, the same for all your runs."
    )
