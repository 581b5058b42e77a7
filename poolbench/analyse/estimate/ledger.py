"""The rows of a run, indexed, with each row's samples reduced to the log times of its uncontaminated blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean, median

import numpy as np

from poolbench.model.memory import Memory
from poolbench.model.method import Clock
from poolbench.model.result import ResultRow, Status
from poolbench.model.sample import RejectionRule
from poolbench.model.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBlocks:
    """One row, reduced.

    ``log_ns`` maps each block in which none of the subject's slots was rejected to the logarithms of nanoseconds per
    call, one for each slot. ``slots`` counts all slots by block, ``rejected`` the contaminated ones; ``level`` is the
    median log time of the clean slots (None where there are none).
    """

    row: ResultRow
    log_ns: dict[int, tuple[float, ...]]
    slots: dict[int, int]
    rejected: int
    level: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPair:
    """A subject against a reference in one launch, by the blocks that are clean on both sides.

    ``pairings`` has, block by block, the difference of log times of each slot of the one to each slot of the other, on
    which a linear drift works as often upwards as downwards. ``dropped`` counts the blocks that were measured but
    contaminated.
    """

    launch: int
    importer: int
    pairings: tuple[tuple[float, ...], ...]
    dropped: int

    @property
    def differences(self) -> tuple[float, ...]:
        """One difference per block, the mean over its pairings: a linear drift cancels in it."""
        return tuple(fmean(block) for block in self.pairings)

    @property
    def estimate(self) -> float:
        """The launch's log ratio: the median over the pairings of all its blocks.

        One slot that was disturbed spoils two of a block's four pairings, but all of its difference.
        """
        return median(chain.from_iterable(self.pairings))


class Ledger:
    """Rows by workload, subject and launch. Rows may be added later; a row that is known already is ignored."""

    def __init__(self, rows: Iterable[ResultRow], rejection: RejectionRule, clock: Clock = Clock.WALL) -> None:
        self._rejection = rejection
        self._clock = clock
        self._rows: dict[tuple[str, str], dict[int, RowBlocks]] = {}
        self.add(rows)

    def add(self, rows: Iterable[ResultRow]) -> set[str]:
        """Take rows in; return the workloads about which something new is known."""
        changed: set[str] = set()
        for row in rows:
            by_launch = self._rows.setdefault((row.workload, row.subject), {})
            if row.launch not in by_launch:
                by_launch[row.launch] = reduce_row(row, self._rejection, self._clock)
                changed.add(row.workload)
        return changed

    def workloads(self) -> list[str]:
        """Return the ids of all workloads, in the order in which they came."""
        return list(dict.fromkeys(workload for workload, _ in self._rows))

    def subjects(self, workload: str) -> list[str]:
        """Return the subjects of a workload, in the order in which they came."""
        return [subject for known, subject in self._rows if known == workload]

    def rows(self, workload: str, subject: str) -> list[RowBlocks]:
        """Return the rows of a workload × subject, by launch."""
        by_launch = self._rows.get((workload, subject), {})
        return [by_launch[launch] for launch in sorted(by_launch)]

    def of_stage(self, stage: Stage) -> Ledger:
        """Return the rows of one stage, as they are reduced here."""
        part = Ledger((), self._rejection, self._clock)
        part._rows = {
            key: {launch: reduced for launch, reduced in by_launch.items() if reduced.row.stage is stage}
            for key, by_launch in self._rows.items()
        }
        return part

    def failure(self, workload: str, subject: str) -> ResultRow | None:
        """Return the first row that is not OK, or None where all are."""
        return next(
            (reduced.row for reduced in self.rows(workload, subject) if reduced.row.status is not Status.OK), None
        )

    def memory(self, workload: str, subject: str) -> Memory | None:
        """Return what a call takes of memory, as the rows have it; None where none has."""
        return next((part.row.memory for part in self.rows(workload, subject) if part.row.memory is not None), None)

    def pairs(self, workload: str, subject: str, reference: str) -> list[LaunchPair]:
        """Return one LaunchPair per launch in which both were measured, interleaved, and both OK."""
        mine = self._rows.get((workload, subject), {})
        theirs = self._rows.get((workload, reference), {})
        return [
            _pair(mine[launch], theirs[launch])
            for launch in sorted(mine.keys() & theirs.keys())
            if _were_interleaved(mine[launch].row, theirs[launch].row)
        ]


def reduce_row(row: ResultRow, rejection: RejectionRule, clock: Clock = Clock.WALL) -> RowBlocks:
    """Reduce a row's samples to its clean blocks."""
    logs: dict[int, list[float]] = {}
    slots: dict[int, int] = {}
    clean: list[float] = []
    tainted: set[int] = set()
    rejected = 0
    rejects, on_wall = rejection.rejects, clock is Clock.WALL
    for sample in row.samples:
        block, spent_ns = sample.block, sample.elapsed_ns if on_wall else sample.cpu_ns
        slots[block] = slots.get(block, 0) + 1
        if spent_ns <= 0 or rejects(sample):
            rejected += 1
            tainted.add(block)
            continue
        log = math.log(spent_ns / sample.loops)
        clean.append(log)
        logs.setdefault(block, []).append(log)
    return RowBlocks(
        row=row,
        log_ns={block: tuple(values) for block, values in logs.items() if block not in tainted},
        slots=slots,
        rejected=rejected,
        level=median(clean) if clean else None,
    )


def block_noise(pairs: Sequence[LaunchPair]) -> float | None:
    """Return the standard deviation of a block's log ratio within launches, or None where no launch has two blocks."""
    parts = [
        (float(np.var(pair.differences, ddof=1)), len(pair.pairings) - 1) for pair in pairs if len(pair.pairings) > 1
    ]
    if not parts:
        return None
    # The median over launches, not the mean: a burst in one launch must not pass for the usual noise. The median of a
    # chi-squared variable lies below its mean by Wilson and Hilferty's factor.
    degrees = median(degrees for _, degrees in parts)
    return float(np.sqrt(median(variance for variance, _ in parts) / (1 - 2 / (9 * degrees)) ** 3))


def estimates(pairs: Iterable[LaunchPair]) -> Iterator[tuple[int, float]]:
    """Yield launch number and log ratio of the launches that have a clean block."""
    return ((pair.launch, pair.estimate) for pair in pairs if pair.pairings)


def _were_interleaved(row: ResultRow, other: ResultRow) -> bool:
    return row.group == other.group and row.status is Status.OK and other.status is Status.OK


def _pair(mine: RowBlocks, theirs: RowBlocks) -> LaunchPair:
    # A block in which the two have different numbers of slots was cut short: its drift does not cancel.
    alike = mine.slots == theirs.slots
    whole = len(mine.slots) if alike else sum(theirs.slots.get(block) == slots for block, slots in mine.slots.items())
    others = theirs.log_ns
    pairings = tuple(
        [
            tuple([log - other for log in logs for other in others[block]])
            for block, logs in mine.log_ns.items()
            if block in others and (alike or theirs.slots[block] == mine.slots[block])
        ]
    )
    return LaunchPair(
        launch=mine.row.launch,
        importer=mine.row.importer,
        pairings=pairings,
        dropped=whole - len(pairings),
    )
