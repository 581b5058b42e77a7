"""What the worker of a memory launch answers, in this process and on planted calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from poolbench.backends.fake import Fake
from poolbench.measure import worker as module
from poolbench.measure.clock import Calls
from poolbench.measure.worker import Worker


class Recycling(Fake):
    """Notes when it is told to stop."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def stop_recycling(self) -> None:
        self.events.append("stop")


@dataclass
class Prepared:
    run: Callable[[], object]
    layout: str = "nchw"

    def close(self) -> None:
        pass


@dataclass
class Training(Prepared):
    forward: Callable[[], object] = lambda: None


def opened(prepared: Prepared) -> tuple[Worker, Recycling]:
    backend = Recycling()
    worker = Worker(backend)
    worker._preparation._prepared = [prepared]  # type: ignore[list-item]  # as "open" leaves it
    worker._preparation.calls = Calls([prepared.run])
    return worker, backend


@pytest.fixture(autouse=True)
def spared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare this process what cannot be undone."""
    monkeypatch.setattr(module, "switch_off_huge_pages", lambda: True)
    monkeypatch.setattr(module, "give_back_at_once", lambda: None)
    monkeypatch.setattr(module.gc, "freeze", lambda: None)


def test_what_is_kept_is_given_back_before_each_measured_call() -> None:
    events: list[str] = []
    worker, backend = opened(Prepared(run=lambda: events.append("call")))
    backend.events = events
    worker.handle({"op": "settle"})
    worker.handle({"op": "touched"})
    worker.handle({"op": "requested"})
    assert events == ["stop", "call", "stop", "call", "stop", "call"]


def test_saved_is_what_the_forward_pass_holds_beside_the_output() -> None:
    output, kept = 400_000, 100_000

    made_once: list[Any] = []

    def forward() -> Any:
        if not made_once:
            made_once.append(np.empty(1_000_000, np.uint8))
        return np.empty(output, np.uint8), np.empty(kept, np.uint8)

    worker, _ = opened(Training(run=lambda: None, forward=forward))
    reply = worker.handle({"op": "saved", "output_bytes": output})
    assert 0 <= reply["bytes"] - kept < 128
    assert reply["note"] == ""


def test_an_output_that_is_reused_is_not_taken_off_what_is_saved() -> None:
    output, kept = np.empty(400_000, np.uint8), 100_000
    worker, _ = opened(Training(run=lambda: None, forward=lambda: (output, np.empty(kept, np.uint8))))
    reply = worker.handle({"op": "saved", "output_bytes": output.nbytes})
    assert 0 <= reply["bytes"] - kept < 128


def test_a_backend_without_a_forward_pass_by_itself_says_so() -> None:
    worker, _ = opened(Prepared(run=lambda: None))
    reply = worker.handle({"op": "saved", "output_bytes": 1})
    assert reply["bytes"] is None
    assert reply["note"].startswith("not measured: the backend 'fake' has no forward pass by itself")
