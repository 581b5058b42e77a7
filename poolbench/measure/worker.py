"""The worker: one subject in a process of its own, serving one request at a time until its channel closes."""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import Backend, Differentiated, Prepared, Recycling, Saving, Source
from poolbench.measure.clock import Calls, Surplus, calibrate, cpu_share, part_planes, run_slot
from poolbench.measure.cores import allowed_cores, current_core, stay_on
from poolbench.measure.inputs import map_array
from poolbench.measure.memory import give_back_at_once, held_bytes, requested_peak, switch_off_huge_pages, touched_peak
from poolbench.measure.protocol import Channel, ChannelClosedError, Message
from poolbench.model.ids import parse_id
from poolbench.model.memory import Amount, not_measured
from poolbench.model.method import Cache, LayoutPolicy
from poolbench.model.result import Status
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_COLD_BUFFERS = 2048
"""Enough to leave the caches with inputs of 100 KB; for smaller ones more would only cost time to prepare."""

PART_WARM_UPS = 2
"""Calls of a new part before it counts: its pages are faulted in by then, which is no work of the subject's."""

_OUT_OF_MEMORY_WORDS = ("bad_alloc", "not enough memory", "can't allocate memory", "ResourceExhausted", "OOM when")


class Refusal(Exception):
    """A request that ends in a status instead of a measurement."""

    def __init__(self, status: Status, note: str) -> None:
        super().__init__(note)
        self.status = status
        self.note = note


