"""What a worker has open: one workload, prepared by its backend, checked against the reference, and called in slots."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import Backend, Differentiated, Prepared, Source
from poolbench.measure.clock import Calls, Surplus, cpu_share, part_planes
from poolbench.measure.inputs import map_array
from poolbench.measure.protocol import Message
from poolbench.model.method import Cache, LayoutPolicy
from poolbench.model.result import Status
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_COLD_BUFFERS = 2048
"""Enough to leave the caches with inputs of 100 KB; for smaller ones more would only cost time to prepare."""

PART_WARM_UPS = 2
"""Calls of a new part before it counts: its pages are faulted in by then, which is no work of the subject's."""


def beside(pad: int) -> int:
    """Return by how much the gradient of an input that is displaced by ``pad`` is displaced in its page.

    Half a page from where the input begins within its page: equal distances would look like dependences.
    """
    return (pad + 2048) % 4096


class Refusal(Exception):
    """A request that ends in a status instead of a measurement."""

    def __init__(self, status: Status, note: str) -> None:
        super().__init__(note)
        self.status = status
        self.note = note


class Preparation:
    """At most one workload of a backend, ready to be called. ``calls`` is what a slot repeats."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._prepared: list[Prepared] = []
        self._ballast: list[bytearray] = []
        self._prepare_ns = 0
        self._part: Prepared | None = None
        self._surpluses: dict[tuple[str, float], Surplus] = {}
        self.calls = Calls([_nothing])

    @property
    def first(self) -> Prepared:
        """What was prepared on the input itself; the others are copies, which cold calls take turns on."""
        return self._prepared[0]

    def open(self, workload: Workload, message: Message) -> Message:
        """Prepare ``workload`` as ``message`` says; return the reply. Raises Refusal where the answer is wrong.

        Without ``checks``, what is open already is prepared anew elsewhere in memory.
        """
        self._displace(message["pad_bytes"])
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

    def close(self) -> None:
        """Let go of the open workload."""
        self.calls = Calls([_nothing])
        while self._prepared:
            self._prepared.pop().close()
        self._close_part()

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
        self.calls = Calls([prepared.run for prepared in self._prepared], self._surplus(workload, filling, message))

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

    def _close_part(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.close()

    def _prepare(self, workload: Workload, filling: Message, message: Message, *, pad: int) -> Prepared:
        begin = time.perf_counter_ns()
        if "shared" in message:
            prepared = self._prepare_shared(workload, message)
        else:
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
            gradient = place(arrays["gradient"], workload.order, workload.gradient_view, pad_bytes=beside(pad))
        source = Source(
            array=array, gradient=gradient, layout=LayoutPolicy(message["layout"]), threads=message["threads"]
        )
        return self._backend.prepare(workload, source)

    def _prepare_shared(self, workload: Workload, message: Message) -> Prepared:
        """Prepare on arrays that the session has put where others read them, too, in the order that is wanted."""
        shared = message["shared"]
        source = Source(
            array=map_array(shared["input"], own=True),
            gradient=map_array(shared["gradient"], own=True) if "gradient" in shared else None,
            layout=LayoutPolicy(message["layout"]),
            threads=message["threads"],
        )
        return self._backend.prepare(replace(workload, order=shared["order"]), source)

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
