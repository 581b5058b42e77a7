"""Verification without timing: what each subject can do, where it differs, and its contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from poolbench.measure.client import WorkerFailure
from poolbench.measure.inputs import InputStore
from poolbench.measure.launcher import ProcessLauncher, Worker
from poolbench.measure.opening import BOTH_FILLINGS, Opening
from poolbench.model.method import Method
from poolbench.model.result import Status, Verification
from poolbench.model.subject import Subject
from poolbench.model.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What checking one workload with one subject found."""

    subject: str
    workload: Workload
    status: Status
    note: str = ""
    verification: Verification = field(default=Verification())


class Verifier:
    """Checks subjects in worker processes, as a run would, without timing them."""

    def __init__(
        self, subjects: Sequence[Subject], method: Method, launcher: ProcessLauncher, inputs: InputStore
    ) -> None:
        self._subjects = subjects
        self._method = method
        self._launcher = launcher
        self._opening = Opening(method=method, inputs=inputs)
        self._workers: dict[Subject, Worker] = {}

    def contracts(self, *, training: bool = False) -> dict[str, dict[str, str]]:
        """Return each subject's answers by clause, with ``training`` those on gradients too.

        There are none for a subject whose probe fails (its cases tell why).
        """
        answers: dict[str, dict[str, str]] = {}
        for subject in self._subjects:
            try:
                answers[str(subject)] = self._ask(subject, "contract", training=training)["answers"]
            except WorkerFailure as failure:
                self._after(subject, failure)
                answers[str(subject)] = {}
        return answers

    def cases(self, workloads: Sequence[Workload]) -> Iterator[Case]:
        """Check every workload with every subject: support, the exact filling, the random one."""
        for workload in workloads:
            for subject in self._subjects:
                yield self._case(workload, subject)

    def close(self) -> None:
        """End the workers."""
        while self._workers:
            self._workers.popitem()[1].close()

    def _case(self, workload: Workload, subject: Subject) -> Case:
        name = str(subject)
        try:
            worker = self._worker(subject)
            self._opening.require_support(worker, workload)
            threads = subject.threads or self._method.threads
            reply = self._opening.open(
                worker, workload, name, checks=BOTH_FILLINGS, threads=threads, layout=subject.layout
            )
            self._ask(subject, "close")
        except WorkerFailure as failure:
            self._after(subject, failure)
            return Case(subject=name, workload=workload, status=failure.status, note=failure.note)
        return Case(
            subject=name, workload=workload, status=Status.OK, verification=Verification(**reply["verification"])
        )

    def _ask(self, subject: Subject, op: str, **content: bool) -> dict[str, dict[str, str]]:
        return self._worker(subject).ask(op, deadline_s=self._method.limits.request_s, **content)

    def _worker(self, subject: Subject) -> Worker:
        if subject not in self._workers:
            self._workers[subject] = self._launcher.open_worker(subject)
        return self._workers[subject]

    def _after(self, subject: Subject, failure: WorkerFailure) -> None:
        if not failure.alive and subject in self._workers:
            self._workers.pop(subject).close()
