"""The gate's verdicts: a head against its base on each workload, from survey and confirmation.

The survey says where a difference is suspected, generously. What is suspected is measured again in processes that were
started afterwards. They must agree, and both stages together must show more than the choice of what to measure again
explains (``selection``): so the family over which false claims are controlled (Holm) is the suspected workloads alone.
``docs/decisions/0013-gate.md`` has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from poolbench.analyse.estimate.disturbance import disturbance
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.estimate.location import LEAST_LAUNCHES, error_of_clusters, locate, standard_error
from poolbench.analyse.estimate.paired import compare_pair, fault, holm
from poolbench.analyse.estimate.student import t_tail
from poolbench.analyse.gate.selected_p import selected_p
from poolbench.model.gate import GatePolicy, GateResult, GateTerms, GateVerdict, MemoryChange
from poolbench.model.memory import NOT_MEASURED, Amount
from poolbench.model.method import Method
from poolbench.model.result import ResultRow, RunHeader, Status
from poolbench.model.stage import Stage
from poolbench.model.subject import Subject
from poolbench.model.verdict import Comparison, Outcome
from poolbench.quantities import counted, percent, signed_percent

MEMORY_SLACK = {"strided": 0, "numpy": 0, "fake": 0, "torch": 1024, "tensorflow": 32 * 1024}
"""Bytes by which what a framework requests for itself varies from call to call (docs/measuring.md)."""

OTHER_SLACK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What one workload's rows say of a pair: over all launches, and by stage.

    ``survey_p`` is two-sided; ``confirmation_p`` one-sided, in the direction of the survey; ``claim_p`` is that of both
    stages together, given that the survey was suspicious, and 1 where fresh processes do not agree. All are of the
    hypothesis that times differ by ``least_change`` at most. 1 where there are too few launches.
    """

    ledger: Ledger
    comparison: Comparison
    confirmation: Comparison | None
    survey_p: float
    confirmation_p: float
    claim_p: float
    is_slower: bool
    samples: int
    fault: str


def judge_run(header: RunHeader, rows: Sequence[ResultRow], terms: GateTerms) -> GateResult:
    """Return what a gate says of a run on ``terms``: at its end, again from its file, and in its report."""
    return gate(
        rows,
        base=terms.base,
        head=terms.head,
        policy=terms.policy,
        method=header.method,
        workloads=[workload.id for workload in header.workloads],
    )


def gate(
    rows: Sequence[ResultRow],
    *,
    base: Subject,
    head: Subject,
    policy: GatePolicy,
    method: Method,
    workloads: Sequence[str] = (),
) -> GateResult:
    """Return the verdict of ``head`` against ``base`` for each of ``workloads``, by default those of the rows."""
    sides = str(base), str(head)
    rows = [row for row in rows if row.subject in sides]
    skipped = {row.workload: row.note for row in rows if _neither_supports(row.workload, rows, *sides)}
    asked = [w for w in (workloads or dict.fromkeys(row.workload for row in rows)) if w not in skipped]
    found = {workload: weigh(rows, workload, str(head), str(base), policy, method) for workload in asked}
    adjusted = confirmed(found)
    return GateResult(
        base=base,
        head=head,
        policy=policy,
        method=method,
        verdicts=tuple(
            _with_memory(judge(found[w], adjusted.get(w), policy, family=len(adjusted)), found[w].ledger, base, head)
            for w in asked
        ),
        skipped=tuple(f"{workload}: {note}" for workload, note in skipped.items()),
        disturbance=disturbance(rows, method.rejection, threads=head.threads or method.threads),
    )


def weigh(
    rows: Iterable[ResultRow], workload: str, head: str, base: str, policy: GatePolicy, method: Method
) -> Weighed:
    """Return what ``rows`` say of ``head`` against ``base`` on ``workload``."""
    mine = (row for row in rows if row.workload == workload and row.subject in (head, base))
    return weigh_ledger(Ledger(mine, method.rejection, method.clock), workload, head, base, policy)


