"""The worker: one subject in a process of its own, serving one request at a time until its channel closes."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Protocol

from poolbench.backends.base import Backend, Recycling, Saving
from poolbench.measure.clock import calibrate, run_slot
from poolbench.measure.cores import allowed_cores, current_core, stay_on
from poolbench.measure.memory import give_back_at_once, held_bytes, requested_peak, switch_off_huge_pages, touched_peak
from poolbench.measure.preparation import Preparation, Refusal
from poolbench.measure.protocol import Channel, ChannelClosedError, Message
from poolbench.model.ids import parse_id
from poolbench.model.memory import Amount, not_measured
from poolbench.model.result import Status
from poolbench.model.workload import Workload

OUT_OF_MEMORY_WORDS = ("bad_alloc", "not enough memory", "can't allocate memory", "ResourceExhausted", "OOM when")
"""What frameworks say where an allocation is refused."""


class Server(Protocol):
    """What answers the requests that reach a worker process."""

    def handle(self, request: Message) -> Message:
        """Carry out one request and return the reply's content."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


def serve(channel: Channel, worker: Server) -> None:
    """Answer requests until the channel closes. Every failure of the worker becomes a reply with a status."""
    while True:
        try:
            request = channel.receive()
        except ChannelClosedError:
            return
        try:
            reply = {"ok": True, **worker.handle(request)}
        except Refusal as refusal:
            reply = {"ok": False, "status": refusal.status.value, "note": refusal.note}
        except MemoryError:
            worker.close()
            reply = {"ok": False, "status": Status.OUT_OF_MEMORY.value, "note": "An allocation was refused."}
        except Exception as error:
            # A framework may raise anything at all; whatever it is becomes the row's status and note.
            worker.close()
            reply = {"ok": False, "status": _status_of(error).value, "note": _first_line(error)}
        try:
            channel.send(reply)
        except ChannelClosedError:
            return


class Worker:
    """One backend with at most one workload open."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._preparation = Preparation(backend)
        self._threads = 1
        self._small_pages = False
        self._cores: frozenset[int] = frozenset()

    def handle(self, request: Message) -> Message:
        """Carry out one request and return the reply's content."""
        handlers: dict[str, Callable[[Message], Message]] = {
            "open": self._open,
            "calibrate": lambda message: {"loops": calibrate(self._preparation.calls, message["slot_ns"])},
            "slot": self._slot,
            "close": self._close,
            "core": self._core,
            "settle": self._settle,
            "touched": self._touched,
            "requested": self._requested,
            "saved": self._saved,
            "contract": self._contract,
            "supports": self._supports,
        }
        return handlers[request["op"]](request)

    def timed_call(self) -> Callable[[], object]:
        """Return what a slot calls again and again, for who times it in this process. A workload must be open."""
        return self._preparation.first.run

    def close(self) -> None:
        """Let go of the open workload."""
        self._preparation.close()

    def _open(self, message: Message) -> Message:
        workload = parse_id(message["workload"])
        self._require_support(workload)
        if "shared" in message:
            self._require_support(replace(workload, order=message["shared"]["order"]))
        self._threads = message["threads"]
        return self._preparation.open(workload, message)

    def _slot(self, message: Message) -> Message:
        return run_slot(self._preparation.calls, message["loops"], message["warm"], threads=self._threads)

    def _close(self, _: Message) -> Message:
        self.close()
        return {}

    def _core(self, message: Message) -> Message:
        """Stay on a core, or where none is said on those that were allowed at first; say which one this runs on."""
        self._cores = self._cores or allowed_cores()
        stay_on(self._cores if message["core"] is None else {message["core"]})
        return {"core": current_core()}

    def _settle(self, _: Message) -> Message:
        """Make this the worker of a memory launch: small pages, and no memory of one call kept for the next."""
        self._small_pages = switch_off_huge_pages()
        give_back_at_once()
        gc.freeze()  # what the import left is not garbage, and looking through it again and again takes long
        self._stop_recycling()
        return {}

    def _touched(self, _: Message) -> Message:
        self._preparation.calls.repeat(1)  # the second call of all: the check was the first
        self._stop_recycling()
        return asdict(touched_peak(self._preparation.first.run, small_pages=self._small_pages))

    def _requested(self, _: Message) -> Message:
        self._stop_recycling()
        return asdict(requested_peak(self._preparation.first.run))

    def _saved(self, message: Message) -> Message:
        prepared = self._preparation.first
        if not isinstance(prepared, Saving):
            return asdict(not_measured(f"the backend '{self._backend.name}' has no forward pass by itself."))
        prepared.forward()  # by itself it may be another function than in a whole step, and not warm yet
        self._stop_recycling()
        held = held_bytes(prepared.forward)
        if held.bytes is None:
            return asdict(held)
        # What was made once and is written to again and again, as the output of strided:out, no call holds.
        first, second = prepared.forward(), prepared.forward()
        reuses = isinstance(first, tuple) and isinstance(second, tuple) and first[0] is second[0]
        return asdict(Amount(bytes=max(held.bytes - (0 if reuses else message["output_bytes"]), 0)))

    def _stop_recycling(self) -> None:
        if isinstance(self._backend, Recycling):
            self._backend.stop_recycling()

    def _contract(self, message: Message) -> Message:
        from poolbench.verify.contract import probe

        answers = probe(self._backend, training=message["training"]).answers
        return {"answers": {clause.value: answer for clause, answer in answers.items()}}

    def _supports(self, message: Message) -> Message:
        self._require_support(parse_id(message["workload"]))
        return {}

    def _require_support(self, workload: Workload) -> None:
        support = self._backend.supports(workload)
        if not support.ok:
            raise Refusal(Status.UNSUPPORTED, support.reason)


def _status_of(error: BaseException) -> Status:
    text = f"{type(error).__name__}: {error}"
    return Status.OUT_OF_MEMORY if any(word in text for word in OUT_OF_MEMORY_WORDS) else Status.FAILED


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'} (worker {os.getpid()})"
