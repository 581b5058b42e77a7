"""The gate: base and head measured in the same blocks, and a verdict for each workload, live or from stored rows."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from poolbench.analyse.gate.judge import judge_run
from poolbench.analyse.gate.stopping import GateRule
from poolbench.api.request import Request, choose_subjects, default_limits
from poolbench.api.run import Run, Tell, new_run, resumed_run, silent
from poolbench.backends.declaration import declared
from poolbench.catalogue.select import choose
from poolbench.environments.reference import WORKING_TREE
from poolbench.errors import UsageError
from poolbench.measure.advice import thread_notes
from poolbench.measure.cores import can_choose_cores
from poolbench.measure.machine import fingerprint
from poolbench.measure.session import Observer
from poolbench.model.gate import GatePolicy, GateResult, GateTerms
from poolbench.model.method import Clock, Limits, Method
from poolbench.model.plan import StoppingRule
from poolbench.model.result import ResultRow, RunHeader
from poolbench.model.sample import RejectionRule
from poolbench.model.subject import LIMIT, Subject, parse_subject
from poolbench.model.workload import Workload
from poolbench.store.reading import read_header

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

    has_limit: bool = False
    is_apart: bool = True
    circles: tuple[tuple[str, ...], ...] = ()

    def rule(self, header: RunHeader, stored: Sequence[ResultRow]) -> StoppingRule:
        """Return the gate's rule, by what the run's header holds, for what is left of the budget."""
        terms = stored_terms(header)
        return GateRule(
            workloads=[workload.id for workload in header.workloads],
            base=str(terms.base),
            head=str(terms.head),
            budget_s=header.budget_s,
            policy=terms.policy,
            method=header.method,
            stored=stored,
        )


def gate(
    base: str,
    head: str,
    workloads: Sequence[str],
    *,
    tolerance: float,
    confidence: float,
    budget_s: float | None,
    threads: int,
    passes: Sequence[str],
    gradients: Sequence[str],
    memory: bool,
    results: str | Path,
) -> GateResult:
    """Measure and return the verdicts; ``poolbench.gate`` documents the arguments."""
    choice = choose(workloads, passes=passes, gradients=gradients)
    request = gate_request(
        base,
        head,
        choice.workloads,
        policy=gate_policy(tolerance=tolerance, confidence=confidence),
        budget_s=budget_s,
        threads=threads,
        memory=memory,
        timeout_s=None,
        results=Path(results),
    )
    for note in (*choice.notes, *thread_notes(threads, [subject.threads for subject in request.subjects])):
        warnings.warn(note, stacklevel=3)
    with new_run(request) as run:
        for warning in run.warnings:
            warnings.warn(warning, stacklevel=3)
        rows = [row for group in run.measure() for row in group]
        return judge_run(run.header, rows, stored_terms(run.header))


def gate_request(
    base: str,
    head: str,
    workloads: tuple[Workload, ...],
    *,
    policy: GatePolicy,
    budget_s: float | None,
    threads: int,
    memory: bool,
    timeout_s: float | None,
    results: Path,
) -> Request:
    """Return the run that a gate measures. Raises an UsageError for a subject that does not exist."""
    subjects = gate_subjects(base, head)
    limits = default_limits(fingerprint().hardware, request_s=timeout_s)
    return Request(
        subjects=subjects,
        workloads=workloads,
        method=gate_method(threads=threads, memory=memory, limits=limits, subjects=subjects),
        budget_s=default_gate_budget_s(len(workloads), memory=memory) if budget_s is None else budget_s,
        results_dir=results,
        plan=GatePlan(),
        gate=GateTerms(base=subjects[0], head=subjects[1], policy=policy),
    )


@contextlib.contextmanager
def resumed_gate(path: Path, *, observer: Observer | None = None, tell: Tell = silent) -> Iterator[Run]:
    """Go on with a gate that was interrupted, for what is left of its budget.

    Raises an UsageError where the run's header has no terms, and ResumeError as ``resumed_run`` does.
    """
    stored_terms(read_header(path))
    with resumed_run(path, observer=observer, tell=tell, plan=GatePlan()) as run:
        yield run


def gate_policy(*, tolerance: float, confidence: float) -> GatePolicy:
    """Return the policy. Raises an UsageError for a share that is none."""
    for name, value, low, high in (("tolerance", tolerance, 0.001, 1), ("confidence", confidence, 0.5, 0.9999)):
        if not low <= value <= high:
            raise UsageError(f"The {name} is {value:g}; it takes a share from {low:g} to {high:g}.")
    return GatePolicy(tolerance=tolerance, confidence=confidence)


def stored_terms(header: RunHeader) -> GateTerms:
    """Return what a gate's run was begun with. Raises an UsageError where the header does not say."""
    if header.gate is not None:
        return header.gate
    if not _may_be_gate(header):
        raise UsageError(_no_gate(header))
    raise UsageError(
        f"The run {header.run} does not say which subject is the base, as those of before schema 6 do not, so it "
        f"cannot be continued: 'poolbench gate --again {header.run}' judges its rows."
    )


