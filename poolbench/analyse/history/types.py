"""A subject's history: its points, each as its ratio to one anchor, by one method or by several that a bridge ties."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from poolbench.analyse.estimate.location import LEAST_LAUNCHES
from poolbench.analyse.history.changes import Change
from poolbench.model.estimate import Estimate
from poolbench.model.history import Point
from poolbench.model.method import Method
from poolbench.model.subject import Subject
from poolbench.model.verdict import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A point on a workload: its time over the anchor's.

    ``log_ratio`` with its ``error`` of ``degrees`` freedom; NaN where there is none, and ``note`` says why.
    ``runs`` counts those with an estimate, ``estimate`` is with the interval. ``is_bridged``: measured by an earlier
    method and carried over. ``blames_anchor``: what failed is not the point.
    """

    workload: str
    point: int
    log_ratio: float = math.nan
    error: float = math.nan
    degrees: float = 0.0
    estimate: Estimate | None = None
    launches: int = 0
    runs: int = 0
    note: str = ""
    is_bridged: bool = False
    blames_anchor: bool = False

    @property
    def is_known(self) -> bool:
        """Whether there are enough launches for an interval."""
        return self.launches >= LEAST_LAUNCHES

    @property
    def is_settled(self) -> bool:
        """Whether measuring it again would tell nothing new: it is known, or is known to fail."""
        return self.is_known or (bool(self.note) and not self.blames_anchor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All points by one method. ``cells`` by workload and place; ``means`` are over ``mean_workloads``."""

    method: Method
    cells: Mapping[tuple[str, int], Cell]
    means: Mapping[int, Cell]
    mean_workloads: tuple[str, ...]
    changes: tuple[Change, ...]
    runs: tuple[str, ...]

    def runs_at(self, point: int, workloads: Iterable[str]) -> int:
        """Return in how many runs a point was measured, on that of ``workloads`` which has the fewest."""
        return min((cell.runs for w in workloads if (cell := self.cells.get((w, point))) is not None), default=0)

    def is_confirmed(self, change: Change) -> bool:
        """Whether both points beside a change were measured in two runs."""
        touched = [effect.workload for effect in change.effects] or list(self.mean_workloads)
        return min(self.runs_at(change.before, touched), self.runs_at(change.after, touched)) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """What ties an earlier method to the present one.

    The log ratio of a point by the present method less that by the earlier one, from the ``points`` that both have
    measured; ``offsets`` has it with its standard error by workload.
    """

    points: tuple[int, ...]
    offsets: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A subject's history: ``series`` by the present method, and earlier ones with the bridges from them to it."""

    subject: Subject
    anchor: Point
    points: tuple[Point, ...]
    workloads: tuple[str, ...]
    names: Mapping[str, str]
    series: Series
    earlier: tuple[tuple[Series, Bridge], ...] = ()
    policy: Policy = field(default=Policy())

    def cell(self, workload: str, point: int) -> Cell:
        """Return the cell of the present method, else one of an earlier method carried over, else an empty one."""
        own = self.series.cells.get((workload, point))
        if own is not None and (own.is_settled or own.launches):
            return own
        for series, bridge in self.earlier:
            old = series.cells.get((workload, point))
            if old is not None and old.is_known and workload in bridge.offsets:
                return _carried(old, *bridge.offsets[workload])
        problem = self.points[point].problem
        return Cell(workload=workload, point=point, note=problem)

    @property
    def changes(self) -> list[tuple[Change, Series]]:
        """All changes, in order of the points; those of an earlier method only where the present one knows less."""
        found = [(change, self.series) for change in self.series.changes]
        taken = {(change.before, change.direction) for change, _ in found}
        for series, _ in self.earlier:
            for change in series.changes:
                if (change.before, change.direction) not in taken:
                    taken.add((change.before, change.direction))
                    found.append((change, series))
        return sorted(found, key=lambda one: one[0].before)

    def labels(self, change: Change) -> tuple[str, str, str, str]:
        """Return the labels between which a change lies, before and after, and those between which it surely does."""
        return (
            self.points[self.last_of_build(change.before)].label,
            self.points[change.after].label,
            self.points[self.last_of_build(change.earliest)].label,
            self.points[change.latest].label,
        )

    def last_of_build(self, point: int) -> int:
        """Return the last of the points behind ``point`` that are the same build."""
        last = point
        while last + 1 < len(self.points) and self.points[last + 1].same_as:
            last += 1
        return last


def _carried(cell: Cell, offset: float, offset_error: float) -> Cell:
    assert cell.estimate is not None
    centre = cell.log_ratio + offset
    half = math.hypot(cell.estimate.half_width, 2 * offset_error)
    return replace(
        cell,
        log_ratio=centre,
        error=math.hypot(cell.error, offset_error),
        estimate=Estimate(value=math.exp(centre), low=math.exp(centre - half), high=math.exp(centre + half)),
        is_bridged=True,
    )
