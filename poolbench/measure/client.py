"""The session's side of the pipes: starting importers, forking workers, asking them, and ending them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from poolbench.environments.interpreter import PRESENT, Interpreter
from poolbench.measure.headroom import gibibytes
from poolbench.measure.protocol import PACKAGE, Channel, ChannelClosedError, DeadlineError, Message
from poolbench.model.method import Limits
from poolbench.model.result import Status

_TAIL_BYTES = 4096


class WorkerFailure(Exception):
    """A request ended in a status. ``alive`` tells whether the worker can be asked again."""

    def __init__(self, status: Status, note: str, *, alive: bool = False) -> None:
        super().__init__(note)
        self.status = status
        self.note = note
        self.alive = alive


class _Output:
    """What a process prints, read so that it never blocks; only the end is kept, for the note of a crash."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.read_fd, False)
        self._tail = b""

    def drain(self) -> None:
        """Read what is there, a pipe's worth at most: a subject that prints without end must not hold us up."""
        with contextlib.suppress(BlockingIOError):
            self._tail = (self._tail + os.read(self.read_fd, 1 << 16))[-_TAIL_BYTES:]

    def last_line(self) -> str:
        """Return the last line that was printed, if any."""
        self.drain()
        lines = [line.strip() for line in self._tail.decode(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""

    def close(self) -> None:
        """Close the end that is read."""
        os.close(self.read_fd)


class Importer:
    """A freshly executed interpreter that has imported one framework; workers are forked from it.

    ``module`` is what it runs: one that serves forks as ``poolbench.measure.importer`` does, with its arguments.
    """

    def __init__(
        self,
        *,
        backends: Sequence[str],
        environment: Mapping[str, str],
        threads: int,
        limits: Limits,
        interpreter: Interpreter = PRESENT,
        module: str = "poolbench.measure.importer",
    ) -> None:
        self._limits = limits
        self._output = _Output()
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._process = subprocess.Popen(
            [
                *interpreter.command(module),
                str(theirs.fileno()),
                str(os.getpid()),
                str(threads),
                *backends,
            ],
            env={**interpreter.variables(os.environ), **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._output.write_fd,
            stderr=self._output.write_fd,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        os.close(self._output.write_fd)
        self.facts: dict[str, dict[str, str]] = {}

    def wait_ready(self) -> None:
        """Wait until the framework is imported. Raises WorkerFailure where it cannot be, or by another poolbench."""
        reply = self._ask(None, self._limits.start_s, "importing the framework")
        if not reply["ok"]:
            begin = "" if reply.get("is_sentence") else "The framework could not be imported: "
            raise WorkerFailure(Status.FAILED, f"{begin}{reply['note']}")
        if reply["package"] != PACKAGE:
            raise WorkerFailure(
                Status.FAILED,
                f"Workers run the poolbench in {reply['package']}, and this is that in {PACKAGE}, which lies "
                "in the current folder or beside a script: run 'poolbench' itself, or install the one that you want.",
            )
        self.facts = reply["facts"]

    def fork(self, backend: str) -> WorkerClient:
        """Start a worker for ``backend``. Raises WorkerFailure when the importer has died."""
        output = _Output()
        ours, theirs = socket.socketpair()
        try:
            reply = self._ask(
                {"op": "fork", "backend": backend, "memory_bytes": self._limits.memory_bytes},
                self._limits.start_s,
                "starting a worker",
                (theirs.fileno(), output.write_fd),
            )
        finally:
            theirs.close()
            os.close(output.write_fd)
        return WorkerClient(self, reply["pid"], Channel(ours), output, self._limits)

    def reap(self, pid: int) -> Message:
        """Say how the worker ``pid``, which has been killed or has ended, came to its end."""
        try:
            return self._ask({"op": "reap", "pid": pid}, 10.0, "ending a worker")
        except WorkerFailure:
            return {"signal": None, "code": None, "peak_bytes": 0}

    def close(self) -> None:
        """End the process and whatever it started."""
        self._channel.close()
        try:
            self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            _kill_group(self._process.pid)
            self._process.wait()
        self._output.close()

    def _ask(self, message: Message | None, deadline_s: float, doing: str, fds: tuple[int, ...] = ()) -> Message:
        try:
            if message is not None:
                self._channel.send(message, fds)
            return self._channel.receive_before(deadline_s, drain=self._output.drain, drain_fd=self._output.read_fd)
        except ChannelClosedError:
            last = self._output.last_line()
            raise WorkerFailure(
                Status.CRASHED, f"The importer died while {doing}{f'; it last printed: {last}' if last else '.'}"
            ) from None
        except DeadlineError:
            _kill_group(self._process.pid)
            raise WorkerFailure(Status.TIMEOUT, f"{doing.capitalize()} took longer than {deadline_s:g} s.") from None


class WorkerClient:
    """A worker process, asked one thing at a time. After a failure that killed it, only ``close`` may follow."""

    def __init__(self, importer: Importer, pid: int, channel: Channel, output: _Output, limits: Limits) -> None:
        self._importer = importer
        self._pid = pid
        self._channel = channel
        self._output = output
        self._limits = limits
        self._closed = False

    def ask(self, op: str, *, deadline_s: float, **content: Any) -> Message:
        """Send a request and wait for its reply.

        Raises WorkerFailure: with the status the worker gave (it is then alive), or CRASHED, TIMEOUT or
        OUT_OF_MEMORY when it died or had to be killed.
        """
        try:
            self._channel.send({"op": op, **content})
            reply = self._channel.receive_before(
                deadline_s,
                drain=self._output.drain,
                drain_fd=self._output.read_fd,
                watch=lambda: self._watch_memory(op),
            )
        except ChannelClosedError:
            raise self._death(op) from None
        except DeadlineError:
            self.kill()
            raise WorkerFailure(
                Status.TIMEOUT, f"No answer to '{op}' within {deadline_s:g} s; the worker was killed."
            ) from None
        if not reply["ok"]:
            raise WorkerFailure(Status(reply["status"]), reply["note"], alive=True)
        return reply

    def kill(self) -> Message:
        """Kill the worker's process group and return how it ended. Harmless when it is gone already."""
        if self._closed:
            return {"signal": None, "code": None, "peak_bytes": 0}
        self._closed = True
        _kill_group(self._pid)
        end = self._importer.reap(self._pid)
        self._channel.close()
        self._output.close()
        return end

    def close(self) -> None:
        """End the worker."""
        self.kill()

    def _watch_memory(self, op: str) -> None:
        """Kill a worker that holds more than its cap in ways that the kernel's own limit does not count."""
        with contextlib.suppress(psutil.NoSuchProcess):
            resident = psutil.Process(self._pid).memory_info().rss
            if resident > 2 * self._limits.memory_bytes:
                self.kill()
                raise WorkerFailure(
                    Status.OUT_OF_MEMORY,
                    f"The worker grew to {gibibytes(resident)} during '{op}' and was killed; "
                    f"its cap is {gibibytes(self._limits.memory_bytes)}.",
                )

    def _death(self, op: str) -> WorkerFailure:
        last = self._output.last_line()
        end = self.kill()
        printed = f" It last printed: {last}" if last else ""
        if end["peak_bytes"] > 0.8 * self._limits.memory_bytes and end["signal"] in (signal.SIGABRT, signal.SIGKILL):
            return WorkerFailure(
                Status.OUT_OF_MEMORY,
                f"The worker died at {gibibytes(end['peak_bytes'])}; its cap is "
                f"{gibibytes(self._limits.memory_bytes)}.{printed}",
            )
        if end["signal"] is not None:
            how = f"was ended by {signal.Signals(end['signal']).name}"
        else:
            how = f"exited with code {end['code']}"
        return WorkerFailure(Status.CRASHED, f"The worker {how} before it answered '{op}'.{printed}")


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
