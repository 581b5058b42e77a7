"""What a calibration measures next: piece after piece, each a survey and a confirmation (a StoppingRule)."""

from __future__ import annotations

from collections.abc import Sequence

from poolbench.analyse.costs import LaunchCosts
from poolbench.analyse.gate_rule import BLOCKS, SURVEY_SHARE, Importers
from poolbench.model.plan import LaunchPlan, Stage
from poolbench.model.result import ResultRow


class CalibrationRule:
    """Measures ``pieces`` of each workload, each with as much data as a gate gets in ``seconds_per_verdict``.

    A piece lasts until a gate of two subjects would have used its time: two fifths of it on the survey, the rest on
    the confirmation, in launches from importers that surveyed nothing. Starting importers counts, spread over the
    workloads as a gate spreads it. ``stored`` are the rows of an interrupted run: finished pieces count, and one that
    was cut short is gone on with.
    """

    def __init__(
        self,
        *,
        workloads: Sequence[str],
        subjects: int,
        pieces: int,
        seconds_per_verdict: float,
        stored: Sequence[ResultRow] = (),
    ) -> None:
        self._workloads = tuple(workloads)
        self._subjects = subjects
        self._pieces = pieces
        self._seconds = seconds_per_verdict
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

    def _aim_s(self) -> float:
        return self._seconds * (SURVEY_SHARE if self._stage is Stage.SURVEY else 1.0)

    def _wanted(self) -> list[str]:
        return [w for w in self._workloads if w not in self._dead and self._spent[w] < self._aim_s()]

    def _advance(self) -> bool:
        """Go on to the next stage or piece; return whether there is one."""
        if len(self._dead) == len(self._workloads):
            return False
        if self._stage is Stage.SURVEY:
            self._stage = Stage.CONFIRMATION
            return True
        self._piece += 1
        self._stage = Stage.SURVEY
        self._spent = dict.fromkeys(self._workloads, 0.0)
        return self._piece < self._pieces

    def _learn(self, rows: Sequence[ResultRow], elapsed_s: float) -> None:
        fresh = rows[self._seen :]
        self._seen = len(rows)
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
            self._piece += 1
            self._stage = Stage.SURVEY
            self._spent = dict.fromkeys(self._workloads, 0.0)
