"""What a launch costs, learnt from the launches before it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from poolbench.model.plan import LaunchPlan
from poolbench.model.result import ResultRow

SLOTS_TO_GROUP = 3.0
"""A group takes about this many times its slots (warming up, preparing, checking), as a guess from one launch alone."""


class LaunchCosts:
    """Predicts seconds of wall time.

    The first launch from an importer pays for more than is repeated: importing the framework, exact checks,
    calibration. It therefore tells little of the ones that follow; what its slots took is a better guess.
    """

    def __init__(self) -> None:
        self._plans: dict[int, LaunchPlan] = {}
        self._first_of_importer: set[int] = set()
        self._importers: set[int] = set()
        self._groups: dict[int, dict[str, float]] = {}
        self._slots_s: dict[str, float] = {}
        self._seen: set[tuple[int, str, str]] = set()
        self._begun_s = 0.0
        self._overheads: dict[int, float] = {}
        self.overhead_s = 0.0
        """What the last launch took beyond its rows."""

    def planned(self, plan: LaunchPlan, elapsed_s: float) -> None:
        """Note that a launch begins."""
        self._plans[plan.launch] = plan
        if plan.importer not in self._importers:
            self._importers.add(plan.importer)
            self._first_of_importer.add(plan.launch)
        self._begun_s = elapsed_s

    def learn(self, rows: Sequence[ResultRow], elapsed_s: float) -> None:
        """Take in rows; those of launches that were not planned here (stored ones) say nothing of this session."""
        fresh = [row for row in rows if row.key not in self._seen and row.launch in self._plans]
        if not fresh:
            return
        slots: dict[str, float] = {}
        for row in fresh:
            self._seen.add(row.key)
            groups = self._groups.setdefault(row.launch, {})
            # Memory is measured once, so what it took does not come again.
            groups[row.workload] = groups.get(row.workload, 0.0) + row.seconds - row.memory_seconds
            slots[row.workload] = slots.get(row.workload, 0.0) + sum(s.elapsed_ns for s in row.samples) / 1e9
        self._slots_s.update(slots)
        self.overhead_s = max(elapsed_s - self._begun_s - sum(row.seconds for row in fresh), 0.0)
        self._overheads[fresh[-1].launch] = self.overhead_s

    def predict(self, workload: str, blocks: int) -> float:
        """Return the seconds of one group of ``blocks`` blocks; 0 where nothing is known yet."""
        for launch in sorted(self._groups, reverse=True):
            if workload in self._groups[launch] and launch not in self._first_of_importer:
                return self._groups[launch][workload] * self._scale(launch, workload, blocks)
        for launch in sorted(self._groups, reverse=True):
            if workload in self._groups[launch]:
                guess = min(self._groups[launch][workload], SLOTS_TO_GROUP * self._slots_s.get(workload, 0.0))
                return guess * self._scale(launch, workload, blocks)
        return 0.0

    @property
    def start_s(self) -> float:
        """What the start of an importer adds to its first launch, before its rows and in them: the worst so far."""
        firsts = self._first_of_importer & self._groups.keys()
        usual = [seconds for launch, seconds in self._overheads.items() if launch not in firsts]
        least = min(usual, default=0.0)
        return max(
            (self._surplus(launch) + max(self._overheads.get(launch, 0.0) - least, 0.0) for launch in firsts),
            default=0.0,
        )

    def _surplus(self, launch: int) -> float:
        """Return by how much the workload measured first in a launch exceeds what it usually takes."""
        first, seconds = next(iter(self._groups[launch].items()))
        usual = self.predict(first, self._plans[launch].blocks.get(first, 1))
        others = [value for workload, value in self._groups[launch].items() if workload != first]
        # A first launch also checks and calibrates: what the other workloads took there bounds this from below.
        return max(seconds - max(usual, median(others) if others else 0.0), 0.0)

    def _scale(self, launch: int, workload: str, blocks: int) -> float:
        """Return how much more ``blocks`` blocks cost than the launch's: never less than what that took."""
        return max(blocks / max(self._plans[launch].blocks.get(workload, blocks), 1), 1.0)
