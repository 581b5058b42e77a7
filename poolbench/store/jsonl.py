"""Result files: ``results/<machine key>/<run>.jsonl``, a header line and then one line per row.

A run's rows are appended as they are complete, each time by one write that is flushed to the disk, so that a run that
is killed loses at most the row in hand, and a disk that fills up loses no row that was stored before.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType

from poolbench.errors import DiskFullError, StoreError
from poolbench.model.result import ResultRow, RunHeader
from poolbench.store.codec import decode_line, encode_header, encode_row
from poolbench.store.reading import StoredRun, decode_header, read_run
from poolbench.store.runs import SUFFIX, RunSummary, find_run, list_runs, new_run_name
from poolbench.store.typed import FieldError

__all__ = ["RunFile", "RunSummary", "StoredRun", "find_run", "list_runs", "new_run_name", "read_run"]

TORN_SUFFIX = ".torn"
"""What is appended to a run's file name for the file that keeps its torn lines."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_SEARCHED = 1 << 16


def is_run_name(text: str) -> bool:
    """Whether ``text`` can name a run, or a machine's folder: it climbs out of none."""
    return _NAME.fullmatch(text) is not None


class RunFile:
    """A run's file, open for appending: ``RunFile.create`` begins a run, ``RunFile.reopen`` goes on with one.

    ``warnings`` say what ``reopen`` had to put right. One process at a time may hold a run's file open; the machine's
    lock (``poolbench.store.lock``) sees to that.
    """

    def __init__(self, path: Path, header: RunHeader, descriptor: int, warnings: tuple[str, ...] = ()) -> None:
        """Take over ``descriptor``, open on ``path`` for reading and appending. Meant for the two constructors."""
        self.path = path
        self.header = header
        self.warnings = warnings
        self._descriptor = descriptor

    @classmethod
    def create(cls, results_dir: Path, header: RunHeader) -> RunFile:
        """Begin the run of ``header``, and write it.

        Raises StoreError where the folder or the file cannot be written, and where the run exists already.
        """
        if not is_run_name(header.run):
            raise StoreError(f"'{header.run}' cannot name a run: use letters, digits, '.', '_' and '-'.")
        path = results_dir / header.machine.key / f"{header.run}{SUFFIX}"
        line = encode_header(header)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # O_EXCL: a run that is stored is never overwritten.
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError as error:
            raise _not_created(path, error) from error
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            _write(descriptor, line)
            _flush(descriptor)
        except OSError as error:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise _unwritable(path, error) from error
        return cls(path, header, descriptor)

    @classmethod
    def reopen(cls, path: Path) -> RunFile:
        """Go on with the run at ``path``.

        A torn last line is appended to ``<path>.torn`` and cut off; a last line that lacks nothing but its end gets
        it. Raises StoreError where the file cannot be read or written, or has no header.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            with path.open("rb") as file:
                header = decode_header(file.readline(), path)
            return cls(path, header, descriptor, _mend(path, descriptor))
        except OSError as error:
            os.close(descriptor)
            raise _unwritable(path, error) from error
        except BaseException:
            os.close(descriptor)
            raise

    def append(self, rows: Sequence[ResultRow]) -> None:
        """Store ``rows``, one line each, and return when the disk has them.

        Raises DiskFullError where they cannot be stored; the file is cut back to its last complete line then, so
        that nothing stored before is harmed, and the rows of this call whose lines were completed are kept. Raises
        StoreError, and writes nothing, where a row belongs to another run or a field has the wrong type.
        """
        lines = [self._line(row) for row in rows]
        if not lines:
            return
        if self._descriptor < 0:
            raise StoreError(
                f"{self.path} is closed: 'poolbench {self.header.verb} --resume {self.header.run}' goes on with it."
            )
        before = os.fstat(self._descriptor).st_size
        try:
            _write(self._descriptor, b"".join(lines))
        except OSError as error:
            grown = os.fstat(self._descriptor).st_size - before
            raise self._give_up(error, rows, before, [len(line) for line in lines], grown) from error
        try:
            _flush(self._descriptor)
        except OSError as error:
            # What the disk has of these lines is unknown, so none of them counts.
            raise self._give_up(error, rows, before, [], 0) from error

    def close(self) -> None:
        """Close the file; what was appended is on the disk already. Closing twice is harmless."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> RunFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _line(self, row: ResultRow) -> bytes:
        if row.run != self.header.run or row.machine != self.header.machine.key:
            raise StoreError(
                f"A row of run {row.run} on {row.machine} cannot be stored in {self.path}, which holds run "
                f"{self.header.run} on {self.header.machine.key}: runs are never mixed."
            )
        try:
            return encode_row(row)
        except FieldError as error:
            raise StoreError(f"A row of {row.subject} on {row.workload} cannot be stored: {error}.") from error

    def _give_up(
        self, error: OSError, rows: Sequence[ResultRow], before: int, lengths: Sequence[int], grown: int
    ) -> DiskFullError:
        """Cut the file back to its last complete line, and return the error that says what is kept.

        ``lengths`` are those of the new lines in bytes, of which the first ``grown`` bytes reached the file.
        """
        ends = [end for end in accumulate(lengths) if end <= grown]
        lost = rows[len(ends)]
        state = f"Everything before launch {lost.launch} of {lost.subject} on {lost.workload} is kept"
        try:
            os.ftruncate(self._descriptor, before + (ends[-1] if ends else 0))
        except OSError:
            self.close()  # a further line would be joined to the torn one
            state += ", with a torn line behind it that resuming will set aside"
        return DiskFullError(
            f"{self.path} cannot be written: {error.strerror or error}. {state}; {_count(len(rows) - len(ends))} in "
            f"hand could not be stored. Make room, then measure what is missing with 'poolbench "
            f"{self.header.verb} --resume {self.header.run}'."
        )


