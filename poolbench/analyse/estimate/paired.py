"""Comparisons from interleaved rows, and the verdicts that a table of them allows.

Within a launch, each clean block gives the differences of log times of a subject's slots to a reference's, each to
each, and a launch gives their median. Launches are the units of the interval: the placement of buffers and pages moves
a ratio by about 1 % from launch to launch and is constant within one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np

from poolbench.analyse.estimate.ledger import Ledger, estimates
from poolbench.analyse.estimate.location import LEAST_LAUNCHES, locate
from poolbench.model.result import ResultRow
from poolbench.model.sample import RejectionRule
from poolbench.model.subject import LIMIT
from poolbench.model.verdict import Comparison, Outcome, Policy, Verdict
from poolbench.quantities import percent, signed_percent

Key = TypeVar("Key", bound=Hashable)


def compare(rows: Sequence[ResultRow], *, reference: str, policy: Policy, rejection: RejectionRule) -> list[Verdict]:
    """Return a verdict for each workload × subject against ``reference``, in the order of the rows.

    The streaming limit is no subject here. The family over which false claims are controlled is the returned table.
    """
    ledger = Ledger(rows, rejection)
    table = [
        (workload, subject)
        for workload in ledger.workloads()
        for subject in ledger.subjects(workload)
        if subject not in (reference, LIMIT) and ledger.rows(workload, reference)
    ]
    comparisons = {(w, s): compare_pair(ledger, w, s, reference, policy) for w, s in table}
    adjusted = holm({key: comparison.p_value for key, comparison in comparisons.items()})
    return [
        judge(comparison, policy, adjusted[key], family=len(table), fault=fault(ledger, comparison, policy))
        for key, comparison in comparisons.items()
    ]


def all_pairs(
    ledger: Ledger, workload: str, subjects: Sequence[str], policy: Policy
) -> dict[tuple[str, str], Comparison]:
    """Return the comparisons of all pairs of ``subjects``, by (subject, reference), each pair once."""
    return {
        (subject, reference): compare_pair(ledger, workload, subject, reference, policy)
        for reference, subject in combinations(subjects, 2)
    }


def compare_pair(ledger: Ledger, workload: str, subject: str, reference: str, policy: Policy) -> Comparison:
    """Return the ratio of a subject's time to a reference's with its interval.

    The ratio is NaN where no launch has a clean block, the interval 0 to infinity where fewer than three have.
    """
    pairs = ledger.pairs(workload, subject, reference)
    blocks = sum(len(pair.pairings) for pair in pairs)
    dropped = sum(pair.dropped for pair in pairs)
    launches = dict(estimates(pairs))
    values = list(launches.values())
    if values:
        location = locate(values, policy.confidence)
        # A difference of logs beyond this overflows; no two times of one workload are that far apart.
        ratio, low, high = (math.exp(min(value, 700.0)) for value in (location.centre, location.low, location.high))
        high = math.inf if math.isinf(location.high) else high
        p_value = location.p_value
    else:
        ratio, low, high, p_value = math.nan, 0.0, math.inf, 1.0
    return Comparison(
        workload=workload,
        subject=subject,
        reference=reference,
        ratio=ratio,
        low=low,
        high=high,
        p_value=p_value,
        blocks=blocks,
        launches=len(values),
        launch_spread=float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        drift=_drift(launches),
        rejected=dropped / (blocks + dropped) if blocks + dropped else 0.0,
    )


def reversed_comparison(comparison: Comparison) -> Comparison:
    """Return the same comparison with subject and reference exchanged."""
    return Comparison(
        workload=comparison.workload,
        subject=comparison.reference,
        reference=comparison.subject,
        ratio=1 / comparison.ratio,
        low=0.0 if math.isinf(comparison.high) else 1 / comparison.high,
        high=math.inf if comparison.low == 0 else 1 / comparison.low,
        p_value=comparison.p_value,
        blocks=comparison.blocks,
        launches=comparison.launches,
        launch_spread=comparison.launch_spread,
        drift=-comparison.drift,
        rejected=comparison.rejected,
    )


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Return p-values adjusted by Holm's method: their threshold bounds the chance of even one false claim."""
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for rank, key in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        largest = max(largest, min((len(p_values) - rank) * p_values[key], 1.0))
        adjusted[key] = largest
    return {key: adjusted[key] for key in p_values}


def fault(ledger: Ledger, comparison: Comparison, policy: Policy) -> str:
    """Say why a comparison is invalid, or return an empty text where it is not."""
    for subject in (comparison.subject, comparison.reference):
        row = ledger.failure(comparison.workload, subject)
        if row is not None:
            return f"{subject} ended {row.status}" + (f": {row.note}" if row.note else ".")
    if comparison.rejected > policy.max_rejected:
        return (
            f"{percent(comparison.rejected)} of the blocks were contaminated; "
            f"above {percent(policy.max_rejected)} nothing is said."
        )
    if comparison.launches == 0:
        return f"{comparison.subject} and {comparison.reference} have no clean block in common."
    return ""


def judge(comparison: Comparison, policy: Policy, adjusted_p: float, *, family: int, fault: str = "") -> Verdict:
    """Return what may be said of a comparison, given its p-value adjusted for a family of ``family`` comparisons.

    "Same" comes first: a difference that is real but proven smaller than what is relevant is not called one.
    """
    outcome, reason = (Outcome.INVALID, fault) if fault else _outcome(comparison, policy, adjusted_p, family)
    return Verdict(outcome=outcome, reason=reason, comparison=comparison, policy=policy)


def _outcome(comparison: Comparison, policy: Policy, adjusted_p: float, family: int) -> tuple[Outcome, str]:
    least = max(policy.min_launches, LEAST_LAUNCHES)
    if comparison.launches < least:
        return Outcome.UNDECIDED, f"Only {comparison.launches} of the {least} launches that an interval needs."
    interval = (
        f"the {percent(policy.confidence)} interval runs from {_change(comparison.low)} to {_change(comparison.high)}"
    )
    relevant = policy.relevant_change
    excludes_one = comparison.low > 1 or comparison.high < 1
    if comparison.low >= 1 - relevant and comparison.high <= 1 + relevant:
        return Outcome.SAME, f"Any difference is smaller than {percent(relevant)}: {interval}."
    if not excludes_one:
        return Outcome.UNDECIDED, f"Either may be faster: {interval}."
    if adjusted_p >= policy.family_error:
        return Outcome.UNDECIDED, (
            f"Not sure enough for a table of {family} comparisons (adjusted p = {adjusted_p:.2g}): {interval}."
        )
    outcome = Outcome.FASTER if comparison.ratio < 1 else Outcome.SLOWER
    return outcome, f"{outcome.capitalize()} ({_change(comparison.ratio)}): {interval}."


def _change(ratio: float) -> str:
    """Write a ratio of times as a change in per cent, or where that would be hard to read, as a factor."""
    return signed_percent(ratio - 1) if 0.5 < ratio < 2 else f"{ratio:.3g} ×"


def _drift(launches: Mapping[int, float]) -> float:
    """Return the trend of the log ratio from the first launch to the last: Theil and Sen's slope times the span."""
    if len(launches) < LEAST_LAUNCHES:
        return math.nan
    numbers = np.array(list(launches), dtype=np.float64)
    values = np.array(list(launches.values()))
    first, second = np.triu_indices(len(numbers), k=1)
    slope = np.median((values[second] - values[first]) / (numbers[second] - numbers[first]))
    return float(slope * (numbers[-1] - numbers[0]))
