"""What the gate measures next: a survey of all workloads, then fresh processes for what is suspected (StoppingRule)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from poolbench.analyse.estimate.costs import LaunchCosts
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.gate.judge import Weighed, is_same, is_suspected, weigh, weigh_ledger
from poolbench.model.gate import GatePolicy
from poolbench.model.method import Method
from poolbench.model.plan import LaunchPlan
from poolbench.model.result import ResultRow, Status
from poolbench.model.stage import Stage

SURVEY_SHARE = 0.4
"""Of the budget: what the survey may take while anything is suspected, so that there is time to confirm."""

FIRST_LOOK = 6
"""Launches of the survey before anything is made of them."""

LAUNCHES_PER_IMPORTER = 4
START_SHARE = 0.1
"""An importer serves at least four launches, and so many that starting the next is a tenth of the time at most."""

MOST_LAUNCHES = 60

BLOCKS = 12
"""In each launch, four slots of 1.5 ms each: with more, large layers have too few launches to tell their spread."""


class Importers:
    """Numbers the importers: a fresh one for each stage, and after some launches of a stage."""

    def __init__(self, first: int = 0) -> None:
        self._number = first - 1
        self._stage: Stage | None = None
        self._launches = 0
        self._since_s = 0.0

    def next(self, stage: Stage, elapsed_s: float, start_s: float) -> int:
        """Return the importer of the next launch, which begins at ``elapsed_s``. Starting one takes ``start_s``."""
        is_used_up = self._launches >= LAUNCHES_PER_IMPORTER and (elapsed_s - self._since_s) * START_SHARE >= start_s
        if stage is not self._stage or is_used_up:
            self._number += 1
            self._stage, self._launches, self._since_s = stage, 0, elapsed_s
        self._launches += 1
        return self._number


class GateRule:
    """Measures until every workload has a verdict or the budget is used up.

    A workload is settled once it is the same, or once its suspicion has been measured again with as many launches as
    were set when that began: they follow from the survey and the time that is left, never from the confirmation's own
    data. ``stored`` are the rows of an interrupted run: what they took is part of the budget.
    """

    def __init__(
        self,
        *,
        workloads: Sequence[str],
        base: str,
        head: str,
        budget_s: float,
        policy: GatePolicy,
        method: Method,
        stored: Sequence[ResultRow] = (),
    ) -> None:
        self._workloads = tuple(workloads)
        self._base, self._head = base, head
        self._budget_s = budget_s
        self._policy = policy
        self._method = method
        self._costs = LaunchCosts()
        self._importers = Importers(max((row.importer for row in stored), default=-1) + 1)
        self._next = max((row.launch for row in stored), default=-1) + 1
        self._ledgers = {workload: Ledger((), method.rejection, method.clock) for workload in self._workloads}
        self._seen = 0
        self._weighed: dict[str, Weighed] = {}
        self._spent_s = sum(row.seconds for row in stored)
        self._again = self._aims_begun(stored)

    def next_launch(self, rows: Sequence[ResultRow], elapsed_s: float) -> LaunchPlan | None:
        """Return the next launch, or None when every verdict is settled or the time is used up."""
        elapsed_s += self._spent_s
        self._learn(rows, elapsed_s)
        remaining_s = self._budget_s - elapsed_s - self._costs.overhead_s
        if remaining_s <= 0:
            return None
        for stage, wanted in self._agenda(elapsed_s, remaining_s):
            chosen = self._affordable(wanted, remaining_s)
            if chosen:
                return self._plan(stage, chosen, elapsed_s)
        return None

    def time_is_up(self, elapsed_s: float, launch: int) -> bool:
        """Whether to end the launch before its next workload; the first one is always measured whole."""
        return launch > 0 and elapsed_s + self._spent_s >= self._budget_s

    def _agenda(self, elapsed_s: float, remaining_s: float) -> list[tuple[Stage, list[str]]]:
        """Return what to do in order of urgency: first looks, confirmations, what is open, what is the same already.

        Of what is the same a slight slowdown may still be shown, but not in time that an open workload could use.
        """
        first = [w for w in self._workloads if self._count(w, Stage.SURVEY) < FIRST_LOOK and not self._is_lost(w)]
        if first:
            return [(Stage.SURVEY, first)]
        unsettled = [w for w in self._workloads if not self._is_lost(w) and not is_same(self._weigh(w), self._policy)]
        begun = [
            w for w, aim in self._again.items() if self._count(w, Stage.CONFIRMATION) < aim and not self._is_lost(w)
        ]
        if begun:
            return [(Stage.CONFIRMATION, begun)]
        suspected = [w for w in self._workloads if w not in self._again and self._is_suspected(w)]
        urgent = [w for w in suspected if w in unsettled]
        still_open = [w for w in unsettled if w not in self._again and self._count(w, Stage.SURVEY) < MOST_LAUNCHES]
        if urgent and (elapsed_s >= SURVEY_SHARE * self._budget_s or not set(still_open) - set(urgent)):
            self._set_aims(urgent, remaining_s)
            return [(Stage.CONFIRMATION, urgent)]
        if not still_open and suspected:
            self._set_aims(suspected, remaining_s)
            return [(Stage.CONFIRMATION, suspected)]
        return [(Stage.SURVEY, still_open)]

    def _aims_begun(self, stored: Sequence[ResultRow]) -> dict[str, int]:
        """Return by how many launches the suspicions of an interrupted run are confirmed that were measured again.

        How many there was time for is not stored, so it is what the survey alone calls for; the budget ends it earlier.
        """
        aims = {}
        begun = {row.workload for row in stored if row.stage is Stage.CONFIRMATION}
        for workload in (w for w in self._workloads if w in begun):
            survey = [row for row in stored if row.workload == workload and row.stage is Stage.SURVEY]
            suspicion = weigh(survey, workload, self._head, self._base, self._policy, self._method)
            aims[workload] = max(
                self._policy.min_launches, min(launches_to_confirm(suspicion, self._policy), MOST_LAUNCHES)
            )
        return aims

    def _set_aims(self, suspected: Sequence[str], remaining_s: float) -> None:
        """Fix by how many launches each suspicion is confirmed: what there is time for, fewer where it is plain."""
        a_round_s = sum(self._costs.predict(w, BLOCKS) for w in suspected) + self._costs.overhead_s
        affordable = int((remaining_s - 2 * self._costs.start_s) / a_round_s) if a_round_s > 0 else FIRST_LOOK
        for workload in suspected:
            enough = launches_to_confirm(self._weigh(workload), self._policy)
            self._again[workload] = max(self._policy.min_launches, min(affordable, enough, MOST_LAUNCHES))

    def _plan(self, stage: Stage, chosen: Sequence[str], elapsed_s: float) -> LaunchPlan:
        plan = LaunchPlan(
            launch=self._next,
            importer=self._importers.next(stage, elapsed_s, self._costs.start_s),
            blocks=dict.fromkeys(chosen, BLOCKS),
            stage=stage,
        )
        self._next += 1
        self._costs.planned(plan, elapsed_s)
        return plan

    def _learn(self, rows: Sequence[ResultRow], elapsed_s: float) -> None:
        for row in rows[self._seen :]:
            if row.workload in self._ledgers:
                self._ledgers[row.workload].add([row])
                self._weighed.pop(row.workload, None)
        self._seen = len(rows)
        self._costs.learn(rows, elapsed_s)

    def _weigh(self, workload: str) -> Weighed:
        if workload not in self._weighed:
            ledger = self._ledgers[workload]
            self._weighed[workload] = weigh_ledger(ledger, workload, self._head, self._base, self._policy)
        return self._weighed[workload]

    def _is_suspected(self, workload: str) -> bool:
        return not self._is_lost(workload) and is_suspected(self._weigh(workload), self._policy)

    def _is_lost(self, workload: str) -> bool:
        """Whether a side failed: nothing more can be found out."""
        return any(row.status is not Status.OK for row in self._rows(workload))

    def _count(self, workload: str, stage: Stage) -> int:
        return len({row.launch for row in self._rows(workload) if row.stage is stage})

    def _rows(self, workload: str) -> list[ResultRow]:
        ledger = self._ledgers[workload]
        return [reduced.row for subject in (self._base, self._head) for reduced in ledger.rows(workload, subject)]

    def _affordable(self, wanted: Sequence[str], remaining_s: float) -> list[str]:
        """Return those of ``wanted`` that fit into what is left, those with the fewest launches first."""
        chosen = []
        for workload in sorted(wanted, key=lambda w: len({row.launch for row in self._rows(w)})):
            cost_s = self._costs.predict(workload, BLOCKS)
            if cost_s <= remaining_s:
                chosen.append(workload)
                remaining_s -= cost_s
        return chosen


def launches_to_confirm(weighed: Weighed, policy: GatePolicy) -> int:
    """Return how many launches confirm what the survey suspects, if it is as large as the survey's cautious end says.

    The half-width of a 95 % interval shrinks with the root of the launches; the confirmation is to lie three
    half-widths off.
    """
    comparison = weighed.comparison
    half = (math.log(comparison.high) - math.log(comparison.low)) / 2 if comparison.low > 0 else math.inf
    away = abs(math.log(comparison.ratio)) - half / 2 - policy.least_change
    if not math.isfinite(half) or away <= 0:
        return MOST_LAUNCHES
    return max(FIRST_LOOK, math.ceil(comparison.launches * (3 * half / away) ** 2 / 4))
