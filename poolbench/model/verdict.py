"""Comparisons, the policy that judges them, and verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What can be said of a subject against a reference."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNDECIDED = "undecided"
    INVALID = "invalid"


class Ranking(StrEnum):
    """What the subjects of a table are ranked by: the time of a call, or the memory that it requests."""

    TIME = "time"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A subject's time over a reference's on one workload, from interleaved rows.

    ``ratio`` with its interval ``low`` to ``high`` at the policy's confidence; ``p_value`` of the hypothesis that the
    ratio is 1. ``launch_spread`` is the standard deviation of log ratios between launches; ``drift`` the trend of the
    log ratio over the launches, from first to last; ``rejected`` the share of blocks that were contaminated.
    """

    workload: str
    subject: str
    reference: str
    ratio: float
    low: float
    high: float
    p_value: float
    blocks: int
    launches: int
    launch_spread: float
    drift: float
    rejected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How sure a claim must be (``confidence``, ``family_error``), and how large to matter (``relevant_change``).

    ``confidence`` is that of each interval. A difference is claimed only while the chance of even one false claim in
    the whole table stays below ``family_error``. "Same" is claimed where the interval lies within
    ± ``relevant_change``.
    """

    confidence: float = 0.95
    family_error: float = 0.01
    relevant_change: float = 0.03
    min_launches: int = 3
    max_rejected: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An outcome, always with its comparison, the policy and the reason in words."""

    outcome: Outcome
    reason: str
    comparison: Comparison
    policy: Policy
