"""What a run found, as types: estimates, cells, means, notes and the summary that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from poolbench.analyse.estimate.contracts import Disagreement
from poolbench.analyse.estimate.timing import Timing
from poolbench.model.estimate import Estimate
from poolbench.model.memory import Memory
from poolbench.model.result import RunHeader, Status
from poolbench.model.subject import Subject
from poolbench.model.verdict import Comparison, Outcome, Policy, Ranking, Verdict
from poolbench.model.workload import Workload

LEAST_TIMES_LIMIT = 0.97
"""A subject that takes less than this share of the limit's time shows that the probe or the subject is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One subject on one workload, which ``workload`` names by its id.

    ``timing`` is None where a row is not OK or no slot was clean. ``verdict`` is against the workload's fastest: None
    for the fastest itself and for what is not compared. ``is_tie`` marks what cannot be told from the fastest.
    ``differs`` holds the clauses on which the subject's contract differs from the one that the comparison follows.
    ``kernels`` names who computed by pass, where the backend can tell. ``memory`` is what one call takes; None where it
    was left out or the subject failed.
    """

    workload: str
    subject: Subject
    status: Status
    note: str = ""
    timing: Timing | None = None
    verdict: Verdict | None = None
    times_limit: Estimate | None = None
    layout: str = ""
    kernels: tuple[tuple[str, str], ...] = ()
    memory: Memory | None = None
    is_fastest: bool = False
    is_tie: bool = False
    differs: tuple[Disagreement, ...] = ()

    @property
    def is_compared(self) -> bool:
        """Whether the cell takes part in the workload's ranking."""
        return self.is_fastest or (self.verdict is not None and self.verdict.outcome is not Outcome.INVALID)

    @property
    def ratio(self) -> Estimate | None:
        """The time over the fastest's; None where the cell is not compared."""
        if self.is_fastest:
            return Estimate(value=1.0, low=1.0, high=1.0)
        return None if self.verdict is None or not self.is_compared else estimate(self.verdict.comparison)

    @property
    def is_below_limit(self) -> bool:
        """Whether the subject is faster than the memory allows, so that the probe or the subject must be wrong."""
        return self.times_limit is not None and self.times_limit.value < LEAST_TIMES_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSummary:
    """One workload's cells: the compared ones fastest first, then what is not compared, then what failed.

    In a summary that is ranked by memory: those whose request is known, the smallest first, then the others.
    ``limit`` is the time of streaming what the workload must touch.
    """

    workload: Workload
    cells: tuple[Cell, ...]
    fastest: Subject | None
    limit: Timing | None
    launches: int
    blocks: int

    @property
    def id(self) -> str:
        """The workload's id, by which rows and ledger know it."""
        return self.workload.id

    @property
    def name(self) -> str:
        """The catalogue's name, or the id."""
        return self.workload.name

    def cell(self, subject: Subject) -> Cell | None:
        """Return a subject's cell, or None where it was not measured."""
        return next((cell for cell in self.cells if cell.subject == subject), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectMean:
    """A subject's geometric means over the common workloads: of its ratio to the fastest, and to the limit."""

    subject: Subject
    ratio: Estimate
    times_limit: Estimate | None
    workloads: int
    limit_workloads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """The first subject of the geometric means against the second: ``ratio`` is the second's time over the first's.

    ``is_sure``: the interval excludes 1, and so does the p-value after allowing for every pair that might have been
    first and second.
    """

    subject: Subject
    runner_up: Subject
    ratio: Estimate
    p_value: float
    is_sure: bool


class NoteKind(StrEnum):
    """What a note is about."""

    FAILED = "failed"
    MISSING = "missing"
    CONTRACT = "contract"
    BELOW_LIMIT = "below limit"
    REJECTED = "rejected"
    INVALID = "invalid"
    MEMORY = "memory"
    MEAN = "mean"
    LAUNCHES = "launches"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence for the person who reads the table."""

    kind: NoteKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a run found. ``means`` are sorted fastest first, over ``mean_workloads``; both may be empty.

    ``lead`` is None where fewer than two subjects have a mean. ``comparisons`` counts the family over which false
    claims are controlled, ``measured_s`` the wall time of all rows.
    """

    header: RunHeader
    policy: Policy
    workloads: tuple[WorkloadSummary, ...]
    means: tuple[SubjectMean, ...]
    lead: Lead | None
    mean_workloads: tuple[str, ...]
    notes: tuple[Note, ...]
    comparisons: int
    launches: int
    importers: int
    rows: int
    measured_s: float
    ranking: Ranking = Ranking.TIME

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells of all workloads."""
        return tuple(cell for workload in self.workloads for cell in workload.cells)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts against the fastest that are shown."""
        return tuple(cell.verdict for cell in self.cells if cell.verdict is not None)


def estimate(comparison: Comparison) -> Estimate:
    """Return a comparison's ratio with its interval."""
    return Estimate(value=comparison.ratio, low=comparison.low, high=comparison.high)
