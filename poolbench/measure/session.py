"""The session: measures launch after launch and yields the rows of each workload as they are complete."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from poolbench.measure.client import WorkerFailure
from poolbench.measure.group import Group, GroupResult
from poolbench.measure.inputs import InputStore
from poolbench.measure.launcher import Launcher, Worker
from poolbench.measure.memory_launch import MemoryLaunches
from poolbench.measure.opening import Opening
from poolbench.measure.strikes import Strikes
from poolbench.model.memory import Memory
from poolbench.model.method import Method
from poolbench.model.plan import LaunchPlan, StoppingRule
from poolbench.model.result import ResultRow, Status, Verification
from poolbench.model.subject import Subject
from poolbench.model.workload import Workload


class Observer(Protocol):
    """Is told how far a session is; a command shows it as progress."""

    def launch_started(self, plan: LaunchPlan) -> None:
        """A launch begins."""
        ...

    def workload_started(self, plan: LaunchPlan, workload: Workload) -> None:
        """A workload of the launch begins."""
        ...


class Silent:
    """An observer that shows nothing."""

    def launch_started(self, plan: LaunchPlan) -> None:
        """Ignore it."""

    def workload_started(self, plan: LaunchPlan, workload: Workload) -> None:
        """Ignore it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStamp:
    """What every row of a run carries."""

    run: str
    machine: str
    revision: str
    dirty: bool | None


