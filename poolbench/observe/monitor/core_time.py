"""How long the calling thread has had a core, and has been ready without one."""

from __future__ import annotations

import os
import threading
import time


class CoreTime:
    """Reads this thread's counters. ``waited_ns`` is None where the system does not tell.

    The file stays open for the thread's life: opening it anew would cost ten times as much as reading it.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def read(self) -> tuple[int, int | None]:
        """Return (nanoseconds on a core, nanoseconds ready without one) of the calling thread so far."""
        try:
            file = self._local.file
        except AttributeError:
            file = self._local.file = _Schedstat()
        return time.thread_time_ns(), file.waited_ns()


class _Schedstat:
    """The counters of one thread; closed when the thread's locals go."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        try:
            self._fd: int | None = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = None

    def waited_ns(self) -> int | None:
        if self._fd is None:
            return None
        try:
            return int(os.pread(self._fd, 64, 0).split()[1])
        except (OSError, IndexError, ValueError):
            return None

    def __del__(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
