"""The measuring loop: one slot, timed as a whole, with the evidence of what disturbed it."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat

_ROUNDING = 1e-9
"""So much below a whole number is one: 100 loops at 1.05 are 105, not 104."""


class Calls:
    """What a slot calls: one function again and again (hot), or many in turn, each on its own buffers (cold).

    ``surplus`` is work that a slowed subject does beyond what its slot says.
    """

    def __init__(self, functions: Sequence[Callable[[], object]], surplus: Surplus | None = None) -> None:
        self._functions = tuple(functions)
        self._next = self._cycle()
        self.surplus = surplus

    def measured(self, count: int) -> None:
        """Do what a slot of ``count`` calls holds: the calls, and the surplus."""
        if self.surplus is None:
            self.repeat(count)
        else:
            self.surplus.work(self, count)

    def repeat(self, count: int) -> None:
        """Call ``count`` times. Each result is dropped before the next call, as in a plain loop."""
        if len(self._functions) == 1:
            function = self._functions[0]
            for _ in repeat(None, count):
                function()
        else:
            for function in islice(self._next, count):
                function()

    def _cycle(self) -> Iterator[Callable[[], object]]:
        while True:
            yield from self._functions


class Surplus:
    """Further work that makes ``count`` calls ``factor`` times as much: whole calls as far as they go, then parts.

    ``part`` is a call on a part of the batch; None where there is none, and what whole calls cannot express is then
    carried over to the next slot. Parts are called until they have taken the CPU time that is owed, and what they take
    too much is owed less the next time: what a part costs after whole calls, which leave the caches without its data,
    cannot be told beforehand. ``owed``, in whole calls, is where the account begins.
    """

    def __init__(
        self,
        factor: float,
        part: Callable[[], object] | None,
        *,
        owed: float = 0.0,
        cpu_ns: Callable[[], int] = time.process_time_ns,
    ) -> None:
        self._factor = factor
        self._cpu_ns = cpu_ns
        self.part = part
        self.owed = owed

    def work(self, calls: Calls, count: int) -> None:
        """Call ``count`` times, and what comes on top."""
        self.owed += count * (self._factor - 1)
        whole = max(math.floor(self.owed + _ROUNDING), 0)
        self.owed -= whole
        now = self._cpu_ns()
        calls.repeat(count + whole)
        before, now = now, self._cpu_ns()
        call_ns = max((now - before) / (count + whole), 1.0)
        while self.part is not None and self.owed > _ROUNDING:
            self.part()
            before, now = now, self._cpu_ns()
            self.owed -= max(now - before, 1) / call_ns


def part_planes(batch: int, channels: int, share: float) -> tuple[int, int] | None:
    """Return the batch and the channels of the call that is nearest to ``share`` of one; None where one is all."""
    planes = max(1, round(min(share, 0.25) * batch * channels))
    if batch * channels == 1:
        return None
    return (round(planes / channels), channels) if planes >= channels else (1, planes)


def cpu_share(part: Callable[[], object], whole: Callable[[], object]) -> float:
    """Return about what ``part`` costs as a share of ``whole``, at most 1, by one call of either."""
    begin = time.process_time_ns()
    part()
    middle = time.process_time_ns()
    whole()
    return min((middle - begin) / max(time.process_time_ns() - middle, 1), 1.0)


def run_slot(calls: Calls, loops: int, warm: int) -> dict[str, int]:
    """Time ``loops`` calls after ``warm`` untimed ones; return a Sample's fields but for its place in the run."""
    with _collector_paused():
        calls.repeat(warm)
        waited = waited_ns()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu = time.process_time_ns()
        begin = time.perf_counter_ns()
        calls.measured(loops)
        elapsed = time.perf_counter_ns() - begin
        cpu = time.process_time_ns() - cpu
        after = resource.getrusage(resource.RUSAGE_SELF)
        waited = waited_ns() - waited
    return {
        "loops": loops,
        "elapsed_ns": elapsed,
        "cpu_ns": cpu,
        "foreign_cpu_ns": max(waited, 0),
        "page_faults": after.ru_minflt - usage.ru_minflt + after.ru_majflt - usage.ru_majflt,
        "context_switches": after.ru_nivcsw - usage.ru_nivcsw,
    }


def calibrate(calls: Calls, slot_ns: int) -> int:
    """Return how many calls fill a slot of about ``slot_ns`` nanoseconds; at least one."""
    with _collector_paused():
        calls.repeat(1)
        loops = 1
        # A tenth of a slot is enough to know the rest; shorter trials mostly see the timer.
        while (elapsed := _timed(calls, loops)) * 10 < slot_ns:
            loops *= max(2, min(100, slot_ns // (10 * max(elapsed, 1))))
        # A disturbance only lengthens a trial, so the shortest of three is nearest to the truth.
        elapsed = min(elapsed, _timed(calls, loops), _timed(calls, loops))
    return max(1, round(loops * slot_ns / max(elapsed, 1)))


def _timed(calls: Calls, count: int) -> int:
    begin = time.perf_counter_ns()
    calls.repeat(count)
    return time.perf_counter_ns() - begin


def waited_ns() -> int:
    """Return how long this process's threads have been ready but without a core so far; 0 where not told."""
    total = 0
    try:
        tasks = os.listdir("/proc/self/task")
    except OSError:
        return 0
    for task in tasks:
        # A thread may end between the listing and the reading; it then waits for nothing any more.
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/schedstat", "rb") as file:
            total += int(file.read().split()[1])
    return total


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
