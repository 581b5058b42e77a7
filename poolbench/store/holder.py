"""Who holds the run lock: a note in the lock's file, which any user can write to.

So a note is no more than a hint. It is believed only while its process lives, began when the note says and, as far as
may be seen, has the file open; and it is shown in printable characters alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WAIT_S = 2.0
"""How long a refused run waits for a holder that has only just begun to leave its note."""

_MOST_BYTES = 4096
_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Who holds the lock. ``born_s`` is the process's start (seconds since 1970): process numbers are used again."""

    run: str
    pid: int
    born_s: float
    since: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A note that is believed. ``user`` is whose the process is, or nothing where the system does not tell."""

    note: Note
    user: str
    is_own: bool

    @property
    def of_user(self) -> str:
        """Say whose it is, where it is another's."""
        return f" of {self.user}" if self.user and not self.is_own else ""


def leave_note(descriptor: int, run: str) -> None:
    """Write into the locked file ``descriptor`` that ``run``, in this process, holds it."""
    import psutil

    note = Note(
        run=run,
        pid=os.getpid(),
        born_s=psutil.Process().create_time(),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        command=" ".join([Path(sys.argv[0]).name or "python", *sys.argv[1:]]),
    )
    clear_note(descriptor)
    os.pwrite(descriptor, json.dumps(asdict(_shown(note))).encode("ascii"), 0)


def clear_note(descriptor: int) -> None:
    """Empty the locked file."""
    os.ftruncate(descriptor, 0)


def wait_for_holder(path: Path) -> Holder | None:
    """Return who holds the lock, or None where the holder leaves no note in time: a dead one's is not believed."""
    deadline = time.monotonic() + WAIT_S
    while True:
        note = _read_note(path)
        holder = None if note is None else _believed(note, path)
        if holder is not None or time.monotonic() >= deadline:
            return holder
        time.sleep(0.02)


def _read_note(path: Path) -> Note | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            fields: Any = json.loads(file.read(_MOST_BYTES))
        return _shown(Note(**fields)) if _has_types(fields) else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None  # absent, or not a note of ours: the holder stays unnamed


def _has_types(fields: Any) -> bool:
    types: dict[str, type | tuple[type, ...]] = {
        "run": str, "pid": int, "born_s": (int, float), "since": str, "command": str,
    }  # fmt: skip
    return isinstance(fields, dict) and all(isinstance(fields.get(name), kind) for name, kind in types.items())


def _shown(note: Note) -> Note:
    """Return a note that does nothing to a terminal and fits on it."""
    return replace(note, run=_printable(note.run), since=_printable(note.since), command=_printable(note.command))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_MOST_CHARACTERS])


def _believed(note: Note, path: Path) -> Holder | None:
    import psutil

    try:
        process = psutil.Process(note.pid)
        if abs(process.create_time() - note.born_s) >= 2.0:
            return None
        is_own = process.uids().real == os.getuid()
        if is_own and os.path.realpath(path) not in {file.path for file in process.open_files()}:
            return None  # it would be advised to end a process that has nothing to do with it
        return Holder(note=note, user=process.username(), is_own=is_own)
    except psutil.AccessDenied:
        return Holder(note=note, user="", is_own=False)
    except (psutil.Error, OverflowError, ValueError):
        return None
