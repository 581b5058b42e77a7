"""The streaming limit of the layers that are watched: measured when a layer is first seen, or from a stored run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Protocol

from poolbench.model.subject import LIMIT
from poolbench.model.workload import Pass, Workload

MOST_BYTES = 256 << 20
"""Larger layers are not measured: the probe needs as much memory as the layer."""

MOST_WORKLOADS = 64
"""A model whose sizes always change is not to measure a limit in each step."""

REPEATS = 5


class Limits(Protocol):
    """Knows how long streaming takes."""

    def limit_ns(self, workload: Workload, threads: int) -> float | None:
        """Return the nanoseconds that streaming takes as much as ``workload`` must touch, None where unknown."""


class NoLimits:
    """Knows none."""

    def limit_ns(self, workload: Workload, threads: int) -> float | None:
        """Return None."""
        return None


class StoredLimits:
    """What the subject ``limit`` took in a stored run, by workload. Raises StoreError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        from poolbench.store.reading import read_run

        times: dict[str, list[float]] = {}
        for row in read_run(path).rows:
            if row.subject == LIMIT and row.samples:
                times.setdefault(row.workload, []).append(median(sample.call_ns for sample in row.samples))
        self._times: Mapping[str, float] = {workload: median(values) for workload, values in times.items()}

    def limit_ns(self, workload: Workload, threads: int) -> float | None:
        """Return the median over the run's launches."""
        return self._times.get(workload.id)


class MeasuredLimits:
    """Measures each workload once, with the suite's own probe; that takes some 20 ms and as much memory as the layer.

    Training reads and writes its forward part here: that is what is timed.
    """

    def __init__(self) -> None:
        self._times: dict[tuple[str, int], float | None] = {}

    def limit_ns(self, workload: Workload, threads: int) -> float | None:
        """Return what was measured; None for layers that are too large, and for more workloads than are measured."""
        key = (workload.id, threads)
        if key not in self._times:
            if len(self._times) >= MOST_WORKLOADS or workload.input_bytes + workload.output_bytes > MOST_BYTES:
                return None
            self._times[key] = _measure(workload, threads)
        return self._times[key]


def _measure(workload: Workload, threads: int) -> float | None:
    import numpy as np

    from poolbench.measure.limit.probe import StreamingPass, touched_runs

    if not workload.pass_.runs_forward or workload.pass_ is Pass.TRAINING_BACKWARD:
        return None
    # The probe streams bytes: an unsigned type of the same width stands for bfloat16 and the like.
    array = np.ones(workload.input_shape, f"u{workload.dtype.itemsize}")
    limit = StreamingPass(workload, array, touched_runs(workload), threads)
    try:
        times = []
        for _ in range(REPEATS):
            begin = time.perf_counter_ns()
            limit.run()
            times.append(time.perf_counter_ns() - begin)
    finally:
        limit.close()
    return float(max(min(times), 1))
