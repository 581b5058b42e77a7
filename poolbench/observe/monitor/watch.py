"""The middle of a monitor: counts steps, draws those that are sampled, and hands on what was seen in them."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poolbench.model.pooling import Ints
from poolbench.model.sample import RejectionRule
from poolbench.model.workload import Pass
from poolbench.observe.monitor.book import Book, Known, shortened
from poolbench.observe.monitor.core_time import CoreTime
from poolbench.observe.monitor.detection import Detection
from poolbench.observe.monitor.limits import Limits
from poolbench.observe.monitor.sampling import Sampler
from poolbench.observe.monitor.surroundings import Around
from poolbench.observe.monitor.types import Event, Exporter, LayerCall, Status
from poolbench.observe.sighting import Seen

LOG = logging.getLogger("poolbench.monitor")

_NEVER = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A timed call. ``seen`` says what it was; for what its user named, the other fields do."""

    elapsed_ns: int
    cpu_ns: int | None
    waited_ns: int | None
    seen: Seen | None = None
    pass_: Pass = Pass.FORWARD
    layer: str = ""
    function: str = ""
    moved_bytes: int | None = None
    shape: Ints = ()
    order: str = ""
    dtype: str = ""


class OpenStep:
    """A sampled step that runs: when it began, by all clocks."""

    __slots__ = ("_core", "began_ns", "core_began", "cpu_ns", "elapsed_ns", "number", "own_began_ns", "waited_ns")

    def __init__(self, number: int, core: CoreTime, own_began_ns: int) -> None:
        self.number = number
        self.own_began_ns = own_began_ns
        self._core = core
        self.core_began = core.read()
        self.began_ns = time.perf_counter_ns()
        self.elapsed_ns = self.cpu_ns = 0
        self.waited_ns: int | None = None

    def end(self) -> None:
        """The step is over."""
        self.elapsed_ns = time.perf_counter_ns() - self.began_ns
        cpu, waited = self._core.read()
        self.cpu_ns = cpu - self.core_began[0]
        before = self.core_began[1]
        self.waited_ns = None if waited is None or before is None else waited - before


WHOLE = "step"
"""The function that a step as a whole is told under."""


