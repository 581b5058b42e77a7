"""How long to measure: the protocol by which a command tells a session when to stop.

The session asks before each launch what the launch should measure, and before each workload whether time is up.
It knows nothing of statistics; the rule that a command passes in does (``poolbench.analyse.compare.stopping``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from poolbench.model.result import ResultRow
from poolbench.model.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """One launch: its number, which fresh importer it is forked from, and the blocks for each workload id.

    A workload that is absent is left out of this launch. What confirms comes from importers that surveyed nothing.
    """

    launch: int
    importer: int
    blocks: Mapping[str, int]
    stage: Stage = Stage.SURVEY


class StoppingRule(Protocol):
    """Decides what is measured next."""

    def next_launch(self, rows: Sequence[ResultRow], elapsed_s: float) -> LaunchPlan | None:
        """Return the next launch, or None when enough is known or the time is used up."""
        ...

    def time_is_up(self, elapsed_s: float, launch: int) -> bool:
        """Whether to end the launch before its next workload."""
        ...
