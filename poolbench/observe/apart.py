"""Running a user's code in a process of its own, within the limits of a subject's worker, and asking it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from poolbench.errors import CaptureError, UsageError
from poolbench.measure.client import Importer, WorkerClient, WorkerFailure
from poolbench.measure.headroom import gibibytes
from poolbench.measure.protocol import Message
from poolbench.measure.worker import OUT_OF_MEMORY_WORDS
from poolbench.model.method import Limits

OBSERVER = "poolbench.observe.observer"
"""The module that such a process runs, where nothing else is said: it captures and times models."""

DID_NOT_END, DID_NOT_START = "did not come to its end", "did not start"


class Apart:
    """A process of its own, asked one thing at a time; ``name`` is what sentences call what runs there."""

    def __init__(self, worker: WorkerClient, limits: Limits, name: str) -> None:
        self._worker = worker
        self._limits = limits
        self._name = name

    def ask(self, op: str, longer_s: float = 0.0, /, **content: Any) -> Message:
        """Return the reply, which may take as long as any request and ``longer_s`` seconds more.

        Raises UsageError for what the process says under ``usage``, and CaptureError where it ends, hangs or takes too
        much memory.
        """
        try:
            reply = self._worker.ask(op, deadline_s=self._limits.request_s + longer_s, **content)
        except WorkerFailure as failure:
            raise _ended(self._name, DID_NOT_END, failure) from failure
        if "usage" in reply:
            raise UsageError(reply["usage"])
        return reply


class Origin:
    """What processes are forked from. Each finds what was imported there."""

    def __init__(self, importer: Importer, limits: Limits, name: str, failed: str) -> None:
        self._importer = importer
        self._limits = limits
        self._name = name
        self._failed = failed

    @contextmanager
    def process(self, server: str) -> Iterator[Apart]:
        """Fork the process that is asked for by ``server``, and end it. Raises CaptureError where there is none."""
        try:
            worker = self._importer.fork(server)
        except WorkerFailure as failure:
            raise _ended(self._name, self._failed, failure) from failure
        with closing(worker):
            yield Apart(worker, self._limits, self._name)


@contextmanager
def origin(
    name: str,
    limits: Limits,
    *,
    module: str = OBSERVER,
    imports: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    threads: int = 1,
    failed: str = DID_NOT_END,
) -> Iterator[Origin]:
    """Start what processes are forked from: an interpreter that runs ``module`` and has imported ``imports``.

    What runs there prints nowhere. Raises CaptureError, that ``name`` ``failed``, where the interpreter does not start.
    """
    importer = Importer(backends=imports, environment=environment or {}, threads=threads, limits=limits, module=module)
    with closing(importer):
        try:
            importer.wait_ready()
        except WorkerFailure as failure:
            raise _ended(name, failed, failure) from failure
        yield Origin(importer, limits, name, failed)


def with_memory(problem: str, limits: Limits) -> str:
    """Return a sentence on what went wrong, with what the process may take where it was memory."""
    if any(words in problem for words in OUT_OF_MEMORY_WORDS):
        return f"{problem} It may take {gibibytes(limits.memory_bytes)}, a third of this machine's memory."
    return problem


def _ended(name: str, how: str, failure: WorkerFailure) -> CaptureError:
    return CaptureError(f"{name} {how}. {failure.note}")
