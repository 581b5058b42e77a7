"""The measuring loop: one slot, timed as a whole, with the evidence of what disturbed it."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, repeat
from statistics import median
from typing import NamedTuple

_ROUNDING = 1e-9
"""So much below a whole number is one: 100 loops at 1.05 are 105, not 104."""

_LEAST_SHARE, _MOST_SHARE = 0.001, 0.95
"""Of a whole call: what a part is taken to cost at least and at most."""


class Calls:
    """What a slot calls: one function again and again (hot), or many in turn, each on its own buffers (cold).

    ``surplus`` is work that a slowed subject does beyond what its slot says.
    """

    def __init__(self, functions: Sequence[Callable[[], object]], surplus: Surplus | None = None) -> None:
        self._functions = tuple(functions)
        self._next = self._cycle()
        self.surplus = surplus

    def plan(self, count: int) -> None:
        """Decide, before any clock runs, what a slot of ``count`` calls holds."""
        if self.surplus is not None:
            self.surplus.plan(count)

    def measured(self, count: int) -> None:
        """Do what a slot of ``count`` calls holds: the calls, and the surplus."""
        if self.surplus is None:
            self.repeat(count)
        else:
            self.surplus.work(self, count)

    def settle(self, count: int, begin_ns: int) -> None:
        """Book, after all clocks, what a slot that began at ``begin_ns`` of CPU time did beyond its ``count`` calls."""
        if self.surplus is not None:
            self.surplus.settle(count, begin_ns)

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

    ``part`` is a call on a part of the batch; None where there is none, and what cannot be expressed is then carried
    over to the next slot. Parts are paid by the CPU time that they took: what one costs after whole calls, which leave
    the caches without its data, cannot be told beforehand. ``share`` is a first guess at it, in whole calls, as is
    ``owed``, where the account begins. The account is kept outside the slot. After calls that stream megabytes through
    the caches a few lines of Python take 20 microseconds, which would be most of a slowdown by 2 %.
    """

    def __init__(
        self,
        factor: float,
        part: Callable[[], object] | None,
        *,
        share: float = 1.0,
        owed: float = 0.0,
        cpu_ns: Callable[[], int] = time.process_time_ns,
    ) -> None:
        self._factor = factor
        self._cpu_ns = cpu_ns
        self._shares: deque[float] = deque([share], maxlen=5)
        self._whole = self._parts = 0
        self._parts_begin_ns = self._parts_end_ns = 0
        self.part = part
        self.owed = owed

    def plan(self, count: int) -> None:
        """Decide how many whole calls and how many parts come on top of ``count`` calls."""
        self.owed += count * (self._factor - 1)
        self._whole = max(math.floor(self.owed + _ROUNDING), 0)
        rest = self.owed - self._whole
        # One part that lost its core must not stand for all: hence the median, and a bound under which parts go on.
        share = min(max(median(self._shares), _LEAST_SHARE), _MOST_SHARE)
        self._parts = 0 if self.part is None else max(math.floor(rest / share + _ROUNDING), 0)

    def work(self, calls: Calls, count: int) -> None:
        """Call ``count`` times, and what was planned on top. Only a slot with parts reads a clock."""
        calls.repeat(count + self._whole)
        if self.part is not None and self._parts:
            self._parts_begin_ns = self._cpu_ns()
            for _ in repeat(None, self._parts):
                self.part()
            self._parts_end_ns = self._cpu_ns()

    def settle(self, count: int, begin_ns: int) -> None:
        """Book what was done in the slot that began at ``begin_ns``."""
        self.owed -= self._whole
        if self._parts:
            call_ns = max((self._parts_begin_ns - begin_ns) / (count + self._whole), 1.0)
            paid = max(self._parts_end_ns - self._parts_begin_ns, 1) / call_ns
            self._shares.append(paid / self._parts)
            self.owed -= paid


def part_planes(batch: int, channels: int, share: float) -> tuple[int, int] | None:
    """Return the batch and the channels of the call that is nearest to ``share`` of one; None where one is all."""
    planes = max(1, round(min(share, 0.25) * batch * channels))
    if batch * channels == 1:
        return None
    return (round(planes / channels), channels) if planes >= channels else (1, planes)


def cpu_share(part: Callable[[], object], whole: Callable[[], object]) -> float:
    """Return about what ``part`` costs after ``whole``, as a share of it, at most 1."""
    whole()
    begin = time.process_time_ns()
    whole()
    middle = time.process_time_ns()
    part()
    return min((time.process_time_ns() - middle) / max(middle - begin, 1), 1.0)


def run_slot(calls: Calls, loops: int, warm: int, *, threads: int = 1) -> dict[str, int]:
    """Time ``loops`` calls after ``warm`` untimed ones; return a Sample's fields but for its place in the run.

    ``threads`` is how many the subject may use.
    """
    with _collector_paused():
        calls.plan(loops)
        calls.repeat(warm)
        account = thread_times()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        begin_cpu = time.process_time_ns()
        begin = time.perf_counter_ns()
        calls.measured(loops)
        elapsed = time.perf_counter_ns() - begin
        cpu = time.process_time_ns() - begin_cpu
        after = resource.getrusage(resource.RUSAGE_SELF)
        waited = waited_for_others_ns(account, thread_times(), threads=threads)
        calls.settle(loops, begin_cpu)
    return {
        "loops": loops,
        "elapsed_ns": elapsed,
        "cpu_ns": cpu,
        "foreign_cpu_ns": waited,
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


class ThreadTime(NamedTuple):
    """How long a thread has had a core so far, and how long it has been ready without one, in nanoseconds."""

    ran_ns: int
    waited_ns: int


def thread_times() -> dict[str, ThreadTime]:
    """Return the times of this process's threads by their id; of none where the system does not tell."""
    times: dict[str, ThreadTime] = {}
    try:
        tasks = os.listdir("/proc/self/task")
    except OSError:
        return times
    for task in tasks:
        # A thread may end between the listing and the reading; it then waits for nothing any more.
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/schedstat", "rb") as file:
            ran, waited, _ = file.read().split()
            times[task] = ThreadTime(int(ran), int(waited))
    return times


def waited_for_others_ns(before: Mapping[str, ThreadTime], after: Mapping[str, ThreadTime], *, threads: int) -> int:
    """Return how long the process was ready between two accounts of its threads without a core that others had.

    A framework that may use one thread may still have several and hand its work from one to the next, as TensorFlow's
    graphs do. While one of them waits, another has the core: that is the subject's own doing, and its cost. So what a
    thread waited counts as far as the others of its process cannot have had its core. (While none of them has one, time
    passes that is nobody's CPU time, which a slot tells as well.) Where several threads are to run at once, each wants
    a core of its own, and all that they waited counts.
    """
    start = ThreadTime(0, 0)
    spent = [
        ThreadTime(now.ran_ns - then.ran_ns, now.waited_ns - then.waited_ns)
        for then, now in ((before.get(thread, start), now) for thread, now in after.items())
    ]
    if threads > 1:
        return max(sum(thread.waited_ns for thread in spent), 0)
    ran = sum(thread.ran_ns for thread in spent)
    return max([0, *(thread.waited_ns - (ran - thread.ran_ns) for thread in spent)])


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
