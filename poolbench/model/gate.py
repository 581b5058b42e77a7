"""The gate's words: what it holds a head to, and what it found on each workload."""

from __future__ import annotations

from dataclasses import dataclass, field

from poolbench.model.count import CountChange
from poolbench.model.method import Method
from poolbench.model.subject import Subject
from poolbench.model.verdict import Comparison, Outcome, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """What counts as a regression, and how sure a claim must be. Fixed before the run.

    ``tolerance`` is the change from which a slowdown fails the gate, and within which "same" is said. ``confidence``
    is one less the chance of even one false "slower" or "faster" in the whole set. ``least_change`` is what nothing
    is claimed below: importers differ by so much in what their launches share. ``suspicion`` is the p-value below
    which a difference is measured again in fresh processes, ``agreement`` the one below which these agree. A verdict
    is invalid where more than ``max_rejected`` of its blocks were contaminated, or fewer than ``min_launches`` could be
    compared; a confirmation of fewer is none.
    """

    tolerance: float = 0.03
    confidence: float = 0.99
    least_change: float = 0.005
    suspicion: float = 0.3
    agreement: float = 0.1
    min_launches: int = 4
    max_rejected: float = 0.8

    @property
    def intervals(self) -> Policy:
        """The policy of the comparisons: intervals of 95 %, "same" within the tolerance."""
        return Policy(
            relevant_change=self.tolerance,
            family_error=1 - self.confidence,
            min_launches=self.min_launches,
            max_rejected=self.max_rejected,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTerms:
    """What a gate's run was begun with: the roles of its two subjects, and the policy that they are judged by."""

    base: Subject
    head: Subject
    policy: GatePolicy = field(default=GatePolicy())


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChange:
    """What a call requests of the allocators, in bytes; ``slack`` is what the ledger does not see exactly."""

    base_bytes: int
    head_bytes: int
    slack: int

    @property
    def is_growth(self) -> bool:
        """Whether the head requests more than the ledger's slack explains."""
        return self.head_bytes > self.base_bytes + self.slack


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """What is said of a head against its base on one workload.

    ``comparison`` is over all launches, ``confirmation`` over those of fresh processes alone (None where nothing was
    suspected). ``samples`` counts slots of either side that went into the ratio. ``is_regression``: slower, and by the
    tolerance at least. ``memory`` is None where either side was not measured, and ``memory_reason`` says why. ``count``
    is None where instructions were not counted: a second opinion, which moves no verdict.
    """

    workload: str
    outcome: Outcome
    reason: str
    comparison: Comparison
    confirmation: Comparison | None = None
    samples: int = 0
    is_regression: bool = False
    memory: MemoryChange | None = None
    memory_reason: str = ""
    count: CountChange | None = None

    @property
    def has_same_memory(self) -> bool:
        """Whether a call requests as much memory as it did."""
        return self.memory is not None and abs(self.memory.head_bytes - self.memory.base_bytes) <= self.memory.slack

    @property
    def is_memory_regression(self) -> bool:
        """Whether a call requests more memory than it did."""
        return self.memory is not None and self.memory.is_growth


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """All verdicts of a gate, and the evidence of what disturbed it."""

    base: Subject
    head: Subject
    policy: GatePolicy
    method: Method
    verdicts: tuple[GateVerdict, ...]
    skipped: tuple[str, ...] = ()
    disturbance: Disturbance = field(default_factory=lambda: Disturbance())


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What disturbed a run, added up over its blocks. Shares are of the slots, or of the blocks' wall time.

    ``rejected`` slots broke the rule of the method; ``waited`` is time ready but without a core, ``lost`` wall time
    that is nobody's CPU time, ``stolen`` what a host took from the cores, ``pressure`` the time in which some process
    waited for a core, ``others`` how many cores something else wanted, stolen or not. ``switches`` are involuntary, a
    slot. ``has_evidence`` is False for rows from before blocks recorded any.
    """

    slots: int = 0
    rejected: float = 0.0
    waited: float = 0.0
    lost: float = 0.0
    switches: float = 0.0
    stolen: float = 0.0
    pressure: float = 0.0
    others: float = 0.0
    has_evidence: bool = False

    @property
    def causes(self) -> tuple[str, ...]:
        """What makes the machine count as disturbed, in words; none where it was quiet."""
        found = [
            (self.others > MOST_OTHERS, f"other processes kept {self.others:.2f} cores busy"),
            (self.stolen > MOST_STOLEN, f"the host took {100 * self.stolen:.0f} % of a core"),
            (self.waited > MOST_WAITED, f"subjects waited for a core {100 * self.waited:.1f} % of the time"),
            (self.rejected > MOST_REJECTED, f"{100 * self.rejected:.0f} % of the slots were rejected"),
        ]
        return tuple(words for is_so, words in found if is_so)


MOST_OTHERS = 0.2
MOST_STOLEN = 0.05
MOST_WAITED = 0.02
MOST_REJECTED = 0.1