def terms_to_judge(
    header: RunHeader,
    *,
    base: str | None = None,
    head: str | None = None,
    tolerance: float | None = None,
    confidence: float | None = None,
) -> GateTerms:
    """Return the terms that stored rows are judged by: the run's own, but for the tolerance and confidence given.

    The roles are the run's; only of a run that does not hold them are they given. Raises an UsageError where that is
    not so, or where the run is no gate's.
    """
    terms = header.gate
    roles = {str(subject): subject for subject in header.subjects}
    if terms is not None:
        if base is not None or head is not None:
            raise UsageError(
                f"The run {header.run} holds its own roles, base {terms.base} and head {terms.head}: leave --base and "
                "--head out."
            )
    elif not _may_be_gate(header):
        raise UsageError(_no_gate(header))
    elif base is None or head is None or {base, head} != set(roles):
        first, second = roles
        raise UsageError(
            f"The run {header.run} does not say which subject is the base, as those of before schema 6 do not: give "
            f"'--base {first} --head {second}', or the other way round."
        )
    else:
        terms = GateTerms(base=roles[base], head=roles[head])
    policy = gate_policy(
        tolerance=terms.policy.tolerance if tolerance is None else tolerance,
        confidence=terms.policy.confidence if confidence is None else confidence,
    )
    return replace(terms, policy=replace(terms.policy, tolerance=policy.tolerance, confidence=policy.confidence))


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
        mirrored=True,
        shared=True,
        rejection=REJECTION,
    )


def gate_subjects(base: str, head: str) -> tuple[Subject, Subject]:
    """Return the two subjects that ``--base`` and ``--head`` mean.

    ``rev:X`` is a revision and ``.`` the working tree, both built in the same way: of the subject that the other side
    names with a revision, else of the one that the project here declares, else of the kernel. Anything else is a
    subject. The same subject twice is a comparison of it with itself. Raises an UsageError for what does not exist.
    """
    texts = [_subject(base, beside=head), _subject(head, beside=base)]
    for text in texts:
        if parse_subject(text).backend == LIMIT:
            raise UsageError("The streaming limit is no implementation: --base and --head take a subject, or rev:NAME.")
    chosen, _ = choose_subjects(texts)
    return chosen[0], chosen[1]


def default_gate_budget_s(workloads: int, *, memory: bool) -> float:
    """Return the seconds that a gate takes when none are asked for."""
    return START_SECONDS + (SECONDS_PER_VERDICT + (MEMORY_SECONDS if memory else 0.0)) * workloads


def _may_be_gate(header: RunHeader) -> bool:
    """Whether a run without terms may be a gate's: two subjects, and no limit beside them."""
    return len(header.subjects) == 2 and not any(subject.is_limit for subject in header.subjects)


def _no_gate(header: RunHeader) -> str:
    return (
        f"The run {header.run} is no gate's: its subjects are {', '.join(map(str, header.subjects))}. 'poolbench show "
        f"{header.run}' prints its table; 'poolbench gate --base SUBJECT' runs a gate."
    )


def _subject(text: str, *, beside: str) -> str:
    if text != WORKING_TREE and not text.startswith(REVISION):
        return text
    name, at, environment = beside.partition("@")
    if not (at and environment.startswith(REVISION)):
        known = sorted(declared())
        if len(known) > 1:
            raise UsageError(
                f"The project here declares {', '.join(known)}: say which is meant, such as --base "
                f"{known[0]}@{text if text.startswith(REVISION) else 'rev:HEAD'}."
            )
        name = known[0] if known else KERNEL
    return f"{name}@{REVISION}{text.removeprefix(REVISION)}"