def weigh_ledger(ledger: Ledger, workload: str, head: str, base: str, policy: GatePolicy) -> Weighed:
    """Return what a ledger says of ``head`` against ``base`` on ``workload``."""
    mine = [reduced.row for subject in (head, base) for reduced in ledger.rows(workload, subject)]
    stages = {stage: ledger.of_stage(stage) for stage in Stage}
    comparison = compare_pair(ledger, workload, head, base, policy.intervals)
    has_confirmation = any(row.stage is Stage.CONFIRMATION for row in mine)
    survey = _claim(stages[Stage.SURVEY], workload, head, base, policy)
    again = _claim(stages[Stage.CONFIRMATION], workload, head, base, policy)
    is_slower = survey.surplus > 0
    agrees = (again.surplus > 0) == is_slower and again.surplus != 0
    confirmation_p = again.tail if agrees else 1.0
    claim_p = 1.0
    if confirmation_p < policy.agreement:
        together = _claim(ledger, workload, head, base, policy)
        share = survey.launches / (survey.launches + again.launches)
        if (together.surplus > 0) == is_slower:
            claim_p = selected_p(together.tail, suspicion=policy.suspicion, share=share)
    return Weighed(
        ledger=ledger,
        comparison=comparison,
        confirmation=compare_pair(stages[Stage.CONFIRMATION], workload, head, base, policy.intervals)
        if has_confirmation
        else None,
        survey_p=min(2 * survey.tail, 1.0),
        confirmation_p=confirmation_p,
        claim_p=claim_p,
        is_slower=is_slower,
        samples=sum(len(row.samples) for row in mine if row.status is Status.OK),
        fault=fault(ledger, comparison, policy.intervals) or _too_few(comparison, policy),
    )


def is_suspected(weighed: Weighed, policy: GatePolicy) -> bool:
    """Whether a difference is to be measured again in fresh processes."""
    return not weighed.fault and weighed.survey_p < policy.suspicion


def is_same(weighed: Weighed, policy: GatePolicy) -> bool:
    """Whether the interval over all launches lies within the tolerance, in either direction."""
    bound = 1 + policy.tolerance
    return not weighed.fault and 1 / bound <= weighed.comparison.low and weighed.comparison.high <= bound


def confirmed(found: Mapping[str, Weighed]) -> dict[str, float]:
    """Return the p-values of what was measured again, adjusted for their number."""
    return holm({key: part.claim_p for key, part in found.items() if part.confirmation is not None})


def judge(weighed: Weighed, adjusted_p: float | None, policy: GatePolicy, *, family: int = 1) -> GateVerdict:
    """Return the verdict. ``adjusted_p`` is the confirmation's, None where nothing was measured again."""
    comparison, confirmation = weighed.comparison, weighed.confirmation
    outcome, reason = _outcome(weighed, adjusted_p, policy, family)
    return GateVerdict(
        workload=comparison.workload,
        outcome=outcome,
        reason=reason,
        comparison=comparison,
        confirmation=confirmation,
        samples=weighed.samples,
        # The estimate, not the interval's end: whether it is slower at all has been shown by then, and asking that the
        # whole interval lies beyond the tolerance would let a slowdown of the tolerance's size pass nearly always.
        is_regression=outcome is Outcome.SLOWER and comparison.ratio >= 1 + policy.tolerance,
    )


