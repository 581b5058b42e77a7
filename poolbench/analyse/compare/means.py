"""Geometric means over the workloads that the subjects have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from poolbench.analyse.estimate.findings import Lead, SubjectMean, WorkloadSummary
from poolbench.analyse.estimate.ledger import Ledger, estimates
from poolbench.analyse.estimate.location import Location, average, locate
from poolbench.model.estimate import Estimate
from poolbench.model.subject import LIMIT, Subject
from poolbench.model.verdict import Policy

LEAST_SHARE = 0.5
"""Subjects are left out of the means until the rest have at least this share of the workloads in common."""

Means = tuple[tuple[SubjectMean, ...], tuple[str, ...], dict[Subject, int]]


def geometric_means(ledger: Ledger, workloads: Sequence[WorkloadSummary], policy: Policy) -> Means:
    """Return the means, fastest first; the workloads they cover; and the subjects left out with their workload count.

    A workload is covered when every subject of the means was compared on it. The subject that was compared on the
    fewest workloads is left out first.
    """
    subjects, common = common_ground(
        {w.id: {cell.subject for cell in w.cells if cell.is_compared} for w in workloads},
        list(dict.fromkeys(cell.subject for w in workloads for cell in w.cells)),
    )
    covered = [w for w in workloads if w.id in common]
    means = [_mean(ledger, covered, subject, policy) for subject in subjects] if covered else []
    left_out = {
        subject: sum(cell.subject == subject and cell.is_compared for w in workloads for cell in w.cells)
        for subject in dict.fromkeys(cell.subject for w in workloads for cell in w.cells)
        if subject not in subjects
    }
    return tuple(sorted(means, key=lambda mean: mean.ratio.value)), tuple(w.id for w in covered), left_out


def lead_of(
    ledger: Ledger,
    workloads: Sequence[WorkloadSummary],
    means: Sequence[SubjectMean],
    mean_workloads: Sequence[str],
    policy: Policy,
) -> Lead | None:
    """Return the first of ``means`` against the second, paired launch by launch; None where there is no second."""
    if len(means) < 2:
        return None
    first, second = means[0].subject, means[1].subject
    covered = [w for w in workloads if w.id in mean_workloads]
    location = average([_against(ledger, w, second, first, policy) for w in covered], policy.confidence)
    p_value = min(location.p_value * len(means) * (len(means) - 1) / 2, 1.0)
    return Lead(
        subject=first,
        runner_up=second,
        ratio=_estimate(location),
        p_value=p_value,
        is_sure=location.low > 0 and p_value < policy.family_error,
    )


def common_ground(compared: dict[str, set[Subject]], subjects: Sequence[Subject]) -> tuple[list[Subject], list[str]]:
    """Return the subjects of the means and the workloads that they have in common.

    ``compared`` maps each workload to the subjects compared on it.
    """
    counts = {subject: sum(subject in found for found in compared.values()) for subject in subjects}
    kept = [subject for subject in subjects if counts[subject]]
    while True:
        common = [workload for workload, found in compared.items() if found.issuperset(kept)] if kept else []
        if len(common) >= LEAST_SHARE * len(compared) or len(kept) <= 2:
            return (kept, common) if common else ([], [])
        # Of equally many, the one named last goes first.
        kept.remove(min(reversed(kept), key=lambda subject: counts[subject]))


def _mean(ledger: Ledger, workloads: Sequence[WorkloadSummary], subject: Subject, policy: Policy) -> SubjectMean:
    ratios = [_against(ledger, w, subject, w.fastest or subject, policy) for w in workloads]
    cells = [(w, w.cell(subject)) for w in workloads]
    limits = [
        _against(ledger, w, subject, Subject(backend=LIMIT), policy)
        for w, cell in cells
        if cell is not None and cell.times_limit is not None
    ]
    return SubjectMean(
        subject=subject,
        ratio=_estimate(average(ratios, policy.confidence)),
        times_limit=_estimate(average(limits, policy.confidence)) if limits else None,
        workloads=len(ratios),
        limit_workloads=len(limits),
    )


def _against(
    ledger: Ledger, workload: WorkloadSummary, subject: Subject, reference: Subject, policy: Policy
) -> tuple[Location, list[int]]:
    """Return the location of the log ratio and the launches behind it; exactly 0 against itself."""
    if subject == reference:
        return Location(
            centre=0.0, low=0.0, high=0.0, p_value=1.0, influence=np.zeros(0), allowance=0.0, degrees=math.inf
        ), []
    launches = dict(estimates(ledger.pairs(workload.id, str(subject), str(reference))))
    return locate(list(launches.values()), policy.confidence), list(launches)


def _estimate(location: Location) -> Estimate:
    if not math.isfinite(location.high):
        return Estimate(value=math.exp(location.centre), low=0.0, high=math.inf)
    return Estimate(value=math.exp(location.centre), low=math.exp(location.low), high=math.exp(location.high))
