"""Real series of a layer that is slowed by 10 % from a random step, and one beside a neighbour: what is told?

    python -m tests.observe.drift [SERIES [SEED]]

A series in which the slowdown was told as the machine's doing says nothing of a quiet one: it is counted by itself.
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


def watched(seconds: float, *, slow_at: float | None, neighbour_at: float | None = None) -> tuple[float, list[Event]]:
    """Pool for so long, slowed from a share of the time on; return when that was, and the events."""
    images = torch.rand(1, 8, 56, 56)
    plain = Calls([lambda: F.max_pool2d(images, 3, 2, 1)])
    slowed = Calls([lambda: F.max_pool2d(images, 3, 2, 1)], Surplus(FACTOR, part=None))
    events: list[Event] = []
    take = lambda seen: events.append(seen) if isinstance(seen, Event) else None  # noqa: E731
    begin, neighbours, slow_from = time.monotonic(), [], 0.0
    with poolbench.monitor(name="series", fraction=1, callback=take, limit=None) as monitor:
        while (share := (time.monotonic() - begin) / seconds) < 1:
            calls = plain
            if slow_at is not None and share > slow_at:
                slow_from = slow_from or time.time()
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
    for process in neighbours:
        process.terminate()
        process.join()
    return slow_from, events


def main(count: int, seed: int) -> int:
    torch.set_num_threads(1)
    random.seed(seed)
    found = early = busy = 0
    sizes = []
    for number in range(count):
        slow_from, events = watched(SECONDS, slow_at=random.uniform(0.5, 0.6))
        drifts = [event for event in events if event.kind is EventKind.DRIFT]
        early += any(event.at_s < slow_from for event in drifts)
        hits = [event for event in drifts if event.at_s >= slow_from]
        found += bool(hits)
        busy += not hits and any(event.kind is EventKind.DISTURBED and event.at_s >= slow_from for event in events)
        sizes += [event.ratio for event in hits[:1]]
        print(f"series {number + 1}: {'; '.join(map(str, events)) or 'nothing'}", flush=True)
    told = ", ".join(f"{size - 1:+.1%}" for size in sorted(sizes))
    print(
        f"found {found} of the {count - busy} in which nothing else was at work, told as {told}; {early} too early; "
        f"in {busy} more the slowdown was told as what else the machine did"
    )
    _, events = watched(2 * SECONDS, slow_at=None, neighbour_at=0.6)
    print(f"neighbours: {'; '.join(map(str, events)) or 'nothing'}")
    kinds = {event.kind for event in events}
    return int(
        found < 0.9 * (count - busy)
        or busy > count / 2
        or early > 0
        or EventKind.DRIFT in kinds
        or EventKind.DISTURBED not in kinds
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, int(sys.argv[2]) if len(sys.argv) > 2 else 1))
