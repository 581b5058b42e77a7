"""How far a plan is, and how long the rest takes: a figure for each kind of machine, since they differ."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from poolbench.model.fleet import FleetTask


class Progress:
    """Counts tasks by kind. What is there at the beginning is done and says nothing about the speed."""

    def __init__(
        self, tasks: Iterable[FleetTask], done: Iterable[str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        keys = set(done)
        tasks = list(tasks)
        self.total = len(tasks)
        self.left = Counter(task.kind for task in tasks if task.key not in keys)
        self._ended: Counter[str] = Counter()
        self._clock = clock
        self._begin = clock()

    def ended(self, kind: str) -> None:
        """Count a task that was measured."""
        self.left[kind] -= 1
        self._ended[kind] += 1

    def known(self, kind: str) -> None:
        """Count a task that is spared, or whose run was found on a machine: it says nothing about the speed either."""
        self.left[kind] -= 1

    def seconds_left(self) -> float | None:
        """Return how long the slowest kind will take at its pace so far; None where a kind has shown none yet."""
        elapsed = self._clock() - self._begin
        lefts = [(kind, count) for kind, count in self.left.items() if count > 0]
        if any(not self._ended[kind] for kind, _ in lefts):
            return None
        return max((elapsed * count / self._ended[kind] for kind, count in lefts), default=0.0)

    def text(self, machines: Mapping[str, int] | None = None) -> str:
        """Say how far it is. ``machines`` are how many there are now of each kind."""
        left = sum(self.left.values())
        parts = [f"{self.total - left:,} of {self.total:,} tasks"]
        if left:
            seconds = self.seconds_left()
            parts.append("time left not known yet" if seconds is None else f"about {_duration(seconds)} left")
        for kind, count in sorted((machines or {}).items()):
            parts.append(f"{kind}: {count} machine{'' if count == 1 else 's'}, {self.left[kind]:,} tasks left")
        return "; ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
