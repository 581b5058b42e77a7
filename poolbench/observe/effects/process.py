"""Asking the process of ``poolbench.observe.effects.server``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from poolbench.errors import CaptureError, UsageError
from poolbench.measure.client import Importer, WorkerClient, WorkerFailure
from poolbench.model.method import Limits

SERVER = "poolbench.observe.effects.server"


class Apart:
    """A process of its own, asked one thing at a time."""

    def __init__(self, worker: WorkerClient, limits: Limits, name: str) -> None:
        self._worker = worker
        self._limits = limits
        self._name = name

    def ask(self, **content: Any) -> Mapping[str, Any]:
        """Return the reply. Raises UsageError for what it is told by, CaptureError where the process ends."""
        try:
            reply = self._worker.ask("effects", deadline_s=self._limits.request_s, **content)
        except WorkerFailure as failure:
            raise CaptureError(f"{self._name} did not come to its end. {failure.note}") from failure
        if "usage" in reply:
            raise UsageError(reply["usage"])
        return reply


@contextmanager
def apart(server: str, name: str, limits: Limits, *, threads: int = 1) -> Iterator[Apart]:
    """Start the process that is asked for by ``server``; ``name`` is what sentences call what runs there."""
    from poolbench.backends.torch_common import environment

    with closing(
        Importer(backends=(), environment=environment(threads), threads=threads, limits=limits, module=SERVER)
    ) as importer:
        try:
            importer.wait_ready()
            worker = importer.fork(server)
        except WorkerFailure as failure:
            raise CaptureError(f"{name} did not start. {failure.note}") from failure
        with closing(worker):
            yield Apart(worker, limits, name)
