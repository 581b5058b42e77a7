"""The side of a worker that gives tasks to the process that measures, and starts it anew where it has ended."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import Any

from poolbench.fleet.outcome import Outcome, WorkerSettings
from poolbench.store import typed


class Measurer:
    """Gives one task at a time to a process of ``poolbench.fleet.host``."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self.is_busy = False

    def measure(self, record: Any) -> Outcome:
        """Have the task of ``record`` measured, and return how it ended. Any process that is given it may die."""
        self.is_busy = True
        try:
            return self._ask(record)
        except (OSError, ValueError) as error:
            self.close()
            return Outcome(
                key="",
                machine=self._settings.about.machine,
                problem=f"The process that measures ended amid a task: {error}.",
                may_pass=True,
            )
        finally:
            self.is_busy = False

    def close(self) -> None:
        """Interrupt what is in hand, which stores what is finished, and end the process."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.wait()
        self._socket = self._process = None

    def interrupt(self) -> None:
        """Interrupt what is in hand, from another thread: the one that waits for it gets its end."""
        if self._socket is not None:
            self._socket.shutdown(socket.SHUT_WR)

    def _ask(self, record: Any) -> Outcome:
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._socket is not None
        self._send(record)
        answer = b""
        while not answer.endswith(b"\n"):
            part = self._socket.recv(1 << 16)
            if not part:
                raise ValueError("its pipe closed")
            answer += part
        outcome: Outcome = typed.load(Outcome, json.loads(answer))
        return outcome

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "poolbench.fleet.host", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._socket = ours
        self._send(typed.dump(WorkerSettings, self._settings))

    def _send(self, record: Any) -> None:
        assert self._socket is not None
        self._socket.sendall(json.dumps(record).encode() + b"\n")