def serve(channel: Channel, backend: Backend) -> None:
    """Answer requests until the channel closes. Every failure of the backend becomes a reply with a status."""
    worker = Worker(backend)
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
        self._prepared: list[Prepared] = []
        self._calls = Calls([_nothing])
        self._ballast: list[bytearray] = []
        self._prepare_ns = 0
        self._part: Prepared | None = None
        self._surpluses: dict[tuple[str, float], Surplus] = {}
        self._threads = 1
        self._small_pages = False
        self._cores: frozenset[int] = frozenset()

    def handle(self, request: Message) -> Message:
        """Carry out one request and return the reply's content."""
        handlers: dict[str, Callable[[Message], Message]] = {
            "open": self._open,
            "calibrate": lambda message: {"loops": calibrate(self._calls, message["slot_ns"])},
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
        return self._prepared[0].run

    def close(self) -> None:
        """Let go of the open workload."""
        self._calls = Calls([_nothing])
        while self._prepared:
            self._prepared.pop().close()
        self._close_part()

    def _close_part(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.close()

    def _open(self, message: Message) -> Message:
        workload = parse_id(message["workload"])
        self._require_support(workload)
        self._displace(message["pad_bytes"])
        self._threads = message["threads"]
        fillings = message["fillings"]
        if not message["checks"]:
            return self._replace(workload, fillings["random"], message)
        self.close()
        verification: dict[str, float | None] = {}
        for name in message["checks"]:
            self._prepared = [self._prepare(workload, fillings[name], message, pad=message["pad_bytes"])]
            verification |= self._check(workload, name, fillings[name])
            if name != "random":
                self.close()
        first = self._prepared[0]
        self._make_calls(workload, fillings["random"], message)
        facts = {
            key: str(getattr(first, key))
            for key in ("variant", "touched_bytes", "written_bytes")
            if hasattr(first, key)
        }
        return {
            "verification": verification,
            "layout": first.layout,
            "facts": facts,
            "kernels": dict(getattr(first, "kernels", {})),
            "prepare_ns": self._prepare_ns,
        }

    def _replace(self, workload: Workload, filling: Message, message: Message) -> Message:
        """Prepare the workload anew, elsewhere in memory: what was open is let go only when the new is there."""
        before, self._prepared = self._prepared, []
        self._prepared = [self._prepare(workload, filling, message, pad=message["pad_bytes"])]
        self._make_calls(workload, filling, message)
        for prepared in before:
            prepared.close()
        return {}

    def _make_calls(self, workload: Workload, filling: Message, message: Message) -> None:
        for index in range(1, self._copies(workload, message)):
            pad = random.Random(f"{message['pad_bytes']}/{index}").randrange(64) * 64
            self._prepared.append(self._prepare(workload, filling, message, pad=pad))
        self._calls = Calls([prepared.run for prepared in self._prepared], self._surplus(workload, filling, message))

    def _surplus(self, workload: Workload, filling: Message, message: Message) -> Surplus | None:
        """Return the further work of a subject that is slowed on purpose; None for all others."""
        factor = float(message.get("slow", 1.0))
        self._close_part()
        if factor == 1:
            return None
        planes = part_planes(workload.batch, workload.channels, factor - 1)
        if planes is not None:
            batch, channels = planes
            part = replace(workload, batch=batch, channels=channels)
            arrays = {name: array[:batch, :channels] for name, array in _arrays(filling).items()}
            self._part = self._prepare_arrays(part, arrays, message, pad=message["pad_bytes"])
            for _ in range(PART_WARM_UPS):
                self._part.run()
        key = (workload.id, factor)
        if key not in self._surpluses:
            self._surpluses[key] = self._new_surplus(factor, message)
        surplus = self._surpluses[key]
        surplus.part = None if self._part is None else self._part.run
        return surplus

    def _new_surplus(self, factor: float, message: Message) -> Surplus:
        """Return an account that begins anywhere between two payments, so that over many launches it is exact."""
        share = 1.0 if self._part is None else cpu_share(self._part.run, self._prepared[0].run)
        phase = random.Random(f"{message['pad_bytes']}/surplus").random()
        return Surplus(factor, None, share=share, owed=phase * share)

    def _slot(self, message: Message) -> Message:
        return run_slot(self._calls, message["loops"], message["warm"], threads=self._threads)

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
        self._calls.repeat(1)  # the second call of all: the check was the first
        self._stop_recycling()
        return asdict(touched_peak(self._prepared[0].run, small_pages=self._small_pages))

    def _requested(self, _: Message) -> Message:
        self._stop_recycling()
        return asdict(requested_peak(self._prepared[0].run))

    def _saved(self, message: Message) -> Message:
        prepared = self._prepared[0]
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

    def _prepare(self, workload: Workload, filling: Message, message: Message, *, pad: int) -> Prepared:
        begin = time.perf_counter_ns()
        prepared = self._prepare_arrays(workload, _arrays(filling), message, pad=pad)
        self._prepare_ns = time.perf_counter_ns() - begin
        return prepared

    def _prepare_arrays(
        self, workload: Workload, arrays: Mapping[str, NDArray[Any]], message: Message, *, pad: int
    ) -> Prepared:
        from poolbench.verify.fill import arrange, place

        array = arrange(arrays["input"], workload, pad_bytes=pad)
        gradient = None
        if workload.pass_.is_training:
            # Half a page from where the input begins within its page: equal distances would look like dependences.
            beside = (pad + 2048) % 4096
            gradient = place(arrays["gradient"], workload.order, workload.gradient_view, pad_bytes=beside)
        source = Source(
            array=array, gradient=gradient, layout=LayoutPolicy(message["layout"]), threads=message["threads"]
        )
        return self._backend.prepare(workload, source)

    def _displace(self, seed: int) -> None:
        """Hold some memory of random sizes, so that the allocator puts buffers elsewhere than in other launches."""
        sizes = random.Random(f"ballast/{seed}")
        self._ballast = [bytearray(sizes.randrange(1, 1 << exponent)) for exponent in range(6, 20) for _ in range(3)]

    def _check(self, workload: Workload, name: str, filling: Message) -> dict[str, float | None]:
        """Compare with the reference; raise a MISMATCH where the result is out of bounds."""
        from poolbench.verify.filling import check_input_gradient, check_output

        prepared = self._prepared[0]
        own_check = getattr(prepared, "verify", None)
        if own_check is not None:  # the streaming limit: it pools nothing, and proves its work by a checksum
            complaint = own_check()
            if complaint:
                self.close()
                raise Refusal(Status.MISMATCH, complaint)
            return {}
        mapped = {part: map_array(array) for part, array in filling.items()}
        exact = name == "exact"
        results = {name: check_output(prepared.output(), mapped, workload, exact=exact)}
        if workload.pass_.is_training:
            if not isinstance(prepared, Differentiated):
                self.close()
                raise Refusal(
                    Status.FAILED, "The backend takes the training pass, but what it prepared has no gradient()."
                )
            results[f"{name}_gradient"] = check_input_gradient(prepared.gradient(), mapped, workload, exact=exact)
        for result in results.values():
            if not result.ok:
                self.close()
                raise Refusal(Status.MISMATCH, f"On the {name} filling: {result.detail}")
        found: dict[str, float | None] = {}
        for part, result in results.items():
            found |= {f"{part}_ulp": result.ulp, f"{part}_bound_ulp": result.bound}
        return found

    def _copies(self, workload: Workload, message: Message) -> int:
        """Return on how many buffers the calls take turns: one when hot, enough to leave the caches when cold."""
        if Cache(message["cache"]) is Cache.HOT:
            return 1
        per_call = workload.read_bytes + workload.written_bytes
        needed = -(-int(message["cold_bytes"]) // per_call)
        return max(2, min(needed, MAX_COLD_BUFFERS))


def _arrays(filling: Message) -> dict[str, NDArray[Any]]:
    """Map what a call is given: the input, and for training the gradient of the output."""
    return {name: map_array(filling[name]) for name in ("input", "gradient") if name in filling}


def _nothing() -> None:
    raise RuntimeError("no workload is open")


def _status_of(error: BaseException) -> Status:
    text = f"{type(error).__name__}: {error}"
    return Status.OUT_OF_MEMORY if any(word in text for word in _OUT_OF_MEMORY_WORDS) else Status.FAILED


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'} (worker {os.getpid()})"
