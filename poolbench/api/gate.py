"""The gate: base and head measured in the same blocks, and a verdict for each workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from poolbench.analyse.gate_rule import GateRule
from poolbench.api.run import choose_subjects
from poolbench.environments.reference import WORKING_TREE
from poolbench.errors import UsageError
from poolbench.measure.cores import can_choose_cores
from poolbench.model.gate import GatePolicy
from poolbench.model.method import Clock, Limits, Method
from poolbench.model.plan import StoppingRule
from poolbench.model.result import ResultRow, RunHeader
from poolbench.model.sample import RejectionRule
from poolbench.model.subject import LIMIT, Subject, parse_subject

SECONDS_PER_VERDICT = 4.0
"""The default budget for each workload."""

START_SECONDS = 10.0
MEMORY_SECONDS = 1.0
"""What is added for importing and the first checks, and for the memory of each workload."""

SLOT_NS = 1_500_000
STAY = 2
"""Other tenants of the machine come and go within some ms: slots that are shorter than that, side by side, share them.
Moving the buffers takes longer than such a slot, so they stay for some blocks."""

REJECTION = RejectionRule(max_wait_share=0.3)
"""A slot that had no core for less than this is no worse by CPU time; beyond it, its caches are not its own."""

REVISION = "rev:"
KERNEL = "strided"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlan:
    """A ``Plan``: two subjects, each with importers of its own, no limit, and the gate's stopping rule."""

    base: str
    head: str
    policy: GatePolicy = field(default=GatePolicy())
    has_limit: bool = False
    is_apart: bool = True
    circles: tuple[tuple[str, ...], ...] = ()

    def rule(self, header: RunHeader, stored: Sequence[ResultRow]) -> StoppingRule:
        """Return the gate's rule for what is left of the budget."""
        return GateRule(
            workloads=header.workloads,
            base=self.base,
            head=self.head,
            budget_s=header.budget_s,
            policy=self.policy,
            method=header.method,
            stored=stored,
        )


def gate_method(*, threads: int, memory: bool, limits: Limits, subjects: Sequence[Subject] = ()) -> Method:
    """Return how a gate measures ``subjects``: CPU time where each has one thread, and no block twice.

    ``threads`` is for those that do not say their own, as ``torch+threads=2`` does.

    On several threads the sum of their CPU time says little of what a user waits for: there it is wall time, and the
    stricter rule of ``compare``.
    """
    if max([subject.threads or threads for subject in subjects], default=threads) > 1:
        return Method(threads=threads, memory=memory, limits=limits)
    return Method(
        threads=threads,
        memory=memory,
        limits=limits,
        clock=Clock.CPU,
        slot_ns=SLOT_NS,
        stay=STAY,
        one_core=can_choose_cores(),
        tries=1,
        rejection=REJECTION,
    )


def gate_subjects(base: str, head: str) -> tuple[Subject, Subject]:
    """Return the two subjects that ``--base`` and ``--head`` mean.

    ``rev:X`` is the kernel at a revision of this repository, ``.`` the kernel of the working tree, both built in the
    same way; anything else is a subject. The same subject twice is a comparison of it with itself. Raises an UsageError
    for what does not exist.
    """
    texts = [_subject(text) for text in (base, head)]
    for text in texts:
        if parse_subject(text).backend == LIMIT:
            raise UsageError("The streaming limit is no implementation: --base and --head take a subject, or rev:NAME.")
    chosen, _ = choose_subjects(texts)
    return chosen[0], chosen[1]


def default_gate_budget_s(workloads: int, *, memory: bool) -> float:
    """Return the seconds that a gate takes when none are asked for."""
    return START_SECONDS + (SECONDS_PER_VERDICT + (MEMORY_SECONDS if memory else 0.0)) * workloads


def _subject(text: str) -> str:
    if text == WORKING_TREE:
        return f"{KERNEL}@{REVISION}{WORKING_TREE}"
    if text.startswith(REVISION):
        return f"{KERNEL}@{text}"
    return text
