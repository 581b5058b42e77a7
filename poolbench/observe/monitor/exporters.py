"""Where what was seen goes without further packages: a file of JSON lines, and a function of the user's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from io import FileIO
from pathlib import Path
from typing import Any

from poolbench.observe.monitor.types import Event, LayerCall, Status, Surroundings

MOST_BYTES = 64 << 20
"""A file that has become so large is renamed to ``NAME.1``, in place of the one before, and begun anew."""


class JsonLines:
    """Writes a line for each call, each event, and the beginning and the end, as it happens.

    ``kind`` of a line is call, event or status. Units stand in the names. A file that is there is added to. The lines
    of a step are written by one call, past all buffers: a full disk shows at once, and a fork has nothing to write
    twice.
    """

    def __init__(self, path: str | Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = Path(path)
        self._most_bytes = most_bytes
        self._file: FileIO | None = None
        self._size = 0

    def start(self, status: Status) -> None:
        """Open the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._open()
        self._write([_line("status", _fields(status))])

    def calls(self, calls: tuple[LayerCall, ...], status: Status, around: Surroundings) -> None:
        """Write a line for each call."""
        derived = (
            _line("call", {**_fields(call), "bytes_per_s": call.bytes_per_s, "times_limit": call.times_limit})
            for call in calls
        )
        self._write(list(derived))

    def event(self, event: Event) -> None:
        """Write a line for the event."""
        self._write([_line("event", {**_fields(event), "text": str(event)})])

    def ended(self, status: Status) -> None:
        """Write how the monitor ended."""
        self._write([_line("status", _fields(status))])

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def after_fork(self) -> None:
        """The file is the parent's."""
        self.close()

    def _open(self) -> None:
        self._file = FileIO(self._path, "a")
        self._size = self._path.stat().st_size

    def _write(self, lines: list[bytes]) -> None:
        content = b"".join(lines)
        if self._file is None or not content:
            return
        if self._size and self._size + len(content) > self._most_bytes:
            self._file.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._open()
        written = self._file.write(content)
        self._size += written
        if written != len(content):
            raise OSError(f"only {written} of {len(content)} bytes could be written to '{self._path}'")


_NAMES = {record: tuple(each.name for each in fields(record)) for record in (LayerCall, Event, Status)}
_ENCODER = json.JSONEncoder(separators=(",", ":"))
"""``json.dumps`` would make one for each line."""


def _fields(record: LayerCall | Event | Status) -> dict[str, Any]:
    """Return the fields by name; all are flat, and ``asdict``, which copies deeply, takes ten times as long."""
    return {name: getattr(record, name) for name in _NAMES[type(record)]}


def _line(kind: str, content: dict[str, Any]) -> bytes:
    return _ENCODER.encode({"kind": kind, **content}).encode("ascii") + b"\n"


class Callback:
    """Calls a function with each LayerCall and each Event, in the thread whose step it was."""

    def __init__(self, function: Callable[[LayerCall | Event], object]) -> None:
        self._function = function

    def start(self, status: Status) -> None:
        """Nothing is told."""

    def calls(self, calls: tuple[LayerCall, ...], status: Status, around: Surroundings) -> None:
        """Hand on each call."""
        for call in calls:
            self._function(call)

    def event(self, event: Event) -> None:
        """Hand on the event."""
        self._function(event)

    def ended(self, status: Status) -> None:
        """Nothing is told."""

    def close(self) -> None:
        """Nothing is open."""

    def after_fork(self) -> None:
        """Nothing is shared."""
