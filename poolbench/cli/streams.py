"""stdout and stderr that can always be written to, so that what a command found decides how it ends.

A reader that goes away, a full disk behind a redirection, a stream that was closed before we began, an encoding that
lacks a sign: none of them is a finding of the command, and none may keep it from writing its files.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READABLE = "poolbench.readable"
"""The name of the handler, for ``codecs.lookup_error``, that writes what an encoding lacks by signs that it has."""

_IN_ASCII = {
    **{"×": "x", "·": "*", "±": "+/-", "−": "-", "–": "-", "—": "-", "µ": "u", "μ": "u", "…": "...", "→": "->"},
    **{"≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "∞": "inf", "√": "sqrt ", "•": "*", "χ": "chi"},
    **{"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'},
}

_GONE = (errno.EPIPE, errno.ECONNRESET)


@dataclass(slots=True)
class Lost:
    """Why output could not be written, in the system's words; empty where all of it was, or nobody wants it."""

    why: str = ""


@contextlib.contextmanager
def unfailing_streams() -> Iterator[Lost]:
    """Replace ``sys.stdout`` and ``sys.stderr`` until the end by streams whose writing raises nothing.

    What cannot be written is dropped. ``Lost`` tells at the end whether any of stdout was, other than by a reader that
    went away: that reader has what it wanted.
    """
    codecs.register_error(READABLE, readable)
    _occupy_standard_descriptors()
    before = sys.stdout, sys.stderr
    lost = Lost()
    sys.stdout, sys.stderr = _unfailing(before[0], 1, lost), _unfailing(before[1], 2, Lost())
    try:
        yield lost
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def readable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what cannot be encoded: × by x, é by e, and what has no such likeness by its escape.

    A byte of a file's name that is no text comes out as that byte, so that the name can be used.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign, end = error.object[error.start], error.start + 1
    if "\udc80" <= sign <= "\udcff":
        return bytes([ord(sign) - 0xDC00]), end
    if sign in _IN_ASCII:
        return _IN_ASCII[sign], end
    return _likeness(sign) or sign.encode("ascii", "backslashreplace").decode("ascii"), end


def _likeness(sign: str) -> str:
    """Return a letter without its accents, a space for a space, ^2 for ², and "" for what is like nothing in ASCII."""
    kind, _, of = unicodedata.decomposition(sign).rpartition("> ")
    if kind == "<super" and chr(int(of, 16)).isascii():
        return f"^{chr(int(of, 16))}"
    if not (sign.isalpha() or sign.isspace()):
        return ""
    parts = [part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part)]
    return "".join(parts) if "".join(parts).isascii() else ""


class _Sink(io.RawIOBase):
    """Writes to ``descriptor`` until that fails, and drops everything from then on."""

    def __init__(self, descriptor: int, lost: Lost) -> None:
        self._descriptor = descriptor
        self._lost = lost
        self._is_open = True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        size = memoryview(data).nbytes
        if not self._is_open:
            return size
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            # Who shares the pipe may have made it non-blocking: its reader is slow, not gone.
            select.select([], [self._descriptor], [])
            return self.write(data)
        except OSError as error:
            self._is_open = False
            if error.errno not in _GONE:
                self._lost.why = error.strerror or str(error)
            return size


class _Stream(io.TextIOWrapper):
    """A text stream without ``buffer``: typer would write UTF-8 to it, past an encoding that is ASCII."""

    @property
    def buffer(self) -> io.BufferedWriter:
        raise AttributeError("this stream takes text alone")


def _unfailing(stream: TextIO | None, descriptor: int, lost: Lost) -> TextIO:
    """Return what writes where ``stream`` does, in its encoding; a test's stream that is no file stays as it is.

    ``stream`` is None where its ``descriptor`` was closed before we began.
    """
    encoding, by_line = "utf-8", False
    if stream is not None:
        if not isinstance(stream, io.TextIOWrapper):
            return stream
        try:
            descriptor = stream.fileno()
        except OSError:  # text that is kept in memory
            return stream
        stream.flush()
        encoding, by_line = stream.encoding, stream.line_buffering
    return _Stream(
        io.BufferedWriter(_Sink(descriptor, lost)), encoding=encoding, errors=READABLE, line_buffering=by_line
    )


def _occupy_standard_descriptors() -> None:
    """Let each of the descriptors 0 to 2 that is closed lead nowhere: the next file opened would get its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is given out, which is this one.
            os.open(os.devnull, os.O_RDWR)