def _write(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, in one call unless the system takes it in parts."""
    view = memoryview(data)
    while view:
        # A full disk may take a part first and say so only when it is asked to take the rest.
        written = os.write(descriptor, view)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[written:]


def _flush(descriptor: int) -> None:
    # Some file systems find out that they are full only here; and what is written back now disturbs no later slot.
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _mend(path: Path, descriptor: int) -> tuple[str, ...]:
    """Make the file end with a complete line, and return what had to be done for it."""
    size = os.fstat(descriptor).st_size
    tail = _after_last_newline(descriptor, size)
    if not tail:
        return ()
    if _is_complete(tail):
        _write(descriptor, b"\n")
        return (f"{path}: the last line had no end, but was complete: it is kept.",)
    aside = path.with_name(path.name + TORN_SUFFIX)
    keeper = os.open(aside, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _write(keeper, tail + b"\n")
        _flush(keeper)  # before the line is cut off: in between it is in both files, never in none
    finally:
        os.close(keeper)
    os.ftruncate(descriptor, size - len(tail))
    _flush(descriptor)
    return (
        f"{path}: the last line was torn ({len(tail)} bytes), as when a run is killed while it writes: it was moved "
        f"to {aside.name}, and its row will be measured again.",
    )


def _after_last_newline(descriptor: int, size: int) -> bytes:
    tail = b""
    position = size
    while position > 0:
        start = max(position - _SEARCHED, 0)
        part = os.pread(descriptor, position - start, start)
        newline = part.rfind(b"\n")
        if newline >= 0:
            return part[newline + 1 :] + tail
        tail = part + tail
        position = start
    return tail


def _is_complete(line: bytes) -> bool:
    try:
        decode_line(line)
    except StoreError:
        return False
    return True


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _not_created(path: Path, error: FileExistsError) -> StoreError:
    if path.parent.is_dir():
        return StoreError(
            f"{path} exists already, and a stored run is never overwritten: go on with it by "
            f"'poolbench compare --resume {path.stem}', or start a run of another name."
        )
    return _unwritable(path, error)


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be written: {error.strerror or error}. Choose a results folder that you may write to, with "
        "enough room."
    )
