"""Run a command that ends, with all that it started, when whoever wants its result is gone.

    python -I -S leash.py PSUTIL COMMAND…

Stdin is a pipe that the other side keeps open and never writes to. When it closes, as it does however its holder ends,
when this process is told to end, and when the command has ended, all that is left of what it started is killed:
children's children, those that were put into a process group or a session of their own, as ninja does with each job,
and those whose parent is gone. To find the last, this process adopts them (prctl(2), PR_SET_CHILD_SUBREAPER), and it is
the last to end. Executed as a script, in a session of its own; PSUTIL is the folder that psutil is found in.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

if __name__ == "__main__":
    sys.path.append(sys.argv[1])

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.01
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_starting = threading.Lock()


def main(command: list[str]) -> int:
    """Run ``command`` to its end, or to that of the pipe, and return its exit code."""
    _adopt_orphans()
    for number in _ENDING:
        signal.signal(number, lambda number, _: _end(number))
    threading.Thread(target=_watch, daemon=True).start()
    try:
        with _starting:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")
    code = process.wait()
    end_descendants()
    return code


def end_descendants() -> None:
    """Kill all processes below this one, and return when none is left. One of another user's is let go.

    Each pass kills what it finds; what was forked meanwhile is found by the next, below its parent or, that being
    dead, below this process. None can become another's child.
    """
    this, beyond_us = psutil.Process(), set()
    while True:
        _bury_the_dead()
        left = [each for each in this.children(recursive=True) if each not in beyond_us and _can_act(each)]
        if not left:
            return
        for process in left:
            try:
                process.kill()
            except psutil.AccessDenied:
                beyond_us.add(process)
            except psutil.NoSuchProcess:
                continue
        time.sleep(_POLL_S)


def _watch() -> None:
    os.read(0, 1)
    with _starting:  # and nothing is started from here on
        _end(signal.SIGKILL)


def _end(number: int) -> None:
    end_descendants()
    os._exit(128 + number)


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own has ended. Outside of Linux orphans are out of reach."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _can_act(process: psutil.Process) -> bool:
    """Whether the process is there and not merely waiting for its parent to take note of its end."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _bury_the_dead() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
