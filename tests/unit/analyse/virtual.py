"""A session on a virtual clock: measures what a stopping rule asks for, with synthetic rows and costs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from poolbench.analyse.compare.stopping import BudgetRule
from poolbench.model.plan import LaunchPlan
from poolbench.model.result import ResultRow
from tests.unit.builders import RunBuilder


@dataclass(slots=True, kw_only=True)
class VirtualSession:
    """``block_s`` is what a block of a group costs, ``fixed_s`` what preparing it does, ``start_s`` a new importer."""

    builder: RunBuilder
    block_s: float = 0.2
    fixed_s: float = 0.3
    start_s: float = 10.0
    now_s: float = 0.0
    rows: list[ResultRow] = field(default_factory=list)
    plans: list[LaunchPlan] = field(default_factory=list)
    finished: bool = False
    dearest_group_s: float = 0.0

    def run(self, rule: BudgetRule, *, most_groups: int = 10**6) -> None:
        """Measure until the rule ends the run, or (as if killed) after ``most_groups`` groups."""
        importer = None
        groups = 0
        while (plan := rule.next_launch(self.rows, self.now_s)) is not None:
            self.plans.append(plan)
            start_s = self.start_s if plan.importer != importer else 0.0
            importer = plan.importer
            for workload, blocks in plan.blocks.items():
                if rule.time_is_up(self.now_s, plan.launch):
                    break
                if groups == most_groups:
                    return
                cost_s = self.fixed_s + blocks * self.block_s + start_s
                start_s = 0.0
                rows = self.builder.group(workload, plan.launch, blocks=blocks, importer=plan.importer, seconds=0.0)
                self.rows += [_with_seconds(row, cost_s / len(rows)) for row in rows]
                self.now_s += cost_s
                self.dearest_group_s = max(self.dearest_group_s, cost_s)
                groups += 1
        self.finished = True

    def launches(self, workload: str) -> list[int]:
        """Return the importer of each launch in which a workload was measured."""
        return [
            importer
            for _, importer in sorted({(row.launch, row.importer) for row in self.rows if row.workload == workload})
        ]


def _with_seconds(row: ResultRow, seconds: float) -> ResultRow:
    return replace(row, seconds=seconds)
