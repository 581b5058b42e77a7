"""What the machine does around the calls, read so rarely that it costs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from poolbench.measure.evidence import Reading, read
from poolbench.measure.machine import conditions
from poolbench.model.machine import Conditions
from poolbench.observe.monitor.types import Surroundings

INTERVAL_NS = 1_000_000_000
"""The system counts in ticks of 10 ms: over less than a second its counters say little."""

CONDITIONS_NS = 30_000_000_000
"""Load and frequency are read so rarely: with many cores the system takes milliseconds to tell them."""


class Around:
    """Keeps the latest surroundings. The functions are for tests."""

    def __init__(
        self,
        reader: Callable[[], Reading] = read,
        cpu_ns: Callable[[], int] = time.process_time_ns,
        conditions_reader: Callable[[], Conditions] = conditions,
    ) -> None:
        self._reader, self._cpu_ns, self._conditions_reader = reader, cpu_ns, conditions_reader
        self._before, self._cpu_before = reader(), cpu_ns()
        self._conditions = conditions_reader()
        self._conditions_at = self._before.at_ns
        self._latest = Surroundings(load_1min=self._conditions.load_1min, frequency_mhz=self._conditions.frequency_mhz)

    def latest(self) -> Surroundings:
        """Return the surroundings of the last stretch of at least a second."""
        now_ns = time.monotonic_ns()
        if now_ns - self._before.at_ns < INTERVAL_NS:
            return self._latest
        now, cpu = self._reader(), self._cpu_ns()
        wall = max(now.at_ns - self._before.at_ns, 1)
        if now.at_ns - self._conditions_at >= CONDITIONS_NS:
            self._conditions, self._conditions_at = self._conditions_reader(), now.at_ns
        busy, before = now.busy_ns, self._before.busy_ns
        self._latest = Surroundings(
            others_cores=max((busy - before - (cpu - self._cpu_before)) / wall, 0.0) if busy else None,
            steal_cores=max((now.steal_ns - self._before.steal_ns) / wall, 0.0) if busy else None,
            pressure=(now.pressure_ns - self._before.pressure_ns) / wall if now.pressure_ns else None,
            load_1min=self._conditions.load_1min,
            frequency_mhz=self._conditions.frequency_mhz,
            since_ns=self._before.at_ns,
        )
        self._before, self._cpu_before = now, cpu
        return self._latest
