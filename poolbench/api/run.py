"""A run from request to stored rows: the path that ``poolbench compare`` and ``poolbench.compare`` share."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from poolbench.analyse.compare.stopping import BudgetRule
from poolbench.api.request import SECONDS_PER_WORKLOAD, Plan, Request, with_limit
from poolbench.environments.provide import Provided, identities, provide
from poolbench.measure.inputs import InputStore
from poolbench.measure.launcher import ProcessLauncher
from poolbench.measure.machine import fingerprint
from poolbench.measure.revision import revision
from poolbench.measure.session import Observer, RunStamp, Session, Silent
from poolbench.model.machine import MachineFingerprint
from poolbench.model.plan import StoppingRule
from poolbench.model.result import ResultRow, RunHeader
from poolbench.model.subject import Subject
from poolbench.model.verdict import Policy
from poolbench.store.jsonl import RunFile
from poolbench.store.lock import machine_lock
from poolbench.store.reading import read_run
from poolbench.store.resume import check_resumable
from poolbench.store.runs import new_run_name

Tell = Callable[[str], None]
"""Is given a line about what takes time before anything is measured."""


def silent(text: str) -> None:
    """Say nothing."""


@dataclass(slots=True, kw_only=True)
class Run:
    """A run in progress: iterate ``measure`` to the end; each row is stored before it is yielded."""

    file: RunFile
    header: RunHeader
    session: Session
    stored: tuple[ResultRow, ...]
    warnings: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where the rows are stored."""
        return self.file.path

    def kept(self) -> int:
        """Return how many finished rows the file holds: Ctrl-C may come after they are stored and before they count."""
        return len(read_run(self.path).rows)

    def measure(self) -> Iterator[tuple[ResultRow, ...]]:
        """Measure on, storing and yielding the rows of one workload of one launch at a time."""
        with contextlib.closing(self.session.rows()) as groups:
            for rows in groups:
                self.file.append(rows)
                yield rows


@contextlib.contextmanager
def new_run(request: Request, *, observer: Observer | None = None, tell: Tell = silent) -> Iterator[Run]:
    """Start a run: make the subjects' environments, lock the machine, create the result file, and make ready.

    ``tell`` is given a line for each environment that is made. One that cannot be made fails its subjects alone.
    Raises RunLockedError where another run is measuring on this machine, StoreError where results cannot be written.
    """
    places = provide(request.subjects, tell=tell)
    machine = _machine(places)
    source = revision()
    now = datetime.now(UTC)
    header = RunHeader(
        run=request.name or new_run_name(now, request.results_dir),
        started_at=now.isoformat(timespec="seconds"),
        revision=source.name,
        dirty=source.dirty,
        machine=machine,
        method=request.method,
        budget_s=request.budget_s,
        subjects=_measured(request),
        workloads=request.workloads,
        gate=request.gate,
        fleet=request.fleet,
    )
    with machine_lock(_holder(header)), RunFile.create(request.results_dir, header) as file:
        yield from _running(
            file,
            header,
            request.policy,
            observer,
            request.plan,
            places=places,
            warnings=source.warnings,
        )


@contextlib.contextmanager
def resumed_run(
    path: Path, *, observer: Observer | None = None, tell: Tell = silent, plan: Plan | None = None
) -> Iterator[Run]:
    """Continue a stored run: measure what is missing. ``plan`` is that of the command that began it.

    Raises ResumeError, saying what differs, where software, machine or method have changed since it began.
    """
    with machine_lock(f"resuming {path.stem}"), RunFile.reopen(path) as file:
        stored = read_run(path)
        places = provide(stored.header.subjects, tell=tell)
        source = revision()
        now = replace(stored.header, machine=_machine(places), revision=source.name, dirty=source.dirty)
        check_resumable(stored.header, now)
        warnings = (*file.warnings, *stored.warnings, *source.warnings)
        yield from _running(
            file,
            stored.header,
            Policy(),
            observer,
            plan,
            places=places,
            done=stored.rows,
            warnings=warnings,
        )


def _running(
    file: RunFile,
    header: RunHeader,
    policy: Policy,
    observer: Observer | None,
    plan: Plan | None,
    *,
    places: Provided,
    done: tuple[ResultRow, ...] = (),
    warnings: tuple[str, ...] = (),
) -> Iterator[Run]:
    rule: StoppingRule
    if plan is not None:
        rule = plan.rule(header, done)
    else:
        rule = BudgetRule(
            workloads=[workload.id for workload in header.workloads],
            subjects=list(map(str, header.subjects)),
            budget_s=_budget_left_s(header, done),
            policy=policy,
            rejection=header.method.rejection,
            stored=done,
        )
    with (
        InputStore(seed=header.method.seed) as inputs,
        ProcessLauncher(header.subjects, header.method, places, apart=plan is not None and plan.is_apart) as launcher,
    ):
        session = Session(
            stamp=RunStamp(run=header.run, machine=header.machine.key, revision=header.revision, dirty=header.dirty),
            workloads=header.workloads,
            subjects=header.subjects,
            method=header.method,
            rule=rule,
            launcher=launcher,
            inputs=inputs,
            done=done,
            cold_bytes=2 * max(header.machine.hardware.cache_bytes.values(), default=128 << 20),
            circles=plan.circles if plan is not None else (),
            observer=observer or Silent(),
        )
        yield Run(file=file, header=header, session=session, stored=done, warnings=warnings)


def _measured(request: Request) -> tuple[Subject, ...]:
    if request.plan is not None and not request.plan.has_limit:
        return request.subjects
    return with_limit(request.subjects)


def _machine(places: Provided) -> MachineFingerprint:
    """Return this machine's fingerprint; its software includes what stands behind the environments."""
    machine = fingerprint()
    return replace(machine, software={**machine.software, **identities(places)})


def _budget_left_s(header: RunHeader, done: Sequence[ResultRow]) -> float:
    """Return what is left of the budget; what has too few launches for an interval gets its time again."""
    if not done:
        return header.budget_s
    left = max(header.budget_s - sum(row.seconds for row in done), 0.0)
    launches = Counter(workload for workload, _ in {(row.workload, row.launch) for row in done})
    open_ones = sum(launches[workload.id] < Policy().min_launches for workload in header.workloads)
    return max(left, min(header.budget_s, SECONDS_PER_WORKLOAD * open_ones))


def _holder(header: RunHeader) -> str:
    return f"run {header.run} (poolbench {' '.join(sys.argv[1:])})"
