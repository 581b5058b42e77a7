"""Messages between a session and its workers: one JSON object a line over a socket of their own.

Never stdout: frameworks write to it. Requests are ``{"op": …}``; a reply is ``{"ok": true, …}`` or
``{"ok": false, "status": …, "note": …}``. A worker serves one request at a time.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]

PACKAGE = str(Path(__file__).resolve().parent.parent)
"""The poolbench that this side runs: both must run the same."""

FORK_FDS = 2
"""Descriptors that come along with a fork request: the worker's socket and the pipe for what it prints."""


class ChannelClosedError(Exception):
    """The other side closed its end, or died."""


class DeadlineError(Exception):
    """No message arrived in time."""


class Channel:
    """A connected stream socket that carries messages, and file descriptors beside them."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._pending = b""

    def fileno(self) -> int:
        """Return the descriptor, for ``select``."""
        return self._socket.fileno()

    def send(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        """Send one message. Raises ChannelClosedError when nobody is left to read it."""
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            if fds:
                sent = socket.send_fds(self._socket, [data], list(fds))
                self._socket.sendall(data[sent:])
            else:
                self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosedError from error

    def receive(self) -> Message:
        """Wait for a message without limit. Raises ChannelClosedError at the end of the stream."""
        message, _ = self.receive_with_fds(0)
        return message

    def receive_with_fds(self, count: int) -> tuple[Message, list[int]]:
        """Wait for a message and up to ``count`` descriptors that came with it."""
        fds: list[int] = []
        while b"\n" not in self._pending:
            fds += self._read(count)
        return self._take(), fds

    def receive_before(
        self,
        deadline_s: float,
        *,
        drain: Callable[[], None] = lambda: None,
        drain_fd: int | None = None,
        watch: Callable[[], None] = lambda: None,
        watch_every_s: float = 0.25,
    ) -> Message:
        """Wait for a message until ``deadline_s`` seconds from now; raise DeadlineError after that.

        ``drain`` is called whenever ``drain_fd`` can be read, and ``watch`` now and then on long waits, so that a
        short slot is not disturbed by polling.
        """
        end = time.monotonic() + deadline_s
        sources = [self._socket.fileno()] + ([drain_fd] if drain_fd is not None else [])
        while b"\n" not in self._pending:
            left = end - time.monotonic()
            if left <= 0:
                raise DeadlineError
            ready, _, _ = select.select(sources, [], [], min(left, watch_every_s))
            if drain_fd is not None and drain_fd in ready:
                drain()
            if self._socket.fileno() in ready:
                self._read()
            elif not ready or left < deadline_s - watch_every_s:
                watch()
        return self._take()

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _read(self, fd_count: int = 0) -> list[int]:
        """Read what has come, waiting for something; return the descriptors that came along."""
        try:
            data, fds, _, _ = socket.recv_fds(self._socket, 1 << 16, fd_count)
        except ConnectionResetError as error:
            raise ChannelClosedError from error
        if not data:
            raise ChannelClosedError
        self._pending += data
        return fds

    def _take(self) -> Message:
        line, _, self._pending = self._pending.partition(b"\n")
        message: Message = json.loads(line)
        return message
