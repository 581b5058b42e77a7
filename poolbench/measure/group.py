"""One group: the subjects of one workload in one launch, checked, calibrated and interleaved in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from poolbench.measure.client import WorkerFailure
from poolbench.measure.evidence import Evidence
from poolbench.measure.launcher import Worker
from poolbench.measure.opening import BOTH_FILLINGS, Opening, kin
from poolbench.measure.schedule import block_order, turns
from poolbench.model.method import Cache, LayoutPolicy, Method
from poolbench.model.result import Status
from poolbench.model.sample import Sample
from poolbench.model.subject import LIMIT
from poolbench.model.workload import Workload

EXCLUSIVE_BYTES = 256 << 20
"""From this size of input on, only the worker whose slot it is holds the workload's buffers."""


FRESH_SHARE = 0.4
"""How much of a slot is run before it is timed on new buffers: until the allocator has settled on its pages."""

CHEAP_NS = 30_000_000
"""Preparing that takes no longer is repeated where buffers are to move."""

SELF_WARMING_SLOTS = 3
"""From this many slots of a single call on, no call is made to warm up, but for the first one after an opening."""


@dataclass(slots=True, kw_only=True)
class GroupResult:
    """How one subject fared. ``worker_lost`` means that its process is gone."""

    status: Status = Status.OK
    note: str = ""
    worker_lost: bool = False
    layout: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    kernels: dict[str, str] = field(default_factory=dict)
    verification: dict[str, float | None] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Group:
    """Collects the subjects by ``enter``, then ``run`` measures them.

    ``loops`` and ``checked`` (by workload and subject) and ``self_warming`` (by workload and backend) belong to the
    session: calibration holds for a run, as does which calls are so long that they need no warming up, and the exact
    check for an importer. Copies, releases and revisions of one backend, here its kin, are always treated alike, since
    what each would get by its own measurements differs by chance and stays.
    ``orders`` (by workload and subject, the session's too) are those in which subjects read a shared input, an empty
    text where one cannot. ``circles`` are those of ``schedule.turns``.
    """

    workload: Workload
    opening: Opening
    blocks: int
    loops: dict[tuple[str, str], int]
    checked: set[tuple[str, str]]
    self_warming: set[tuple[str, str]]
    orders: dict[tuple[str, str], str] = field(default_factory=dict)
    circles: Sequence[Sequence[str]] = ()
    _opened: dict[str, str] = field(default_factory=dict, init=False)
    _workers: dict[str, Worker] = field(default_factory=dict, init=False)
    _threads: dict[str, int] = field(default_factory=dict, init=False)
    _slow: dict[str, float] = field(default_factory=dict, init=False)
    _layouts: dict[str, LayoutPolicy | None] = field(default_factory=dict, init=False)
    _results: dict[str, GroupResult] = field(default_factory=dict, init=False)
    _prepare_ns: dict[str, int] = field(default_factory=dict, init=False)
    _is_fresh: set[str] = field(default_factory=set, init=False)
    _is_unused: set[str] = field(default_factory=set, init=False)  # not even a check has called them
    evidence: Evidence = field(default_factory=Evidence)

    def enter(
        self, name: str, worker: Worker, *, threads: int, slow: float = 1.0, layout: LayoutPolicy | None = None
    ) -> None:
        """Let a subject open the workload: support, preparation and the check against the reference.

        Raises WorkerFailure where it may not take part.
        """
        self._workers[name] = worker
        self._threads[name] = threads
        self._slow[name], self._layouts[name] = slow, layout
        self.opening.require_support(worker, self.workload)
        key = (self.workload.id, name)
        reply = self._open(name, ("random",)) if key in self.checked else self._open_first(name)
        self.checked.add(key)
        self._prepare_ns[name] = reply["prepare_ns"]
        self._is_fresh.add(name)
        self._results[name] = GroupResult(
            layout=reply["layout"],
            facts=reply["facts"],
            kernels=reply["kernels"],
            verification=reply["verification"],
        )
        if key not in self.loops:
            self.loops[key] = self._loops_of_kin(name) or self._calibrate(worker)
        if self._exclusive:
            worker.ask("close", deadline_s=self._deadline)

    def _open_first(self, name: str) -> dict[str, Any]:
        """Check a subject on both fillings as they lie in the workload, and find out whether it may share its input.

        It may where it computes in some order of axes, and on an input in that order does the very same: then nobody
        needs a copy of their own, and where a copy lies is no difference of subjects.
        """
        key = (self.workload.id, name)
        reply = self._open(name, BOTH_FILLINGS)
        order = str(reply["layout"])
        if not self._can_share or self.orders.get(key) == "" or sorted(order) != sorted(self.workload.order):
            return reply
        again = self._open_alike(name, order, reply)
        self.orders[key] = order if again else ""
        return {**reply, "prepare_ns": (again or self._open(name, ("random",), order=""))["prepare_ns"]}

    def _open_alike(self, name: str, order: str, reply: dict[str, Any]) -> dict[str, Any] | None:
        """Open an input in ``order``; None where a subject is wrong there, or does not what it did by ``reply``."""
        try:
            again = self._open(name, ("random",), order=order)
        except WorkerFailure as failure:
            if not failure.alive:
                raise
            return None
        return again if all(again[part] == reply[part] for part in ("layout", "facts", "kernels")) else None

    @property
    def _can_share(self) -> bool:
        """Whether all who are compared may read one input."""
        views = (self.workload.view, self.workload.gradient_view)
        return (
            self._method.shared
            and self._method.cache is Cache.HOT
            and not self._exclusive
            and all(view.is_contiguous for view in views)
        )

    def _order(self, name: str) -> str:
        """Return the order in which a subject is given what it shares; an empty text where someone cannot share."""
        orders = [self.orders.get((self.workload.id, other), "") for other in self._workers]
        return self.orders.get((self.workload.id, name), "") if all(orders) else ""

    def _loops_of_kin(self, name: str) -> int | None:
        """Return in how many calls the subject's kin fill a slot; None for the first of them.

        The first calls of a slot are slower than the rest, by what the caches lack. Were each calibrated by itself,
        one would have that in six calls and the other in eleven, throughout the run: a difference of several percent.
        """
        mine, backend = self.workload.id, kin(name)
        return next(
            (n for (workload, other), n in self.loops.items() if workload == mine and kin(other) == backend), None
        )

    def _calibrate(self, worker: Worker) -> int:
        loops: int = worker.ask("calibrate", deadline_s=self._deadline, slot_ns=self._method.slot_ns)["loops"]
        return loops

    def fail(self, name: str, failure: WorkerFailure) -> None:
        """Record that a subject fell out; what it measured so far in this group does not count."""
        self._results[name] = GroupResult(status=failure.status, note=failure.note, worker_lost=not failure.alive)

    def give_up(self, name: str, status: Status, note: str) -> None:
        """Record a subject that is not tried."""
        self._results[name] = GroupResult(status=status, note=note)

    def run(self) -> dict[str, GroupResult]:
        """Measure the blocks and return every subject's result by name."""
        if any(result.status is Status.OK for name, result in self._results.items() if name != LIMIT):
            most = self.blocks * self._method.tries
            first = clean = 0
            self._settle_sharing()
            while first < most and clean < self.blocks:
                stretch = range(first, min(first + self._method.stay, most))
                clean += self._run_stretch(stretch)
                first = stretch.stop
        for name in self._running():
            if not self._results[name].samples:
                self.give_up(name, Status.FAILED, "No subject was left to be measured against the limit.")
            elif not self._exclusive:
                self._attempt(name, "close")
        return self._results

    @property
    def _method(self) -> Method:
        return self.opening.method

    @property
    def _deadline(self) -> float:
        return self._method.limits.request_s

    @property
    def _draw(self) -> dict[str, int]:
        """What the order of slots is drawn from, beside the block."""
        return {"seed": self._method.seed, "launch": self.opening.launch}

    @property
    def _exclusive(self) -> bool:
        # A backward pass reads its gradient alone, and holds the input all the same.
        return max(self.workload.input_bytes, self.workload.read_bytes) >= EXCLUSIVE_BYTES

    def _settle_sharing(self) -> None:
        """Let each subject read what it is to be timed on: whether all may share is known when all have entered."""
        for name in self._running():
            if self._can_share and self._opened[name] != self._order(name):
                self._reopen(name)

    def _running(self) -> list[str]:
        return [name for name, result in self._results.items() if result.status is Status.OK]

    def _run_stretch(self, blocks: range) -> int:
        """Measure blocks on one placement of the buffers; return how many had no contaminated slot.

        A tainted block is kept, and another one measured. Circles take turns only here, since whoever is measured in
        between takes the caches: a pair of a calibration has them for itself as long as the two of a gate do.
        """
        self.evidence.begin(blocks.start)
        tainted: set[int] = set()
        position = 0
        for circle in turns(self._running(), block=blocks.start, circles=self.circles, **self._draw):
            if self._method.one_core:
                self._gather(circle)
            if blocks.start and not self._exclusive and self._method.cache is Cache.HOT:
                self._move_buffers(circle, blocks.start)
            for block in blocks:
                if not self._run_block(circle, block, position):
                    tainted.add(block)
                self._note_long_calls(block)
            position += 2 * len(circle)
        self.evidence.end()
        return len(blocks) - len(tainted)

    def _gather(self, circle: Sequence[str]) -> None:
        """Hold the circle on one core: what disturbs a core at other times than the next is no difference of subjects.

        The system chooses it, since it knows which one is idle, or the quicker kind of two.
        """
        core: int | None = None
        for name in circle:
            # Let go, it may be elsewhere when it is woken the next time.
            if core is None and self._attempt(name, "core", core=None) is not None:
                reply = self._attempt(name, "core", core=None)
                core = None if reply is None else reply["core"]
            if core is not None:
                self._attempt(name, "core", core=core)
            self._is_fresh.add(name)

    def _run_block(self, circle: Sequence[str], block: int, position: int) -> bool:
        """Measure one block, whose slots are numbered from ``position``; return whether none was contaminated."""
        is_clean = True
        order = block_order(
            [name for name in circle if name in self._running()],
            block=block,
            mirror=self._method.stay if self._method.mirrored else 1,
            **self._draw,
        )
        for place, name in enumerate(order, position):
            if self._results[name].status is not Status.OK:
                continue  # it fell out earlier in this block
            fields = self._run_slot(name)
            if fields is not None:
                del fields["ok"]
                sample = Sample(block=block, position=place, **fields)
                self._results[name].samples.append(sample)
                is_clean = is_clean and not self._method.rejection.rejects(sample)
        return is_clean

    def _run_slot(self, name: str) -> dict[str, Any] | None:
        """Let a subject measure one slot; None where it fails, which becomes its result."""
        if self._exclusive and not self._reopen(name):
            return None
        loops = self.loops[self.workload.id, name]
        fields = self._attempt(name, "slot", loops=loops, warm=self._warm(name, loops))
        if self._exclusive and fields is not None and self._attempt(name, "close") is None:
            return None
        return fields

    def _note_long_calls(self, block: int) -> None:
        """Note whose calls are so long that they warm up by themselves: by the quickest of the block, of all kin."""
        quickest: dict[str, float] = {}
        for name, result in self._results.items():
            for sample in result.samples:
                if sample.block == block:
                    backend = kin(name)
                    quickest[backend] = min(quickest.get(backend, sample.call_ns), sample.call_ns)
        self.self_warming |= {
            (self.workload.id, backend)
            for backend, call_ns in quickest.items()
            if call_ns > SELF_WARMING_SLOTS * self._method.slot_ns
        }

    def _move_buffers(self, circle: Sequence[str], block: int) -> None:
        """Let each subject prepare anew, so that no single placement of its buffers stands for all of the launch.

        Not where preparing is dear, as where it compiles.
        """
        cheap = {kin(name) for name in self._running() if self._prepare_ns.get(name, 0) <= CHEAP_NS}
        for name in circle:
            if kin(name) in cheap:
                self._reopen(name, block)

    def _warm(self, name: str, loops: int) -> int:
        """Return how many calls go before the timed ones: what the neighbour cooled is warm again when they begin.

        A call that takes several slots by itself warms up within a small part of its own time; a call before it would
        only take time from further launches. Not so the first call of all on new buffers: it alone pays for the memory
        that a subject keeps for its next outputs, which can take longer than pooling, and no later call does.
        """
        is_unused, is_fresh = name in self._is_unused, name in self._is_fresh
        self._is_unused.discard(name)
        if self._method.cache is Cache.COLD or (self.workload.id, kin(name)) in self.self_warming:
            return 1 if is_unused else 0
        self._is_fresh.discard(name)
        share = self._method.warm
        return max(1, round(loops * (max(FRESH_SHARE, share) if is_fresh else share)))

    def _reopen(self, name: str, block: int = 0) -> bool:
        """Let a subject prepare anew, unchecked; whether it could, and if not, that becomes its result."""
        try:
            self._open(name, (), block)
        except WorkerFailure as failure:
            self.fail(name, failure)
            return False
        self._is_fresh.add(name)
        self._is_unused.add(name)
        return True

    def _attempt(self, name: str, op: str, **content: Any) -> dict[str, Any] | None:
        """Ask, and turn a failure into the subject's result."""
        try:
            reply = self._workers[name].ask(op, deadline_s=self._deadline, **content)
        except WorkerFailure as failure:
            self.fail(name, failure)
            return None
        return reply

    def _open(self, name: str, checks: Sequence[str], block: int = 0, *, order: str | None = None) -> dict[str, Any]:
        if order is None:
            order = "" if "exact" in checks else self._order(name)
        self._opened[name] = order
        return self.opening.open(
            self._workers[name],
            self.workload,
            name,
            checks=checks,
            threads=self._threads[name],
            block=block,
            slow=self._slow[name],
            layout=self._layouts[name],
            order=order,
        )
