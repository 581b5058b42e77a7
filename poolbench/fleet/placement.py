"""Placement by information: repetitions go first to cells whose verdict is open. Played on a stored run's own launches.

The stored launches of each workload are taken in their order. A full sweep takes the same number of each. Placement
takes the least number that has an interval, and from then on, round after round, one launch more of each workload that
has an open verdict, until as many verdicts are known as after the sweep. Verdicts are those of ``compare``, corrected
for all that could be claimed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.findings import RunSummary, WorkloadSummary
from poolbench.model.result import ResultRow
from poolbench.model.subject import LIMIT
from poolbench.model.verdict import Outcome
from poolbench.store.reading import StoredRun

FEWEST = 3
"""The fewest launches that have an interval; both ways begin with so many."""

SWEEPS = (4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96)
"""The sweeps that are played, by the launches that each workload gets."""

_OPEN = (Outcome.UNDECIDED, Outcome.INVALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one way took and found.

    ``known`` counts verdicts against a workload's fastest that are not open. ``wrong`` counts workloads whose fastest
    all launches know to be slower than another.
    """

    launches: int
    seconds: float
    known: int
    wrong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """A full sweep of ``each`` launches beside the placement that knows as many verdicts."""

    each: int
    sweep: Spent
    placed: Spent

    @property
    def saved(self) -> float:
        """The share of the sweep's time that placement does without."""
        return 1 - self.placed.seconds / self.sweep.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What placement would have saved of a stored run's ``workloads``, for sweeps of more and more launches."""

    run: str
    workloads: int
    verdicts: int
    savings: tuple[Saving, ...]


def is_open(found: WorkloadSummary) -> bool:
    """Whether a verdict against the workload's fastest is open, so that more launches may change an answer."""
    return any(cell.verdict is not None and cell.verdict.outcome in _OPEN for cell in found.cells)


def replay(run: StoredRun) -> Replay:
    """Play both ways on the launches of ``run``.

    Workloads with fewer than FEWEST launches are left out; without any there are no savings.
    """
    play = _Play(run)
    most = min(map(len, play.launches.values()), default=0)
    return Replay(
        run=run.header.run,
        workloads=len(play.launches),
        verdicts=play.verdicts,
        savings=tuple(play.saving(each) for each in SWEEPS if each <= most),
    )


class _Play:
    def __init__(self, run: StoredRun) -> None:
        self._run = run
        launches: dict[str, dict[int, list[ResultRow]]] = defaultdict(lambda: defaultdict(list))
        for row in run.rows:
            launches[row.workload][row.launch].append(row)
        self.launches = {
            workload: [rows for _, rows in sorted(found.items())]
            for workload, found in launches.items()
            if len(found) >= FEWEST and sum(row.subject != LIMIT for row in next(iter(found.values()))) > 1
        }
        whole = self._summary({workload: len(found) for workload, found in self.launches.items()})
        self.verdicts = len(whole.verdicts)
        self._leaders = {
            found.id: {str(cell.subject) for cell in found.cells if cell.is_fastest or cell.is_tie}
            for found in whole.workloads
        }

    def saving(self, each: int) -> Saving:
        counts = dict.fromkeys(self.launches, each)
        sweep = self._spent(counts, self._summary(counts))
        counts = dict.fromkeys(self.launches, FEWEST)
        while True:
            summary = self._summary(counts)
            placed = self._spent(counts, summary)
            more = [
                found.id
                for found in summary.workloads
                if is_open(found) and counts[found.id] < len(self.launches[found.id])
            ]
            if placed.known >= sweep.known or not more:
                return Saving(each=each, sweep=sweep, placed=placed)
            for workload in more:
                counts[workload] += 1

    def _spent(self, counts: Mapping[str, int], summary: RunSummary) -> Spent:
        return Spent(
            launches=sum(counts.values()),
            seconds=sum(row.seconds for row in self._rows(counts)),
            known=sum(verdict.outcome not in _OPEN for verdict in summary.verdicts),
            wrong=sum(
                str(found.fastest) not in self._leaders[found.id] for found in summary.workloads if found.fastest
            ),
        )

    def _summary(self, counts: Mapping[str, int]) -> RunSummary:
        return summarise(self._run.header, self._rows(counts))

    def _rows(self, counts: Mapping[str, int]) -> Sequence[ResultRow]:
        return [row for workload, count in counts.items() for rows in self.launches[workload][:count] for row in rows]
