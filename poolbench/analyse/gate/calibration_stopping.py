"""What a calibration measures next: piece after piece, each a survey and a confirmation (a StoppingRule)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median

from poolbench.analyse.estimate.costs import LaunchCosts
from poolbench.analyse.estimate.ledger import Ledger, estimates
from poolbench.analyse.gate.stopping import BLOCKS, FIRST_LOOK, MOST_LAUNCHES, SURVEY_SHARE, Importers
from poolbench.model.method import Method
from poolbench.model.plan import LaunchPlan
from poolbench.model.result import ResultRow
from poolbench.model.stage import Stage


class CalibrationRule:
    """Measures ``pieces`` of each workload, each with as much data as a gate of them all gets in its budget.

    That is ``seconds_per_verdict`` for each, which a gate does not spend evenly: what is settled leaves its time to
    what is open. Here, too, the noisiest workloads of the pieces before get the most (``share_out``). A piece lasts
    until a gate of two subjects would have used its time: two fifths of it on the survey, the rest on the confirmation,
    in launches from importers that surveyed nothing. Starting importers counts, spread over the workloads as a gate
    spreads it. ``equal`` are the pairs from which the noise is known. ``stored`` are the rows of an interrupted run:
    finished pieces count, and one that was cut short is gone on with.
    """

    def __init__(
        self,
        *,
        workloads: Sequence[str],
        subjects: int,
        equal: Sequence[tuple[str, str]],
        method: Method,
        pieces: int,
        seconds_per_verdict: float,
        stored: Sequence[ResultRow] = (),
    ) -> None:
        self._workloads = tuple(workloads)
        self._subjects = subjects
        self._pieces = pieces
        self._seconds = seconds_per_verdict
        self._equal = tuple(equal)
        self._method = method
        self._aims: dict[str, float] = dict.fromkeys(self._workloads, seconds_per_verdict)
        self._rows: Sequence[ResultRow] = ()
        self._costs = LaunchCosts()
        self._importers = Importers(max((row.importer for row in stored), default=-1) + 1)
        self._next = max((row.launch for row in stored), default=-1) + 1
        self._stage = Stage.SURVEY
        self._piece = 0
        self._spent = dict.fromkeys(self._workloads, 0.0)
        self._seen = 0
        self._dead: set[str] = set()
        self._starts_s = 0.0
        self._known_importers: set[int] = set()

    def next_launch(self, rows: Sequence[ResultRow], elapsed_s: float) -> LaunchPlan | None:
        """Return the next launch, or None when all pieces are measured."""
        self._learn(rows, elapsed_s)
        wanted = self._wanted()
        while not wanted:
            if not self._advance():
                return None
            wanted = self._wanted()
        plan = LaunchPlan(
            launch=self._next,
            importer=self._importers.next(self._stage, elapsed_s, self._costs.start_s),
            blocks=dict.fromkeys(wanted, BLOCKS),
            stage=self._stage,
        )
        self._next += 1
        self._costs.planned(plan, elapsed_s)
        return plan

    def time_is_up(self, elapsed_s: float, launch: int) -> bool:
        """Never: a calibration ends with its last piece, or is interrupted and resumed."""
        return False

    @property
    def piece(self) -> int:
        """Which piece is being measured, from 0."""
        return self._piece

    def _wanted(self) -> list[str]:
        share = SURVEY_SHARE if self._stage is Stage.SURVEY else 1.0
        return [w for w in self._workloads if w not in self._dead and self._spent[w] < share * self._aims[w]]

    def _advance(self) -> bool:
        """Go on to the next stage or piece; return whether there is one."""
        if len(self._dead) == len(self._workloads):
            return False
        if self._stage is Stage.SURVEY:
            self._stage = Stage.CONFIRMATION
            return True
        self._begin_piece()
        return self._piece < self._pieces

    def _begin_piece(self) -> None:
        self._piece += 1
        self._stage = Stage.SURVEY
        self._spent = dict.fromkeys(self._workloads, 0.0)
        self._aims = self._shared_out()

    def _shared_out(self) -> dict[str, float]:
        """Return the seconds of each workload in the next piece, by what is known from all the rows so far."""
        spreads, costs = {}, {}
        for workload in self._workloads:
            rows = [row for row in self._rows if row.workload == workload]
            ledger = Ledger(rows, self._method.rejection, self._method.clock)
            launches = [
                [value for _, value in estimates(ledger.pairs(workload, head, base))] for base, head in self._equal
            ]
            off = [abs(value - median(values)) for values in launches if values for value in values]
            spreads[workload] = median(off) if off else 0.0
            costs[workload] = 2 * fmean(row.seconds for row in rows) if rows else 0.0
        return share_out(spreads, costs, self._seconds * len(self._workloads))

    def _learn(self, rows: Sequence[ResultRow], elapsed_s: float) -> None:
        fresh = rows[self._seen :]
        self._seen = len(rows)
        self._rows = rows
        by_group: dict[tuple[str, str], list[ResultRow]] = {}
        for row in fresh:
            by_group.setdefault((row.group, row.workload), []).append(row)
        for (_, workload), group in by_group.items():
            self._catch_up(workload, group[0].stage)
            if any(row.status.value != "OK" for row in group):
                self._dead.add(workload)
            seconds = sum(row.seconds for row in group) / len(group)
            self._spent[workload] = self._spent.get(workload, 0.0) + 2 * seconds
            self._book_start(group[0])
        self._costs.learn(rows, elapsed_s)

    def _book_start(self, row: ResultRow) -> None:
        """Book the start of an importer, which no row carries, on all workloads: two of ``subjects`` importers."""
        if row.importer in self._known_importers:
            return
        self._known_importers.add(row.importer)
        share = 2 / self._subjects * self._costs.start_s / len(self._workloads)
        for workload in self._spent:
            self._spent[workload] += share

    def _catch_up(self, workload: str, stage: Stage) -> None:
        """Follow stored rows through stages and pieces that are over."""
        if stage is Stage.CONFIRMATION and self._stage is Stage.SURVEY:
            self._stage = Stage.CONFIRMATION
        elif stage is Stage.SURVEY and self._stage is Stage.CONFIRMATION:
            self._begin_piece()


def share_out(spreads: Mapping[str, float], costs: Mapping[str, float], seconds: float) -> dict[str, float]:
    """Return how many of ``seconds`` each workload gets: launch by launch to the one that is known worst by then.

    ``spreads`` are those of a launch's log ratio, ``costs`` the seconds of a launch. Each gets what a gate's survey and
    a confirmation of the same length take at least.
    """
    launches = dict.fromkeys(spreads, 2 * FIRST_LOOK)
    left = seconds - sum(costs[workload] * count for workload, count in launches.items())
    while left > 0:
        open_ones = [w for w in launches if launches[w] < MOST_LAUNCHES and costs[w] > 0]
        if not open_ones:
            break
        worst = max(open_ones, key=lambda w: spreads[w] / launches[w] ** 0.5)
        launches[worst] += 1
        left -= costs[worst]
    return {workload: costs[workload] * count or seconds / len(costs) for workload, count in launches.items()}
