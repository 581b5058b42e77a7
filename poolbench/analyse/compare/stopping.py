"""When to stop, and what to measure next: the stopping rule of ``poolbench compare``.

Launches are what precision is made of, so the rule adds launches, and only where they are needed: a workload whose
ratios are all known is left out of further ones. Launches come from several freshly executed importers, one after the
other, since importing a framework costs seconds and is to be paid once for each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from poolbench.analyse.compare.precision import Precision, workload_precision
from poolbench.analyse.estimate.costs import LaunchCosts
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.model.plan import LaunchPlan
from poolbench.model.result import ResultRow
from poolbench.model.sample import RejectionRule
from poolbench.model.subject import LIMIT
from poolbench.model.verdict import Policy

PATIENCE = 1.5
"""The first launch may take this many budgets: what it costs is not known before."""

LAUNCHES_PER_IMPORTER = 2
"""Each importer after the first must serve this many launches of a workload, or its placement is not sampled."""


class BudgetRule:
    """Measures until every ratio is known within ``target`` or the budget is used up (a ``StoppingRule``).

    ``stored`` are the rows of an interrupted run: their launches count, and launches and importers are numbered on
    from them. ``target`` is the half-width, on the log scale, at which a ratio counts as known; by default two thirds
    of the policy's relevant change. A workload gets ``min_launches`` to ``max_launches`` of ``base_blocks`` blocks, or
    up to four times as many where noise between blocks dominates that between launches.
    """

    def __init__(
        self,
        *,
        workloads: Sequence[str],
        subjects: Sequence[str],
        budget_s: float,
        policy: Policy,
        rejection: RejectionRule,
        stored: Sequence[ResultRow] = (),
        target: float | None = None,
        min_launches: int = 5,
        max_launches: int = 100,
        base_blocks: int = 1,
        importers: int = 2,
    ) -> None:
        self._workloads = tuple(workloads)
        self._budget_s = budget_s
        self._policy = policy
        self._target = 2 / 3 * policy.relevant_change if target is None else target
        self._min_launches = max(min_launches, policy.min_launches)
        self._max_launches = max(max_launches, self._min_launches)
        self._base_blocks = base_blocks
        self._importers = max(importers, 1)
        competitors = sum(subject != LIMIT for subject in subjects)
        self._family = max(len(self._workloads) * competitors * (competitors - 1) // 2, 1)

        self._ledger = Ledger(stored, rejection)
        self._costs = LaunchCosts()
        self._precision: dict[str, Precision] = {}
        self._launches: dict[str, dict[int, int]] = {workload: {} for workload in self._workloads}
        for row in {(row.workload, row.launch): row for row in stored}.values():
            self._count(row.workload, row.launch, row.importer)
        used = {row.importer for row in stored}
        self._first_importer = min(used, default=0)
        self._importer = max(used, default=-1) + 1  # the process behind a stored importer is gone
        self._last_importer = self._importer + max(self._importers - len(used), 1) - 1
        self._on_importer = 0
        self._next = max((row.launch for row in stored), default=-1) + 1

    def next_launch(self, rows: Sequence[ResultRow], elapsed_s: float) -> LaunchPlan | None:
        """Return the next launch, or None when enough is known or the time is used up. ``rows`` are all so far."""
        self._learn(rows, elapsed_s)
        if elapsed_s >= self._budget_s:
            return None
        wanted = self._wanted(self._importer)
        if self._should_switch(wanted, elapsed_s):
            after = self._wanted(self._importer + 1)
            cost_s = self._costs.start_s + min((self._cost(workload) for workload in after), default=math.inf)
            if elapsed_s + cost_s <= self._budget_s:
                self._importer, self._on_importer, wanted = self._importer + 1, 0, after
        chosen = self._affordable(wanted, self._budget_s - elapsed_s)
        if not chosen:
            return None
        plan = LaunchPlan(
            launch=self._next,
            importer=self._importer,
            blocks={workload: self._blocks(workload) for workload in chosen},
        )
        for workload in chosen:
            self._count(workload, plan.launch, plan.importer)
        self._on_importer += 1
        self._next += 1
        self._costs.planned(plan, elapsed_s)
        return plan

    def time_is_up(self, elapsed_s: float, launch: int) -> bool:
        """Whether to end the launch before its next workload."""
        return elapsed_s >= self._budget_s * (PATIENCE if launch == 0 else 1)

    def is_known(self, workload: str) -> bool:
        """Whether a workload needs no further launch, importers apart."""
        if self._known(workload).failed:
            return True
        return len(self._launches[workload]) >= self._min_launches and self._known(workload).is_enough(self._target)

    def _learn(self, rows: Sequence[ResultRow], elapsed_s: float) -> None:
        for workload in self._ledger.add(rows):
            self._precision.pop(workload, None)
        self._costs.learn(rows, elapsed_s)

    def _count(self, workload: str, launch: int, importer: int) -> None:
        self._launches.setdefault(workload, {})[launch] = importer

    def _known(self, workload: str) -> Precision:
        if workload not in self._precision:
            self._precision[workload] = workload_precision(self._ledger, workload, self._policy, self._family)
        return self._precision[workload]

    def _wanted(self, importer: int) -> list[str]:
        """Return the workloads that a launch from ``importer`` should measure, the neediest first."""
        wanted = [
            workload
            for workload in self._workloads
            if len(self._launches[workload]) < self._max_launches
            and (not self.is_known(workload) or self._lacks_importer(workload, importer))
        ]

        def need(workload: str) -> tuple[bool, int, float]:
            count = len(self._launches[workload])
            short = count < self._min_launches
            return not short, count if short else 0, -self._known(workload).worst

        return sorted(wanted, key=need)

    def _lacks_importer(self, workload: str, importer: int) -> bool:
        """Whether launches from ``importer`` would add what the workload lacks: launches from a later importer."""
        if self._known(workload).failed or importer == self._first_importer:
            return False
        return self._later_importers(workload) < self._importers - 1

    def _later_importers(self, workload: str) -> int:
        used = list(self._launches[workload].values())
        return sum(
            used.count(importer) >= LAUNCHES_PER_IMPORTER for importer in set(used) if importer != self._first_importer
        )

    def _should_switch(self, wanted: Sequence[str], elapsed_s: float) -> bool:
        """Whether this importer has served its share of the budget, of the launches, or of what is needed."""
        if self._importer >= self._last_importer or not self._on_importer:
            return False
        served = self._importers - (self._last_importer - self._importer)
        return (
            elapsed_s >= self._budget_s * served / self._importers
            or self._on_importer >= math.ceil(self._max_launches / self._importers)
            or (
                self._on_importer >= math.ceil(self._min_launches / self._importers)
                and all(self._known(workload).will_be_enough(self._target, self._min_launches) for workload in wanted)
            )
        )

    def _blocks(self, workload: str) -> int:
        fair_share_s = self._budget_s / (len(self._workloads) * self._min_launches)
        if self._costs.predict(workload, self._base_blocks) > fair_share_s:
            return 1  # launches are what precision is made of: a slow workload gets more of them, with less in each
        if self.is_known(workload):
            return self._base_blocks
        return self._base_blocks * self._known(workload).block_factor(self._base_blocks)

    def _cost(self, workload: str) -> float:
        return self._costs.predict(workload, self._blocks(workload))

    def _affordable(self, wanted: Sequence[str], remaining_s: float) -> list[str]:
        """Return those of ``wanted`` that fit into the time that remains, the neediest first."""
        remaining_s -= self._costs.overhead_s + (0.0 if self._on_importer else self._costs.start_s)
        chosen = []
        for workload in wanted:
            cost_s = self._cost(workload)
            if cost_s <= remaining_s:
                chosen.append(workload)
                remaining_s -= cost_s
        return chosen
