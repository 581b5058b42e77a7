"""A session without processes: workers that answer on a virtual clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from poolbench.measure.client import WorkerFailure
from poolbench.measure.session import RunStamp, Session
from poolbench.model.method import Method
from poolbench.model.plan import LaunchPlan
from poolbench.model.result import ResultRow, Status
from poolbench.model.subject import Subject, parse_subject
from poolbench.model.workload import Workload


@dataclass
class VirtualClock:
    """Nanoseconds that pass only when a worker says so."""

    now_ns: int = 0

    def __call__(self) -> float:
        return self.now_ns / 1e9


@dataclass
class Behaviour:
    """How a subject answers: its time per call, on which (op, workload id) it fails and how, in how many slots of its
    life it first has to wait for a core, by what factor the host lengthens the first of them, the time that it takes
    to prepare, the core on which the system has it when it may be anywhere, the bytes that it requests, the order that
    it computes in, and the kernel that it says it runs on a shared input of each order.
    """

    call_ns: int = 1000
    requests: int = 4096
    waits_in_first_slots: int = 0
    first_slot_is_longer: int = 1
    prepare_ns: int = 0
    core: int = 0
    layout: str = "nchw"
    kernels: Mapping[str, str] = field(default_factory=dict)
    refuses_shared: bool = False
    failures: Mapping[tuple[str, str], WorkerFailure] = field(default_factory=dict)


@dataclass
class VirtualWorker:
    """Answers requests as a real worker does, and writes down what it was asked."""

    subject: Subject
    behaviour: Behaviour
    clock: VirtualClock
    log: list[tuple[str, str, str]]
    workload: str = ""
    slots: int = 0
    closed: bool = False
    caches: list[str] = field(default_factory=list)
    warmed: list[int] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    pads: list[int] = field(default_factory=list)
    cores: list[int | None] = field(default_factory=list)
    slot_cores: list[int | None] = field(default_factory=list)

    def ask(self, op: str, *, deadline_s: float, **content: Any) -> dict[str, Any]:
        assert not self.closed, "a closed worker was asked"
        self.workload = content.get("workload", self.workload)
        self.log.append((str(self.subject), op, self.workload))
        failure = self.behaviour.failures.get((op, self.workload))
        if failure is not None:
            raise failure
        self.clock.now_ns += 1_000
        if op == "open":
            self.caches.append(content["cache"])
            self.pads.append(content["pad_bytes"])
            order = content.get("shared", {}).get("order", "")
            self.shared.append(order)
            if order and self.behaviour.refuses_shared:
                raise WorkerFailure(Status.UNSUPPORTED, "Not in this order.", alive=True)
            return {
                "ok": True,
                "layout": self.behaviour.layout,
                "facts": {},
                "kernels": {"pool": self.behaviour.kernels.get(order, "rows")},
                "prepare_ns": self.behaviour.prepare_ns,
                "verification": {f"{name}_ulp": 0.0 for name in content["checks"]},
            }
        if op == "calibrate":
            return {"ok": True, "loops": max(1, content["slot_ns"] // self.behaviour.call_ns)}
        if op == "core":
            self.cores.append(content["core"])
            return {"ok": True, "core": self.behaviour.core if content["core"] is None else content["core"]}
        if op == "slot":
            self.slot_cores.append(self.cores[-1] if self.cores else None)
            elapsed = content["loops"] * self.behaviour.call_ns
            if self.slots == 0:
                elapsed *= self.behaviour.first_slot_is_longer
            self.warmed.append(content["warm"])
            self.clock.now_ns += elapsed
            self.slots += 1
            waits = self.slots <= self.behaviour.waits_in_first_slots
            return {
                "ok": True,
                "loops": content["loops"],
                "elapsed_ns": elapsed,
                "cpu_ns": elapsed,
                "foreign_cpu_ns": elapsed if waits else 0,
                "page_faults": 0,
                "context_switches": 0,
            }
        if op in ("touched", "saved", "requested"):
            return {"ok": True, "bytes": self.behaviour.requests, "note": ""}
        if op == "contract":
            return {"ok": True, "answers": {"nan": "propagates"}}
        return {"ok": True}

    def close(self) -> None:
        self.closed = True


class VirtualLauncher:
    """Opens virtual workers; counts importers and workers."""

    def __init__(self, behaviours: Mapping[str, Behaviour], clock: VirtualClock) -> None:
        self.behaviours = behaviours
        self.clock = clock
        self.log: list[tuple[str, str, str]] = []
        self.workers: list[VirtualWorker] = []
        self.renewals = 0

    def renew(self) -> None:
        self.renewals += 1

    def open_worker(self, subject: Subject) -> VirtualWorker:
        worker = VirtualWorker(subject, self.behaviours[str(subject)], self.clock, self.log)
        self.workers.append(worker)
        return worker

    def facts(self, subject: Subject) -> Mapping[str, str]:
        return {"version": "1"}

    def close(self) -> None:
        pass


class NoInputs:
    """Stands for the input store: virtual workers read nothing."""

    def filling(self, workload: Workload, name: str) -> dict[str, Any]:
        return {}

    def placed(self, workload: Workload, order: str, number: int, pads: Mapping[str, int]) -> dict[str, Any]:
        return {}


@dataclass
class FixedRule:
    """Measures every workload in every one of ``launches``, the second half from a fresh importer."""

    workloads: Sequence[str]
    launches: int = 2
    blocks: int = 2
    stop_at_s: float = float("inf")

    def next_launch(self, rows: Sequence[ResultRow], elapsed_s: float) -> LaunchPlan | None:
        done = {(row.launch, row.workload) for row in rows}
        for launch in range(self.launches):
            missing = [text for text in self.workloads if (launch, text) not in done]
            if missing and not self.time_is_up(elapsed_s, launch):
                importer = launch * 2 // self.launches
                return LaunchPlan(launch=launch, importer=importer, blocks=dict.fromkeys(missing, self.blocks))
        return None

    def time_is_up(self, elapsed_s: float, launch: int) -> bool:
        return elapsed_s >= self.stop_at_s


def virtual_session(
    behaviours: Mapping[str, Behaviour],
    workloads: Sequence[Workload],
    *,
    rule: FixedRule | None = None,
    done: Sequence[ResultRow] = (),
    method: Method | None = None,
    circles: Sequence[Sequence[str]] = (),
) -> tuple[Session, VirtualLauncher]:
    """Return a session over ``behaviours`` (by subject) and the launcher that tells what it did.

    Memory is left out, unless ``method`` says otherwise.
    """
    clock = VirtualClock()
    launcher = VirtualLauncher(behaviours, clock)
    session = Session(
        stamp=RunStamp(run="virtual", machine="nowhere", revision="0", dirty=False),
        workloads=workloads,
        subjects=[parse_subject(name) for name in behaviours],
        method=method or Method(memory=False),
        rule=rule or FixedRule([workload.id for workload in workloads]),
        launcher=launcher,
        inputs=NoInputs(),  # type: ignore[arg-type]
        done=done,
        circles=circles,
        clock=clock,
    )
    return session, launcher


def failure(status: Status, note: str = "It failed.", *, alive: bool = False) -> WorkerFailure:
    return WorkerFailure(status, note, alive=alive)