def _outcome(weighed: Weighed, adjusted_p: float | None, policy: GatePolicy, family: int) -> tuple[Outcome, str]:
    comparison = weighed.comparison
    if weighed.fault:
        return Outcome.INVALID, weighed.fault
    interval = f"95 % interval {comparison.low:.3f} to {comparison.high:.3f}"
    change = signed_percent(comparison.ratio - 1)
    if weighed.confirmation is not None and adjusted_p is not None and adjusted_p < 1 - policy.confidence:
        outcome = Outcome.SLOWER if weighed.is_slower else Outcome.FASTER
        again = signed_percent(weighed.confirmation.ratio - 1)
        beyond = ""
        if outcome is Outcome.SLOWER:
            is_beyond = comparison.ratio >= 1 + policy.tolerance
            beyond = f"; {'beyond' if is_beyond else 'below'} the tolerance of {percent(policy.tolerance)}"
        return outcome, (
            f"{outcome.capitalize()} by {change} ({interval}); fresh processes confirm it with {again} "
            f"(both together: p = {adjusted_p:.1g} among {counted(family, 'suspicion')}){beyond}."
        )
    is_checked = weighed.confirmation is not None and weighed.confirmation.launches >= policy.min_launches
    suspicion = " A suspicion was not confirmed in fresh processes." if is_checked else ""
    if is_same(weighed, policy):
        return Outcome.SAME, f"Within ± {percent(policy.tolerance)}: {interval}.{suspicion}"
    if is_suspected(weighed, policy) and not is_checked:
        return Outcome.UNDECIDED, f"A difference of {change} is suspected, and the budget left no time to confirm it."
    wanted = f"neither a difference nor equality within ± {percent(policy.tolerance)} is sure: {interval}"
    return Outcome.UNDECIDED, f"{wanted[0].upper()}{wanted[1:]}.{suspicion or ' A larger --budget decides.'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """By how much a log ratio exceeds the least change (signed), and the chance of so much without a difference."""

    surplus: float
    tail: float
    launches: int = 0


def _claim(ledger: Ledger, workload: str, head: str, base: str, policy: GatePolicy) -> _Claim:
    pairs = [pair for pair in ledger.pairs(workload, head, base) if pair.pairings]
    values = [pair.estimate for pair in pairs]
    if len(values) < max(policy.min_launches, LEAST_LAUNCHES):
        return _Claim(surplus=0.0, tail=1.0, launches=len(values))
    location = locate(values)
    least = math.log1p(policy.least_change) + location.allowance
    size = abs(location.centre) - least
    if size <= 0:
        return _Claim(surplus=math.copysign(1e-12, location.centre), tail=0.5, launches=len(values))
    error = max(
        float(standard_error(location.influence)),
        error_of_clusters(location.influence, [pair.importer for pair in pairs]),
    )
    tail = t_tail(size / error, location.degrees) if error > 0 else 0.0
    return _Claim(surplus=math.copysign(size, location.centre), tail=tail, launches=len(values))


def _too_few(comparison: Comparison, policy: GatePolicy) -> str:
    if comparison.launches >= policy.min_launches:
        return ""
    return (
        f"Only {counted(comparison.launches, 'launch', 'launches')} could be compared; "
        f"{policy.min_launches} is the least: give a larger --budget."
    )


def _neither_supports(workload: str, rows: Sequence[ResultRow], base: str, head: str) -> bool:
    refusing = {row.subject for row in rows if row.workload == workload and row.status is Status.UNSUPPORTED}
    return refusing == {base, head}


def _without_memory(verdict: GateVerdict, before: Amount, after: Amount) -> GateVerdict:
    """Say why there is no memory to compare; where one side alone has none, its growth would pass unseen: invalid."""
    if before.bytes is None and after.bytes is None:
        return replace(verdict, memory_reason=before.note or after.note)
    side, missing = ("base", before) if before.bytes is None else ("head", after)
    return replace(
        verdict,
        outcome=Outcome.INVALID,
        is_regression=False,
        memory_reason=missing.note,
        reason=f"The memory of {side} alone was {missing.note or NOT_MEASURED} --no-memory leaves memory out. "
        f"Of time: {verdict.reason}",
    )


def _with_memory(verdict: GateVerdict, ledger: Ledger, base: Subject, head: Subject) -> GateVerdict:
    accounts = [ledger.memory(verdict.workload, str(subject)) for subject in (base, head)]
    if any(account is None for account in accounts):
        return replace(verdict, memory_reason="Memory was not measured.")
    before, after = (account.requested for account in accounts if account is not None)
    if before.bytes is None or after.bytes is None:
        return _without_memory(verdict, before, after)
    slack = MEMORY_SLACK.get(head.framework, OTHER_SLACK)
    change = MemoryChange(base_bytes=before.bytes, head_bytes=after.bytes, slack=slack)
    reason = ""
    if change.is_growth:
        reason = (
            f"A call requests {after.bytes:,} bytes in place of {before.bytes:,}: "
            f"{after.bytes - before.bytes:,} more"
            + (f", {slack:,} of which may be the framework's own." if slack else ".")
        )
    return replace(verdict, memory=change, memory_reason=reason)
