"""The gate's error rates on this machine, from a run that carries copies and slowed copies in the same blocks.

Subjects come in pairs that share nobody: each slowed copy with a plain one, and plain ones with each other. So each
pair gives what a gate of its own would. A run is cut into pieces of so many seconds a verdict; each piece gives one
gate a pair, with a verdict for each workload by the gate's own code, from rows that no other piece has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from poolbench.analyse.estimate.disturbance import disturbance
from poolbench.analyse.estimate.student import share_bounds
from poolbench.analyse.gate.judge import confirmed, is_suspected, judge, weigh
from poolbench.model.calibration import Calibration, Rates
from poolbench.model.gate import GatePolicy
from poolbench.model.method import Method
from poolbench.model.result import ResultRow, RunHeader, Status
from poolbench.model.sample import RejectionRule, Sample
from poolbench.model.stage import Stage
from poolbench.model.subject import Subject
from poolbench.model.verdict import Outcome

SIZES = (1.02, 1.03, 1.05, 1.1, 1.2)
FOUND = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One verdict: what was planted (1 for none), what the gate said, and what comparing medians would have said.

    ``seconds`` is the wall time of a gate that measures this pair alone with this much data; ``cpu_ratio`` the CPU
    time of head over base; ``is_suspected`` whether the survey asked for a confirmation.
    """

    workload: str
    piece: int
    head: str
    planted: float
    outcome: Outcome
    is_regression: bool
    ratio: float
    is_suspected: bool
    seconds: float
    cpu_ratio: float
    medians_ratio: float


def pairs_of(subjects: Sequence[Subject]) -> list[tuple[str, str, float]]:
    """Return the pairs that are judged, base, head and what is planted. No subject is in two of them.

    Of the plain copies the first are the bases of the slowed ones; the rest are equal pairs.
    """
    slowed = [(str(subject), subject.slow) for subject in subjects if subject.slow != 1.0]
    plain = [str(subject) for subject in subjects if subject.slow == 1.0]
    equal = plain[len(slowed) :]
    return [
        *((base, head, 1.0) for base, head in zip(equal[::2], equal[1::2], strict=True)),
        *((base, head, slow) for base, (head, slow) in zip(plain, slowed, strict=False)),
    ]


def pieces_of(rows: Iterable[ResultRow], joined: int = 1) -> dict[tuple[str, int], list[ResultRow]]:
    """Return the rows of each finished piece, by workload and number: a survey, and the confirmation behind it.

    A piece ends where the next survey begins; the last one of a workload ends where its aim was reached. The survey
    has two fifths of the time, so that a confirmation with fewer launches was cut short. ``joined`` consecutive pieces
    are one, as if a gate had so many times the time: their surveys are one survey, their confirmations one
    confirmation. Pieces that are left over give none.
    """
    by_workload: dict[str, list[ResultRow]] = {}
    for row in rows:
        by_workload.setdefault(row.workload, []).append(row)
    pieces: dict[tuple[str, int], list[ResultRow]] = {}
    for workload, mine in by_workload.items():
        number, before = 0, Stage.SURVEY
        for row in sorted(mine, key=lambda row: row.launch):
            if row.stage is Stage.SURVEY and before is Stage.CONFIRMATION:
                number += 1
            before = row.stage
            pieces.setdefault((workload, number), []).append(row)
    finished = {
        key: piece
        for key, piece in pieces.items()
        if len(_launches(piece, Stage.CONFIRMATION)) >= len(_launches(piece, Stage.SURVEY))
    }
    return _join(finished, joined) if joined > 1 else finished