@dataclass(slots=True, kw_only=True)
class Session:
    """Measures ``workloads`` × ``subjects``. ``done`` are the rows of an interrupted run, which are kept as they are.

    ``cold_bytes`` is how much memory calls must walk through to leave the last-level cache (used when cold);
    ``circles`` are the subjects that are compared among themselves alone (``schedule.turns``).
    """

    stamp: RunStamp
    workloads: Sequence[Workload]
    subjects: Sequence[Subject]
    method: Method
    rule: StoppingRule
    launcher: Launcher
    inputs: InputStore
    done: Sequence[ResultRow] = ()
    cold_bytes: int = 256 << 20
    circles: Sequence[Sequence[str]] = ()
    observer: Observer = field(default_factory=Silent)
    clock: Callable[[], float] = time.monotonic
    _failed: dict[tuple[str, str], ResultRow] = field(default_factory=dict, init=False)
    _strikes: Strikes = field(default_factory=Strikes, init=False)
    _loops: dict[tuple[str, str], int] = field(default_factory=dict, init=False)
    _contracts: dict[str, dict[str, str]] = field(default_factory=dict, init=False)
    _checked: set[tuple[str, str]] = field(default_factory=set, init=False)
    _self_warming: set[tuple[str, str]] = field(default_factory=set, init=False)
    _orders: dict[tuple[str, str], str] = field(default_factory=dict, init=False)
    _workers: dict[str, Worker] = field(default_factory=dict, init=False)
    _memory: MemoryLaunches = field(init=False)

    def __post_init__(self) -> None:
        self._memory = MemoryLaunches(launcher=self.launcher)

    def rows(self) -> Generator[tuple[ResultRow, ...], None, None]:
        """Measure until the rule has enough; yield the rows of one workload in one launch at a time.

        Closing the generator ends the workers; nothing that was yielded is affected.
        """
        start = self.clock()
        rows = list(self.done)
        self._recall(rows)
        finished = {row.key for row in rows}
        by_id = {workload.id: workload for workload in self.workloads}
        importer: int | None = None
        try:
            while (plan := self.rule.next_launch(rows, self.clock() - start)) is not None:
                if plan.importer != importer:
                    self.launcher.renew()
                    self._checked.clear()
                    importer = plan.importer
                self.observer.launch_started(plan)
                before = len(rows)
                for workload_id, blocks in plan.blocks.items():
                    # What starting took must not leave a run without any answer: its first workload is always measured.
                    if rows and self.rule.time_is_up(self.clock() - start, plan.launch):
                        break
                    workload = by_id[workload_id]
                    self.observer.workload_started(plan, workload)
                    group = self._measure(plan, workload, blocks, finished)
                    rows += group
                    finished |= {row.key for row in group}
                    yield group
                self._end_workers()
                if len(rows) == before:
                    return  # a rule that plans what has failed already would go on for ever
        finally:
            self._end_workers()

    def _measure(
        self, plan: LaunchPlan, workload: Workload, blocks: int, finished: set[tuple[int, str, str]]
    ) -> tuple[ResultRow, ...]:
        """Measure one workload in one launch with every subject that is still in the race."""
        begin = self.clock()
        started_at = now_text()
        rows: list[ResultRow] = []
        opening = Opening(method=self.method, inputs=self.inputs, launch=plan.launch, cold_bytes=self.cold_bytes)
        group = Group(
            workload=workload,
            opening=opening,
            blocks=blocks,
            loops=self._loops,
            checked=self._checked,
            self_warming=self._self_warming,
            orders=self._orders,
            circles=self.circles,
        )
        for subject in self.subjects:
            name = str(subject)
            if (plan.launch, workload.id, name) in finished or (workload.id, name) in self._failed:
                continue
            struck_out = self._strikes.struck_out(name)
            if struck_out is not None:
                group.give_up(name, struck_out, "Not tried: it failed in this way on the workloads before.")
                continue
            try:
                threads = subject.threads or self.method.threads
                group.enter(name, self._worker(subject), threads=threads, slow=subject.slow, layout=subject.layout)
            except WorkerFailure as failure:
                group.fail(name, failure)
        results = group.run()
        before_memory = self.clock()
        memory = self._account(workload, results, opening)
        end, count = self.clock(), max(len(results), 1)
        for subject in self.subjects:
            result = results.get(str(subject))
            if result is None:
                continue
            row = replace(
                self._row(plan, workload, subject, result, started_at),
                memory=memory.get(str(subject)),
                evidence=tuple(group.evidence.blocks) if result.status is Status.OK else (),
                seconds=(end - begin) / count,
                memory_seconds=(end - before_memory) / count,
            )
            rows.append(row)
            self._note_outcome(row, result)
        return tuple(rows)

    def _account(self, workload: Workload, results: Mapping[str, GroupResult], opening: Opening) -> dict[str, Memory]:
        """Return what a call takes of memory by subject, for those whose output was right. Measured once in a run."""
        if not self.method.memory:
            return {}
        return {
            str(subject): self._memory.memory(workload, subject, opening)
            for subject in self.subjects
            if not subject.is_limit and str(subject) in results and results[str(subject)].status is Status.OK
        }

    def _row(
        self, plan: LaunchPlan, workload: Workload, subject: Subject, result: GroupResult, started_at: str
    ) -> ResultRow:
        name = str(subject)
        return ResultRow(
            run=self.stamp.run,
            launch=plan.launch,
            importer=plan.importer,
            group=f"{plan.launch}/{started_at}",
            revision=self.stamp.revision,
            dirty=self.stamp.dirty,
            started_at=started_at,
            machine=self.stamp.machine,
            workload=workload.id,
            subject=name,
            stage=plan.stage,
            status=result.status,
            note=result.note,
            facts={**self.launcher.facts(subject), **result.facts},
            kernels=result.kernels,
            contract=self._contracts.get(name, {}),
            layout=result.layout,
            loops=self._loops.get((workload.id, name), 0) if result.status is Status.OK else 0,
            samples=tuple(result.samples) if result.status is Status.OK else (),
            verification=Verification(**result.verification),
        )

    def _worker(self, subject: Subject) -> Worker:
        """Return the subject's worker of this launch, forking it where there is none (any more)."""
        name = str(subject)
        if name not in self._workers:
            worker = self._workers[name] = self.launcher.open_worker(subject)
            if name not in self._contracts and not subject.is_limit:
                self._contracts[name] = {}
                try:
                    reply = worker.ask("contract", deadline_s=self.method.limits.request_s, training=self._trains())
                    self._contracts[name] = reply["answers"]
                except WorkerFailure as failure:
                    if not failure.alive:
                        del self._workers[name]
                        worker.close()
                        self._workers[name] = self.launcher.open_worker(subject)
        return self._workers[name]

    def _trains(self) -> bool:
        return any(workload.pass_.is_training for workload in self.workloads)

    def _note_outcome(self, row: ResultRow, result: GroupResult) -> None:
        """Remember what failed: it is not tried again on this workload, and after some strikes on none."""
        self._strikes.note(row.subject, row.status)
        if row.status is Status.OK:
            return
        self._failed[row.workload, row.subject] = row
        if result.worker_lost:
            worker = self._workers.pop(row.subject, None)
            if worker is not None:
                worker.close()

    def _recall(self, rows: Sequence[ResultRow]) -> None:
        """Take over from stored rows what must stay the same: loops, contracts, memory, and what is known to fail."""
        self._memory.recall(rows)
        for row in rows:
            if row.status is Status.OK:
                self._loops[row.workload, row.subject] = row.loops
            else:
                self._failed[row.workload, row.subject] = row
            if row.contract:
                self._contracts[row.subject] = dict(row.contract)

    def _end_workers(self) -> None:
        workers, self._workers = self._workers, {}
        for worker in workers.values():
            worker.close()


def now_text() -> str:
    """Return the time now in UTC, to the microsecond, in ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
