"""One run at a time on a machine: two at once would disturb each other's times.

The lock belongs to the machine: not to a results folder, nor to a user or a home. It is a file that any user may lock,
in the first of SHARED_FOLDERS that all may write to; POOLBENCH_LOCK_DIR names another folder. A machine that
POOLBENCH_MACHINE gives a name of its own has a lock of its own. The system's own file lock is taken, which ends with
the process that holds it, however that ends. The holder's note of who it is (``poolbench.store.holder``) is the file's
content. Why the file may lie where everybody writes: docs/decisions/0018-run-lock.md.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poolbench.errors import RunLockedError, StoreError
from poolbench.model.machine import chosen_identity
from poolbench.store.holder import clear_note, leave_note, wait_for_holder

DIRECTORY_VARIABLE = "POOLBENCH_LOCK_DIR"

SHARED_FOLDERS = (Path("/run/lock"), Path("/tmp"))
"""Never TMPDIR or a home, which differ from user to user and from session to session."""

_EVERYBODYS = 0o666
_OPENING_S = 0.2
"""How long the file is tried for where another takes it or is just making it: a holder keeps it for far longer."""


@contextmanager
def machine_lock(holder: str, directory: Path | None = None) -> Iterator[Path]:
    """Hold this machine for the run named ``holder``; gives the lock's path.

    ``directory`` goes before POOLBENCH_LOCK_DIR, and that before the folders that all users share. Raises
    RunLockedError, naming the holder, where another run measures here; StoreError where the lock's file cannot be made
    or is none that can be trusted; UsageError where POOLBENCH_MACHINE is no name.
    """
    import filelock  # takes a tenth of a second, which only a run should pay

    path = _path(directory)
    owner = os.getpid()
    held: list[int] = []

    def examine(descriptor: int) -> None:
        _require_sound(descriptor, path)
        held.append(descriptor)
        # The note only serves a refused run's message, so that a full disk does not stop the measuring here.
        with contextlib.suppress(OSError):
            leave_note(descriptor, holder)

    lock = filelock.FileLock(
        path,
        timeout=_OPENING_S,
        poll_interval=_OPENING_S / 10,
        mode=_EVERYBODYS,  # whatever the umask
        thread_local=False,
        fallback_to_soft=False,
        preserve_lock_file=True,
        on_acquired=examine,
    )
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise RunLockedError(_refusal(path)) from error
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        yield path
    finally:
        # First the note, then the lock: afterwards the note could be the next holder's. A fork holds neither.
        if os.getpid() == owner:
            with contextlib.suppress(OSError):
                clear_note(held[-1])
            lock.release()


def _path(directory: Path | None) -> Path:
    """Return where the lock lies, in a folder that exists."""
    identity = chosen_identity()
    override = os.environ.get(DIRECTORY_VARIABLE)
    if directory is None and not override:
        return _shared_folder() / f"poolbench{'-' if identity else ''}{identity}.lock"
    folder = directory if directory is not None else Path(str(override))
    # The folder may be on a home that several hosts share: there the file is named after the host.
    name = identity or re.sub(r"[^A-Za-z0-9.-]+", "-", platform.node()) or "localhost"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder / name, error) from error
    return folder / f"poolbench-{name}.lock"


def _shared_folder() -> Path:
    """Return the first folder that every user may write to. It is judged by itself, so that all users find the same."""
    for folder in SHARED_FOLDERS:
        try:
            mode, flags = folder.stat().st_mode, os.statvfs(folder).f_flag
        except OSError:
            continue
        if stat.S_ISDIR(mode) and mode & 0o003 == 0o003 and not flags & os.ST_RDONLY:
            return folder
    raise StoreError(
        "The lock that keeps runs on this machine apart has no place: neither "
        f"{' nor '.join(map(str, SHARED_FOLDERS))} is a folder that all users may write to. Set {DIRECTORY_VARIABLE} "
        "to one, the same for all your runs."
    )


def _require_sound(descriptor: int, path: Path) -> None:
    """Raise StoreError unless ``descriptor``, now locked, is the file at ``path`` and nobody's but the lock's.

    A link, another name of the same file or a file of a user who has not opened it to all may have been put there to
    have something else locked and written to. An empty file of one's own that lacks permissions gets them: its maker
    was stopped before it could, or is about to.
    """
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise _refused(path, "it is no regular file")
    if found.st_nlink > 1:
        raise _refused(path, f"the file has {found.st_nlink} names (hard links)")
    if stat.S_IMODE(found.st_mode) != _EVERYBODYS:
        if found.st_uid != os.geteuid() or found.st_size:
            raise _refused(
                path,
                f"it belongs to user number {found.st_uid}, who has not opened it to all: its permissions are "
                f"{stat.S_IMODE(found.st_mode):o} instead of {_EVERYBODYS:o}",
            )
        os.fchmod(descriptor, _EVERYBODYS)
    # A cleaner of temporary files may have taken the name away in between: whoever comes next would lock another file.
    try:
        named = path.lstat()
    except FileNotFoundError:
        named = None
    if named is None or (named.st_dev, named.st_ino) != (found.st_dev, found.st_ino):
        raise _refused(path, "the file was removed or replaced just now; try again")


def _refusal(path: Path) -> str:
    holder = wait_for_holder(path)
    who, stop = "Another run", "stop it"
    if holder is not None:
        since = f"since {holder.note.since}, '{holder.note.command}'"
        who = f"The run {holder.note.run} (process {holder.note.pid}{holder.of_user}, {since})"
        stop = f"stop it with Ctrl-C or 'kill -INT {holder.note.pid}'" if holder.is_own else "have its user stop it"
    return (
        f"{who} is measuring on this machine, and two runs at once would disturb each other's times. Wait until it "
        f"ends, or {stop}. The lock is {path}; it ends with its process, so there is nothing to delete."
    )


def _refused(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"The lock that keeps runs on this machine apart is not taken at {path}: {reason}. Remove it, or have its "
        f"owner do so, when nothing measures here; or set {DIRECTORY_VARIABLE} to a folder that you may write to, the "
        "same for all your runs."
    )


def _unusable(path: Path, error: OSError) -> StoreError:
    if path.is_symlink():
        return _refused(path, "it is a link")
    if path.is_dir():
        return _refused(path, "it is a folder")
    if isinstance(error, PermissionError) and path.exists():
        return _refused(path, f"it belongs to user number {path.lstat().st_uid}, who has not opened it to all")
    return StoreError(
        f"The lock that keeps runs on this machine apart cannot be made in {path.parent}: {error.strerror or error}. "
        f"Set {DIRECTORY_VARIABLE} to a folder that you may write to, the same for all your runs."
    )