def _join(pieces: Mapping[tuple[str, int], list[ResultRow]], joined: int) -> dict[tuple[str, int], list[ResultRow]]:
    longer: dict[tuple[str, int], list[ResultRow]] = {}
    for workload, number in pieces:
        if number % joined == 0:
            parts = [pieces.get((workload, number + later)) for later in range(joined)]
            if all(parts):
                longer[workload, number // joined] = [row for part in parts if part for row in part]
    return longer


def trials(
    rows: Sequence[ResultRow], subjects: Sequence[Subject], policy: GatePolicy, method: Method, *, joined: int = 1
) -> list[Trial]:
    """Return every verdict that the run gives; pieces that are not finished give none.

    A pair on all workloads of a piece is one gate: its suspicions are the family over which false claims are
    controlled. ``joined`` pieces are a gate that has so many times the seconds.
    """
    pieces = pieces_of(rows, joined)
    found: list[Trial] = []
    for number in sorted({number for _, number in pieces}):
        gate = {workload: piece for (workload, other), piece in pieces.items() if other == number}
        for base, head, planted in pairs_of(subjects):
            found += _verdicts(gate, number, base, head, planted, policy, method)
    return found


def _verdicts(
    gate: Mapping[str, list[ResultRow]],
    number: int,
    base: str,
    head: str,
    planted: float,
    policy: GatePolicy,
    method: Method,
) -> Iterator[Trial]:
    """Yield the verdicts of one pair on the workloads of one piece, as a gate of its own would give them."""
    pairs = {workload: [row for row in piece if row.subject in (base, head)] for workload, piece in gate.items()}
    pairs = {w: rows for w, rows in pairs.items() if len({r.subject for r in rows if r.status is Status.OK}) == 2}
    weighed = {workload: weigh(rows, workload, head, base, policy, method) for workload, rows in pairs.items()}
    suspected = {workload: part for workload, part in weighed.items() if is_suspected(part, policy)}
    adjusted = confirmed(suspected)
    for workload, rows in pairs.items():
        if workload not in adjusted:
            # Where nothing is suspected the gate spends the rest of its time on the survey.
            surveyed = [replace(row, stage=Stage.SURVEY) for row in rows]
            weighed[workload] = weigh(surveyed, workload, head, base, policy, method)
        verdict = judge(weighed[workload], adjusted.get(workload), policy, family=len(adjusted))
        yield Trial(
            workload=workload,
            piece=number,
            head=head,
            planted=planted,
            outcome=verdict.outcome,
            is_regression=verdict.is_regression,
            ratio=verdict.comparison.ratio,
            is_suspected=workload in adjusted,
            seconds=seconds_of(gate[workload], 2),
            cpu_ratio=_cpu_ratio(rows, base, head, method.rejection),
            medians_ratio=one_after_the_other(rows, base, head),
        )


def _launches(rows: Iterable[ResultRow], stage: Stage) -> set[int]:
    return {row.launch for row in rows if row.stage is stage}


def seconds_of(rows: Iterable[ResultRow], subjects: int) -> float:
    """Return the wall seconds that rows of so many subjects would have taken: a group's time is booked evenly."""
    rows = list(rows)
    launches: dict[int, list[float]] = {}
    for row in rows:
        launches.setdefault(row.launch, []).append(row.seconds)
    return sum(subjects * sum(parts) / len(parts) for parts in launches.values())


def one_after_the_other(rows: Sequence[ResultRow], base: str, head: str) -> float:
    """Return the ratio of medians that two measurements one after the other would have given.

    The base's slots are those of the first half of the launches, the head's those of the second half. The samples are
    the gate's own, taken over the same stretch of time; each side has half of them, dozens of slots, of which a median
    needs no more. Contaminated slots count: who compares medians does not look for them.
    """
    launches = sorted({row.launch for row in rows})
    middle = launches[len(launches) // 2] if launches else 0

    def level(subject: str, *, is_late: bool) -> float:
        calls = [
            sample.call_ns for row in rows if row.subject == subject and (row.launch >= middle) == is_late
            for sample in row.samples
        ]  # fmt: skip
        return median(calls) if calls else math.nan

    return level(head, is_late=True) / level(base, is_late=False)


def summarise_trials(found: Sequence[Trial], policy: GatePolicy) -> tuple[Rates, ...]:
    """Return the rates by what was planted, nothing first."""
    rates = []
    for planted in sorted({trial.planted for trial in found}):
        mine = [trial for trial in found if trial.planted == planted]
        claimed = (Outcome.SLOWER, Outcome.FASTER) if planted == 1.0 else (Outcome.SLOWER,)
        hits = sum(trial.outcome in claimed for trial in mine)
        low, high = share_bounds(hits, len(mine))
        outcomes = [trial.outcome for trial in mine]
        rates.append(
            Rates(
                planted=planted,
                verdicts=len(mine),
                found=hits,
                low=low,
                high=high,
                same=outcomes.count(Outcome.SAME),
                undecided=outcomes.count(Outcome.UNDECIDED),
                invalid=outcomes.count(Outcome.INVALID),
                failed_gate=sum(trial.is_regression for trial in mine),
                cpu_ratio=median([t.cpu_ratio for t in mine if math.isfinite(t.cpu_ratio)] or [math.nan]),
                medians_found=sum(_medians_say(trial, policy) for trial in mine),
            )
        )
    return tuple(rates)


def smallest_found(rates: Sequence[Rates], share: float = FOUND) -> float | None:
    """Return the planted factor that is found in ``share`` of the verdicts; None where none is.

    Between two planted factors it is interpolated; below the smallest one nothing is said.
    """
    planted = sorted((part for part in rates if part.planted > 1), key=lambda part: part.planted)
    before: Rates | None = None
    for part in planted:
        power = part.found / part.verdicts
        if power >= share:
            if before is None:
                return part.planted
            below = before.found / before.verdicts
            return before.planted + (part.planted - before.planted) * (share - below) / (power - below)
        before = part
    return None


def calibration(
    header: RunHeader,
    rows: Sequence[ResultRow],
    *,
    policy: GatePolicy,
    seconds_per_verdict: float,
    neighbour: str = "none",
) -> Calibration:
    """Return the error rates that a run shows. Raises ValueError where not one piece of it is finished."""
    found = trials(rows, header.subjects, policy, header.method)
    if not found:
        raise ValueError("no verdict is finished")
    rates = summarise_trials(found, policy)
    return Calibration(
        run=header.run,
        machine=header.machine.key,
        measured_at=header.started_at,
        revision=header.revision,
        subjects=tuple(map(str, header.subjects)),
        workloads=tuple(workload.id for workload in header.workloads),
        policy=policy,
        method=header.method,
        budget_per_verdict=seconds_per_verdict,
        seconds_per_verdict=sum(trial.seconds for trial in found) / len(found),
        rates=rates,
        smallest_found=smallest_found(rates),
        medians_threshold=_quiet_threshold([trial for trial in found if trial.planted == 1.0]),
        neighbour=neighbour,
        disturbance=disturbance(rows, header.method.rejection, threads=header.method.threads),
    )


def _medians_say(trial: Trial, policy: GatePolicy) -> bool:
    """Whether comparing medians would have raised an alarm, in the direction that counts."""
    bound = 1 + policy.tolerance
    return trial.medians_ratio >= bound or (trial.planted == 1.0 and trial.medians_ratio <= 1 / bound)


def _quiet_threshold(equal: Sequence[Trial]) -> float:
    """Return the ratio of medians (above 1) that one in a hundred equal pairs exceeds, in either direction."""
    changes = sorted(math.exp(abs(math.log(trial.medians_ratio))) for trial in equal if trial.medians_ratio > 0)
    return changes[math.ceil(0.99 * len(changes)) - 1] if changes else math.nan


def _cpu_ratio(rows: Sequence[ResultRow], base: str, head: str, rejection: RejectionRule) -> float:
    """Return the CPU time of a call of ``head`` over that of ``base``: the median over launches of clean slots."""

    def cost(row: ResultRow) -> float | None:
        clean: list[Sample] = [sample for sample in row.samples if not rejection.rejects(sample)]
        return median(sample.cpu_ns / sample.loops for sample in clean) if clean else None

    by_launch: dict[int, dict[str, float]] = {}
    for row in rows:
        value = cost(row)
        if value is not None:
            by_launch.setdefault(row.launch, {})[row.subject] = value
    ratios = [both[head] / both[base] for both in by_launch.values() if len(both) == 2 and both[base] > 0]
    return median(ratios) if ratios else math.nan
