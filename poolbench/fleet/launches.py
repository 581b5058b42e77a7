"""Measuring for a number of launches, whatever time they take: what is stored then depends on no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poolbench.model.plan import LaunchPlan
from poolbench.model.result import ResultRow, RunHeader

BLOCKS = 2
"""The blocks of each launch."""

LAUNCHES_PER_IMPORTER = 3
"""So many launches are forked from one fresh importer, which costs more than they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedLaunches:
    """How a run of ``count`` launches goes about it (a ``Plan`` of ``poolbench.api.request``)."""

    count: int

    @property
    def has_limit(self) -> bool:
        """The limit is measured beside the subjects, as ``compare`` does."""
        return True

    @property
    def is_apart(self) -> bool:
        """Subjects of one environment share an importer, as in ``compare``."""
        return False

    @property
    def circles(self) -> tuple[tuple[str, ...], ...]:
        """All are compared with all."""
        return ()

    def rule(self, header: RunHeader, stored: Sequence[ResultRow]) -> _Rule:
        """Return what counts to ``count``, beginning behind what is stored."""
        return _Rule([workload.id for workload in header.workloads], self.count, stored)


class _Rule:
    def __init__(self, workloads: Sequence[str], count: int, stored: Sequence[ResultRow]) -> None:
        self._missing = [
            (launch, missing)
            for launch in range(count)
            if (missing := [w for w in workloads if not any((r.launch, r.workload) == (launch, w) for r in stored)])
        ]

    def next_launch(self, rows: Sequence[ResultRow], elapsed_s: float) -> LaunchPlan | None:
        if not self._missing:
            return None
        launch, workloads = self._missing.pop(0)
        return LaunchPlan(
            launch=launch, importer=launch // LAUNCHES_PER_IMPORTER, blocks=dict.fromkeys(workloads, BLOCKS)
        )

    def time_is_up(self, elapsed_s: float, launch: int) -> bool:
        return False
