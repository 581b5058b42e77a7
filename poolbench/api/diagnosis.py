"""What this machine is, how fast its memory streams, and how well it tells equals apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from poolbench.analyse.compare.stopping import BudgetRule
from poolbench.analyse.estimate.paired import compare
from poolbench.catalogue.sets import members
from poolbench.measure.advice import Advice, advice
from poolbench.measure.inputs import InputStore
from poolbench.measure.launcher import ProcessLauncher
from poolbench.measure.limit.probe import bandwidth
from poolbench.measure.machine import fingerprint
from poolbench.measure.session import RunStamp, Session
from poolbench.model.machine import MachineFingerprint
from poolbench.model.method import Method
from poolbench.model.result import ResultRow
from poolbench.model.subject import number_copies, parse_subject
from poolbench.model.verdict import Comparison, Policy
from poolbench.store.lock import machine_lock

AA_SECONDS = 12.0
AA_SUBJECT = "numpy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """``bandwidth`` maps what was streamed from to GB/s; ``aa`` compares a subject with itself."""

    machine: MachineFingerprint
    bandwidth: dict[str, float]
    aa: Comparison | None
    advice: tuple[Advice, ...]


def diagnose(*, threads: int = 1) -> Diagnosis:
    """Examine this machine; takes about a quarter of a minute. Raises RunLockedError while a run is measuring."""
    with machine_lock("poolbench doctor"):
        machine = fingerprint(steal_sample_s=1.0)
        speeds = bandwidth(threads)
        aa = _against_itself()
    # Where the machine is so busy that too few blocks were clean, the interval is unbounded.
    noise = None if aa is None or aa.low <= 0 else math.log(aa.high / aa.low) / 2
    dram = min(speeds.values(), default=None)
    return Diagnosis(machine=machine, bandwidth=speeds, aa=aa, advice=tuple(advice(machine, dram, noise)))


def _against_itself() -> Comparison | None:
    """Measure one subject twice in the same blocks: whatever differs is this machine's noise."""
    workload = members("smoke")[0]
    subjects = tuple(number_copies([parse_subject(AA_SUBJECT)] * 2))
    method, policy = Method(memory=False), Policy()
    names = tuple(str(subject) for subject in subjects)
    rule = BudgetRule(
        workloads=(workload.id,), subjects=names, budget_s=AA_SECONDS, policy=policy, rejection=method.rejection
    )
    with InputStore(seed=method.seed) as inputs, ProcessLauncher(subjects, method) as launcher:
        session = Session(
            stamp=RunStamp(run="doctor", machine="", revision="", dirty=False),
            workloads=(workload,),
            subjects=subjects,
            method=method,
            rule=rule,
            launcher=launcher,
            inputs=inputs,
        )
        rows: list[ResultRow] = [row for group in session.rows() for row in group]
    verdicts = compare(rows, reference=names[0], policy=policy, rejection=method.rejection)
    return verdicts[0].comparison if verdicts else None
