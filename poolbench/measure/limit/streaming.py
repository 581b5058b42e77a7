"""Passing over memory as fast as the machine allows: which variant is fastest, and how fast that is."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from poolbench.measure.machine import hardware
from poolbench.measure.touched import LINE_BYTES

if TYPE_CHECKING:
    from poolbench.measure.limit._stream import Plan

PAGE_BYTES = 4096
TRIAL_NS = 10_000_000
"""What the choice of a variant may take in all, where a pass is short enough for that."""

FULL_ROUNDS = 5
"""So many rounds all variants take part in, while time lasts."""

LONG_PASS_NS = 2_000_000
SMALL_BYTES = 32 << 10
LARGE_BYTES = 8 << 20

STREAM_OUTPUT_SHARE = 4
"""A bandwidth is measured while one byte is written for so many that are read, as a 2×2 pooling does."""


def bandwidth(threads: int = 1) -> dict[str, float]:
    """Return GB/s (10⁹ bytes read and written, one written for four read) by level: L2, L3 and DRAM.

    A level is absent where its cache's size is unknown. L3 and memory are shared with whatever else the machine
    runs, so a figure is what could be had at that moment.
    """
    result: dict[str, float] = {}
    for level, total in _stream_sizes(threads).items():
        array = np.empty(total * STREAM_OUTPUT_SHARE // (STREAM_OUTPUT_SHARE + 1), np.uint8)
        array.fill(1)
        output = output_beside(array, array.size // STREAM_OUTPUT_SHARE)
        zero = np.zeros(1, np.int64)
        plan = stream().Plan(array, zero, np.array([array.size], np.int64), 1, array.size, output)
        best = fastest(plan, candidates(array.size + output.size, threads))
        result[level] = (array.size + output.size) / best.ns
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A way to pass, and the shortest time that one pass took so far."""

    variant: int
    threads: int
    ns: float = math.inf


def candidates(moved_bytes: int, threads: int) -> list[Trial]:
    """Return the ways worth trying for a pass that reads and writes ``moved_bytes`` in all.

    The variants of the two widest instruction sets, on one thread where the input is small (a second thread takes
    longer to wake than a small pass takes), on ``threads`` where it is large, on either in between.
    """
    names = stream().variants()
    widest = list(dict.fromkeys(name.split("-")[0] for name in names))[:2]
    counts = sorted({1, threads})
    if moved_bytes < SMALL_BYTES:
        counts = [1]
    elif moved_bytes > LARGE_BYTES:
        counts = [threads]
    return [
        Trial(variant=index, threads=count)
        for count in counts
        for index, name in enumerate(names)
        if name.split("-")[0] in widest
    ]


def fastest(plan: Plan, trials: Sequence[Trial]) -> Trial:
    """Race the trials in rounds; once there were enough rounds or time is up, the slower half drops out after each.

    The shortest time decides: what lengthens a pass is the neighbours' doing, and it is the machine's best that is
    sought. Trials take turns, so that a change of the machine's pace meets all of them.
    """
    left = list(trials)
    begin = time.perf_counter_ns()
    rounds = 0
    while len(left) > 1:
        left = sorted((_try(plan, trial) for trial in left), key=lambda trial: trial.ns)
        rounds += 1
        if rounds >= FULL_ROUNDS or time.perf_counter_ns() - begin > TRIAL_NS:
            left = left[: max(len(left) // 2, 1)]
    return left[0]


def _try(plan: Plan, trial: Trial) -> Trial:
    """Time ``trial`` once more.

    A pass that brings the caches into its own order, then as many as make 20 µs. A pass so long that it leaves
    nothing of its predecessor in the caches that matter is counted itself.
    """
    plan.choose(trial.variant, trial.threads)
    run, clock = plan.run, time.perf_counter_ns
    begin = clock()
    run()
    ns = float(max(clock() - begin, 1))
    if ns < LONG_PASS_NS:
        loops = max(1, min(1000, int(20_000 / ns)))
        begin = clock()
        for _ in range(loops):
            run()
        ns = (clock() - begin) / loops
    return Trial(variant=trial.variant, threads=trial.threads, ns=min(trial.ns, ns))


def output_beside(array: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return ``size`` bytes on a line's boundary, all of their pages present.

    They begin half a page away from ``array`` (modulo pages): a processor that compares the lower twelve bits of
    addresses takes a load for dependent on a store that lies equally far into its page.
    """
    buffer = np.empty(size + 2 * PAGE_BYTES, np.uint8)
    buffer.fill(0)
    aim = array.ctypes.data // LINE_BYTES * LINE_BYTES + PAGE_BYTES // 2
    start = (aim - buffer.ctypes.data) % PAGE_BYTES
    return buffer[start : start + size]


def _stream_sizes(threads: int) -> dict[str, int]:
    """Return the bytes to stream through per level: within L2, within L3 but not L2, and beyond L3."""
    caches = hardware().cache_bytes
    l2, l3 = caches.get("L2", 0), caches.get("L3", 0)
    sizes: dict[str, int] = {}
    if l2:
        sizes["L2"] = l2 // 2 * threads
    if l2 and l3 > 4 * l2 * threads:
        sizes["L3"] = min(4 * l2 * threads, l3 // 2)
    # A large L3 belongs to many tenants, and only a part of it to us: four times is beyond it in any case.
    sizes["DRAM"] = min(max(4 * l3, 64 << 20), 1 << 30)
    return sizes


def stream() -> ModuleType:
    """Return the compiled probe, loaded when it is first asked for."""
    from poolbench.measure.limit import _stream as module

    return module
