"""What a run found: per workload who is fastest and by how much, and geometric means over workloads.

The fastest is chosen after the fact, from the same data that then judges it. So that this choice cannot make a claim,
the family of comparisons over which false claims are controlled is that of *all* pairs of subjects, of which the table
shows those against the fastest. Ratios to the fastest of a group of equals are larger than 1 by construction, by
about a standard error: these are the ties that the table marks with ``~``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from poolbench.analyse.compare.means import geometric_means, lead_of
from poolbench.analyse.compare.notes import notes
from poolbench.analyse.estimate.contracts import Disagreement, disagreements
from poolbench.analyse.estimate.findings import Cell, RunSummary, WorkloadSummary, estimate
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.estimate.paired import all_pairs, compare_pair, fault, holm, judge, reversed_comparison
from poolbench.analyse.estimate.timing import timing
from poolbench.model.result import ResultRow, RunHeader, Status
from poolbench.model.subject import LIMIT, Subject
from poolbench.model.verdict import Comparison, Outcome, Policy, Ranking, Verdict
from poolbench.model.workload import Workload


def summarise(
    header: RunHeader,
    rows: Sequence[ResultRow],
    *,
    policy: Policy | None = None,
    ranking: Ranking = Ranking.TIME,
    ledger: Ledger | None = None,
) -> RunSummary:
    """Return what ``rows`` show, in the header's order of workloads. Pure: the same rows give the same summary.

    ``ranking`` decides the order of a workload's cells, and nothing else: the fastest stays marked as such.
    ``ledger`` is that of the same rows, where the caller has it already.
    """
    policy = policy or Policy()
    ledger = ledger or Ledger(rows, header.method.rejection)
    order = {workload.id: workload for workload in header.workloads if ledger.subjects(workload.id)}
    contests = {identity: _contest(header, ledger, workload) for identity, workload in order.items()}
    pairs = {
        (workload, *pair): comparison
        for workload, contest in contests.items()
        for pair, comparison in all_pairs(ledger, workload, contest.contenders, policy).items()
    }
    adjusted = holm({key: comparison.p_value for key, comparison in pairs.items()})
    workloads = tuple(
        _workload(ledger, workload, contests[identity], pairs, adjusted, policy) for identity, workload in order.items()
    )
    if ranking is Ranking.MEMORY:
        workloads = tuple(replace(found, cells=tuple(sorted(found.cells, key=_memory_rank))) for found in workloads)
    means, mean_workloads, left_out = geometric_means(ledger, workloads, policy)
    return RunSummary(
        header=header,
        policy=policy,
        workloads=workloads,
        means=means,
        lead=lead_of(ledger, workloads, means, mean_workloads, policy),
        mean_workloads=mean_workloads,
        notes=notes(header, ledger, workloads, mean_workloads, left_out),
        comparisons=len(pairs),
        launches=len({row.launch for row in rows}),
        importers=len({row.importer for row in rows}),
        rows=len(rows),
        measured_s=sum(row.seconds for row in rows),
        ranking=ranking,
    )


@dataclass(frozen=True, slots=True)
class _Contest:
    """Who takes part on a workload: ``contenders`` are OK and agree on what it exercises."""

    subjects: dict[str, Subject]
    contenders: tuple[str, ...]
    differs: dict[str, tuple[Disagreement, ...]]


def _contest(header: RunHeader, ledger: Ledger, workload: Workload) -> _Contest:
    known = set(ledger.subjects(workload.id)) - {LIMIT}
    subjects = {text: subject for subject in header.subjects if (text := str(subject)) in known}
    failed = {text for text in subjects if ledger.failure(workload.id, text) is not None}
    sound = [s for s in subjects if s not in failed and timing(ledger, workload, s) is not None]
    contracts = {subject: ledger.rows(workload.id, subject)[-1].row.contract for subject in sound}
    differs = disagreements(workload, contracts)
    return _Contest(subjects, tuple(s for s in sound if s not in differs), differs)


def _workload(
    ledger: Ledger,
    workload: Workload,
    contest: _Contest,
    pairs: dict[tuple[str, str, str], Comparison],
    adjusted: dict[tuple[str, str, str], float],
    policy: Policy,
) -> WorkloadSummary:
    identity = workload.id
    against = _directed(identity, contest.contenders, pairs)
    fastest = _fastest(contest.contenders, against)
    cells = []
    for subject in contest.subjects:
        verdict = None
        if fastest is not None and subject in contest.contenders and subject != fastest:
            comparison = against[subject, fastest]
            key = (identity, subject, fastest)
            key = key if key in pairs else (identity, fastest, subject)
            verdict = judge(
                comparison, policy, adjusted[key], family=len(pairs), fault=fault(ledger, comparison, policy)
            )
        cells.append(_cell(ledger, workload, subject, contest, fastest, verdict, policy))
    sound_limit = ledger.failure(identity, LIMIT) is None
    rows = [ledger.rows(identity, subject) for subject in contest.subjects]
    return WorkloadSummary(
        workload=workload,
        cells=tuple(sorted(cells, key=_rank)),
        fastest=None if fastest is None else contest.subjects[fastest],
        limit=timing(ledger, workload, LIMIT, policy.confidence) if sound_limit else None,
        launches=max((len(reduced) for reduced in rows), default=0),
        blocks=max((sum(len(part.slots) for part in reduced) for reduced in rows), default=0),
    )


def _cell(
    ledger: Ledger,
    workload: Workload,
    subject: str,
    contest: _Contest,
    fastest: str | None,
    verdict: Verdict | None,
    policy: Policy,
) -> Cell:
    identity, who = workload.id, contest.subjects[subject]
    failure = ledger.failure(identity, subject)
    if failure is not None:
        return Cell(workload=identity, subject=who, status=failure.status, note=failure.note)
    to_limit = compare_pair(ledger, identity, subject, LIMIT, policy)
    knows_limit = to_limit.launches > 0 and not fault(ledger, to_limit, policy)
    return Cell(
        workload=identity,
        subject=who,
        status=Status.OK,
        timing=timing(ledger, workload, subject, policy.confidence),
        verdict=verdict,
        times_limit=estimate(to_limit) if knows_limit else None,
        layout=ledger.rows(identity, subject)[-1].row.layout,
        kernels=tuple(ledger.rows(identity, subject)[-1].row.kernels.items()),
        memory=ledger.memory(identity, subject),
        is_fastest=subject == fastest,
        is_tie=verdict is not None and verdict.outcome in (Outcome.SAME, Outcome.UNDECIDED),
        differs=contest.differs.get(subject, ()),
    )


def _directed(
    workload: str, contenders: Sequence[str], pairs: dict[tuple[str, str, str], Comparison]
) -> dict[tuple[str, str], Comparison]:
    """Return each pair's comparison in both directions."""
    both: dict[tuple[str, str], Comparison] = {}
    for subject in contenders:
        for reference in contenders:
            found = pairs.get((workload, subject, reference))
            if found is not None:
                both[subject, reference] = found
                both[reference, subject] = reversed_comparison(found)
    return both


def _fastest(contenders: Sequence[str], against: dict[tuple[str, str], Comparison]) -> str | None:
    """Return the contender that none beats in the paired ratios; of several, the first in the header's order."""

    def worst_ratio(candidate: str) -> float:
        ratios = [against[other, candidate].ratio for other in contenders if other != candidate]
        known = [ratio for ratio in ratios if not math.isnan(ratio)]
        return min(known) if known else -math.inf if ratios else math.inf

    return max(contenders, key=worst_ratio, default=None)


def _rank(cell: Cell) -> tuple[int, float]:
    if cell.is_fastest:
        return 0, 0.0
    if cell.is_compared and cell.ratio is not None:
        return 1, cell.ratio.value
    return (2, cell.timing.median_ns) if cell.timing is not None else (3, 0.0)


def _memory_rank(cell: Cell) -> tuple[float, float]:
    """Rank by the requested peak, then by the touched one; what is unknown comes last, in the order that it is in."""
    amounts = () if cell.memory is None else (cell.memory.requested.bytes, cell.memory.touched.bytes)
    requested, touched = (math.inf if amount is None else amount for amount in amounts or (None, None))
    return requested, touched