class Watch:
    """Counts the steps of one model, from any thread.

    Nothing here raises once it has begun: what goes wrong is logged once, and switches the watch off. ``on_end`` is
    called then, to take the hooks away.
    """

    def __init__(
        self,
        model: str,
        sampler: Sampler,
        limits: Limits,
        exporters: Sequence[Exporter],
        *,
        detection: Detection | None,
        rejection: RejectionRule | None = None,
    ) -> None:
        self.model = shortened(model)
        self._sampler = sampler
        self._exporters = tuple(exporters)
        self._detection = detection
        self._book = Book(self.model, limits, rejection)
        self._around = Around()
        self._lock = threading.RLock()  # a callback may stop the monitor that calls it
        self._count = itertools.count()
        self._steps = 0
        self._next = sampler.distance() - 1
        self._sampled = 0
        self._own_ns = 0
        self._problem = ""
        self._is_on = False
        self._remarks: set[str] = set()
        self.on_end: Callable[[], None] = lambda: None
        self.limit_threads = 1

    @property
    def is_on(self) -> bool:
        """Whether steps are still counted."""
        return self._is_on

    @property
    def status(self) -> Status:
        """How it is doing."""
        return Status(
            model=self.model,
            is_on=self._is_on,
            steps=self._steps,
            sampled=self._sampled,
            own_s=self._own_ns / 1e9,
            layers=self._book.layers,
            left_out=self._book.left_out,
            problem=self._problem,
        )

    def start(self) -> None:
        """Begin to count. An exporter that cannot begin switches the watch off at once."""
        self._is_on = True
        _after_fork(self)
        for exporter in self._exporters:
            try:
                exporter.start(self.status)
            except Exception as error:
                self.fail(f"{type(exporter).__name__} could not begin", error)
                return

    def begin(self) -> int | None:
        """A step begins: return its number where it is sampled, else None."""
        number = next(self._count)
        self._steps = number + 1
        if number < self._next:
            return None
        with self._lock:
            if number < self._next or not self._is_on:  # another thread's step was drawn in the meantime
                return None
            self._next = number + self._sampler.distance()
            return number

    def open(self, number: int, core: CoreTime) -> OpenStep:
        """Begin to time a sampled step."""
        return OpenStep(number, core, time.perf_counter_ns())

    def close(self, step: OpenStep, calls: Sequence[Call]) -> None:
        """Take in a sampled step with the calls that were timed in it; it is one call itself where there are none."""
        if not step.elapsed_ns:
            step.end()
        behind_ns = time.perf_counter_ns()
        with self._lock:
            if not self._is_on:
                return
            try:
                self._take(step, calls)
            except Exception as error:
                self._fail("it could not work out what it had timed", error)
            self._own_ns += time.perf_counter_ns() - behind_ns + step.began_ns - step.own_began_ns

    def remark(self, sentence: str) -> None:
        """Log a sentence once; the watch goes on."""
        if sentence not in self._remarks:
            self._remarks.add(sentence)
            LOG.warning("poolbench monitor of %s: %s", self.model, sentence)

    def fail(self, what: str, error: BaseException) -> None:
        """Something went wrong: log it, and switch off. Never raises."""
        with self._lock:
            self._fail(what, error)

    def stop(self) -> None:
        """Switch off, and let the exporters go."""
        with self._lock:
            self._end()
        for exporter in self._exporters:
            try:
                exporter.close()
            except Exception as error:
                LOG.warning("poolbench monitor of %s: %s did not close: %s", self.model, type(exporter).__name__, error)

    def forked(self) -> None:
        """Now a child process, which is not watched: its parent's files, ports and threads are not its own."""
        self._lock = threading.RLock()  # another thread of the parent may have held it
        was_on, self._is_on, self._next = self._is_on, False, _NEVER
        if was_on:
            self.on_end()
        for exporter in self._exporters:
            try:
                exporter.after_fork()
            except Exception as error:
                LOG.warning("poolbench monitor of %s: %s in a child process: %s", self.model, exporter, error)

    def _fail(self, what: str, error: BaseException) -> None:
        if self._problem or not self._is_on:
            return
        self._problem = f"{what[:1].upper()}{what[1:]}: {type(error).__name__}: {error}"
        LOG.warning("poolbench monitor of %s has switched itself off. %s", self.model, self._problem)
        self._end()

    def _end(self) -> None:
        if not self._is_on:
            return
        self._is_on, self._next = False, _NEVER
        self.on_end()
        status = self.status
        for exporter in self._exporters:
            try:
                exporter.ended(status)
            except Exception as error:
                LOG.debug("%s cannot tell that the monitor is off: %s", type(exporter).__name__, error)

    def _take(self, step: OpenStep, calls: Sequence[Call]) -> None:
        self._sampled += 1
        now = time.time()
        if not calls:
            calls = (
                Call(
                    elapsed_ns=step.elapsed_ns, cpu_ns=step.cpu_ns, waited_ns=step.waited_ns, layer="", function=WHOLE
                ),
            )
        told = tuple(filter(None, (self._layer_call(step.number, now, call) for call in calls)))
        around, status = self._around.latest(), self.status
        for exporter in self._exporters:
            try:
                exporter.calls(told, status, around)
            except Exception as error:
                self._fail(f"{type(exporter).__name__} failed", error)
                return
        if self._detection is not None:
            for call in told:
                for event in self._detection.take(call, around):
                    self._tell(event)

    def _tell(self, event: Event) -> None:
        for exporter in self._exporters:
            try:
                exporter.event(event)
            except Exception as error:
                self._fail(f"{type(exporter).__name__} failed", error)
                return

    def _layer_call(self, number: int, now: float, call: Call) -> LayerCall | None:
        seen = call.seen
        layer, function = (call.layer, call.function) if seen is None else (seen.layer, seen.function)
        layer = shortened(layer)
        if not self._book.admits(layer, function):
            return None
        threads = (seen.threads if seen is not None else None) or 1
        known = Known("", call.order, call.moved_bytes, None)
        shape, dtype = call.shape, call.dtype
        if seen is not None:
            known = self._book.known(seen, call.pass_, threads)
            shape, dtype = seen.given or seen.shape, seen.dtype_name
        return LayerCall(
            at_s=now,
            step=number,
            model=self.model,
            layer=layer,
            function=function,
            elapsed_ns=call.elapsed_ns,
            workload=known.workload,
            shape=shape,
            order=known.order,
            dtype=dtype,
            threads=None if seen is None else seen.threads,
            waited_ns=call.waited_ns,
            cpu_ns=call.cpu_ns,
            moved_bytes=known.moved_bytes,
            limit_ns=known.limit_ns,
            is_disturbed=self._book.is_disturbed(call.elapsed_ns, call.cpu_ns, call.waited_ns, threads),
        )


def _after_fork(watch: Watch) -> None:
    """Let ``watch`` know of a fork, for as long as it lives."""
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(watch)

    def tell() -> None:
        alive = reference()
        if alive is not None:
            alive.forked()

    os.register_at_fork(after_in_child=tell)
