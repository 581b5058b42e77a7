"""The measuring loop: one slot, timed as a whole, with the evidence of what disturbed it."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat


class Calls:
    """What a slot calls: one function again and again (hot), or many in turn, each on its own buffers (cold)."""

    def __init__(self, functions: Sequence[Callable[[], object]]) -> None:
        self._functions = tuple(functions)
        self._next = self._cycle()

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


def run_slot(calls: Calls, loops: int, warm: int) -> dict[str, int]:
    """Time ``loops`` calls after ``warm`` untimed ones; return a Sample's fields but for its place in the run."""
    with _collector_paused():
        calls.repeat(warm)
        waited = waited_ns()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu = time.process_time_ns()
        begin = time.perf_counter_ns()
        calls.repeat(loops)
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
