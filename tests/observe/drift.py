"""Real series of a layer that is slowed by 10 % from a random step, and one beside a neighbour: what is told?

    python -m tests.observe.drift [SERIES [SEED]]

A series beside which the machine did something else is counted by itself. Whether it did is read here, before anybody
looks at what was told: from the system's counters of all processes, without the layer or the monitor. Such series are
replaced by further ones, at most half as many as were asked for.
The layer is ten maxima of PyTorch's, slowed as the suite slows its subjects: by further work of its own. Ten calls
become eleven. One call with parts of a call on top is slowed by 10 % on average only: its median says 6 % or 15 %.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import time

import torch
from torch.nn import functional as F

import poolbench
from poolbench.measure.clock import Calls, Surplus
from poolbench.measure.evidence import read
from poolbench.observe.monitor.detection import OTHERS_CORES, STEAL_CORES
from poolbench.observe.monitor.types import Event, EventKind

SECONDS = 7.0
"""Three for the baseline, and two until the machine has been asked again after a slowdown."""
FACTOR = 1.10
CALLS = 10
"""In a step, so that the slowdown is a whole call."""


def spin() -> None:
    """Keep a core busy, for a while at most: whoever began it may have been ended."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass


class Neighbours:
    """How many cores others kept busy, and a host took, over a stretch: read from the system, not from the monitor."""

    def __init__(self) -> None:
        self._at, self._cpu_ns = read(), time.process_time_ns()

    def rates(self) -> tuple[float, float]:
        """Return (cores that others kept busy, cores that a host took) since it was made."""
        now, cpu_ns = read(), time.process_time_ns()
        wall = now.at_ns - self._at.at_ns
        others = now.busy_ns - self._at.busy_ns - (cpu_ns - self._cpu_ns)
        return others / wall, (now.steal_ns - self._at.steal_ns) / wall


def disturbance(before: tuple[float, float], after: tuple[float, float]) -> str:
    """Return what the machine did more than before, "" where it did nothing."""
    others, steal = after[0] - before[0], after[1] - before[1]
    if others > OTHERS_CORES or steal > STEAL_CORES:
        return f"others kept {others:+.2f} cores busy, a host took {steal:+.2f}"
    return ""


def watched(
    seconds: float, *, slow_at: float | None, neighbour_at: float | None = None
) -> tuple[float, list[Event], str]:
    """Pool for so long, slowed from a share of the time on; return when that was, the events, and a disturbance."""
    images = torch.rand(1, 8, 56, 56)
    plain = Calls([lambda: F.max_pool2d(images, 3, 2, 1)])
    slowed = Calls([lambda: F.max_pool2d(images, 3, 2, 1)], Surplus(FACTOR, part=None))
    events: list[Event] = []
    take = lambda seen: events.append(seen) if isinstance(seen, Event) else None  # noqa: E731
    begin, neighbours, slow_from = time.monotonic(), [], 0.0
    around, before = Neighbours(), (0.0, 0.0)
    with poolbench.monitor(name="series", fraction=1, callback=take, limit=None) as monitor:
        while (share := (time.monotonic() - begin) / seconds) < 1:
            calls = plain
            if slow_at is not None and share > slow_at:
                if not slow_from:
                    slow_from, before, around = time.time(), around.rates(), Neighbours()
                calls = slowed
            if neighbour_at is not None and share > neighbour_at and not neighbours:
                neighbours = [multiprocessing.Process(target=spin, daemon=True) for _ in range(os.cpu_count() or 1)]
                for process in neighbours:
                    process.start()
            calls.plan(CALLS)
            began = time.process_time_ns()
            with monitor.step(), monitor.layer("pool"):
                calls.measured(CALLS)
            calls.settle(CALLS, began)
    after = around.rates()
    for process in neighbours:
        process.terminate()
        process.join()
    return slow_from, events, disturbance(before, after)


def main(count: int, seed: int) -> int:
    torch.set_num_threads(1)
    random.seed(seed)
    quiet = found = early = others = beside = 0
    sizes = []
    for number in range(count + count // 2):
        if quiet == count:
            break
        slow_from, events, disturbed = watched(SECONDS, slow_at=random.uniform(0.5, 0.6))
        drifts = [event for event in events if event.kind is EventKind.DRIFT]
        early += any(event.at_s < slow_from for event in drifts)
        hits = [event for event in drifts if event.at_s >= slow_from]
        if disturbed:
            others += 1
            beside += bool(hits)
        else:
            quiet += 1
            found += bool(hits)
            sizes += [event.ratio for event in hits[:1]]
        told = "; ".join(map(str, events)) or "nothing"
        print(f"series {number + 1}{f' ({disturbed})' if disturbed else ''}: {told}", flush=True)
    told = ", ".join(f"{size - 1:+.1%}" for size in sorted(sizes))
    print(
        f"found {found} of {quiet} beside which nothing else was at work, told as {told}; {early} too early; "
        f"of {others} others {beside}"
    )
    _, events, _ = watched(2 * SECONDS, slow_at=None, neighbour_at=0.6)
    print(f"neighbours: {'; '.join(map(str, events)) or 'nothing'}")
    kinds = {event.kind for event in events}
    return int(
        quiet < count
        or found < 0.9 * quiet
        or early > 0
        or EventKind.DRIFT in kinds
        or EventKind.DISTURBED not in kinds
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, int(sys.argv[2]) if len(sys.argv) > 2 else 1))
