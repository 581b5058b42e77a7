"""Result rows: one workload × subject × launch, complete in itself, with the raw samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from poolbench.model.evidence import BlockEvidence
from poolbench.model.fleet import FleetTerms
from poolbench.model.gate import GateTerms
from poolbench.model.machine import MachineFingerprint
from poolbench.model.memory import Memory
from poolbench.model.method import Method
from poolbench.model.sample import Sample
from poolbench.model.stage import Stage
from poolbench.model.subject import Subject
from poolbench.model.workload import Workload, names_of

SCHEMA_VERSION = 8
"""The version of the stored form of RunHeader and ResultRow."""

UNKNOWN_REVISION = "unknown"
"""The revision of a run where it could not be had: equal to none, itself included."""


class Status(StrEnum):
    """How the measurement of a row ended.

    UNSUPPORTED is said before anything is tried, by the backend of what it cannot compute, or by the harness of a
    workload for which the machine has too little memory; the note says which. OUT_OF_MEMORY is the subject's own end.
    """

    OK = "OK"
    UNSUPPORTED = "UNSUPPORTED"
    MISMATCH = "MISMATCH"
    CRASHED = "CRASHED"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    FAILED = "FAILED"

    @property
    def failed(self) -> bool:
        """Whether something went wrong; a refusal with a reason is no failure."""
        return self not in (Status.OK, Status.UNSUPPORTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the check before the timing found.

    ``max_ulp`` is the largest distance from the reference in units in the last place, on the exact-integer filling
    and on the random one; ``bound_ulp`` what was allowed there; None where nothing was compared. ``…_gradient…`` says
    the same of the input's gradient.
    """

    exact_ulp: float | None = None
    exact_bound_ulp: float | None = None
    random_ulp: float | None = None
    random_bound_ulp: float | None = None
    exact_gradient_ulp: float | None = None
    exact_gradient_bound_ulp: float | None = None
    random_gradient_ulp: float | None = None
    random_gradient_bound_ulp: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One workload × subject × launch. ``workload`` and ``subject`` are texts, keys into the header's types.

    ``group`` names the blocks that this row's samples stood in: only rows of one group were interleaved and may
    be compared. ``facts`` are the backend's (versions, instruction set, native layout); ``contract`` its answers by
    clause. ``kernels`` names who computed, by the backend's passes, where the backend can tell. ``importer`` counts the
    freshly executed interpreters that launches were forked from.
    ``evidence`` tells what the machine did during each of the group's blocks; none in files of before schema 3.
    ``memory`` is measured once in a run, in a launch of its own, and stands in every row from then on; None where it
    was left out. ``seconds`` is the wall time booked on the row, ``memory_seconds`` the part of it that memory took.
    ``stage`` tells what the launch was for; all but the gate survey only.
    ``dirty`` is None where ``revision`` is UNKNOWN_REVISION.
    """

    run: str
    launch: int
    importer: int
    group: str
    revision: str
    dirty: bool | None
    started_at: str
    machine: str
    workload: str
    subject: str
    status: Status
    note: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    kernels: dict[str, str] = field(default_factory=dict)
    contract: dict[str, str] = field(default_factory=dict)
    layout: str = ""
    loops: int = 0
    samples: tuple[Sample, ...] = ()
    evidence: tuple[BlockEvidence, ...] = ()
    memory: Memory | None = None
    verification: Verification = field(default=Verification())
    seconds: float = 0.0
    memory_seconds: float = 0.0
    stage: Stage = Stage.SURVEY

    @property
    def key(self) -> tuple[int, str, str]:
        """What is unique within a run: launch, workload, subject."""
        return (self.launch, self.workload, self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """The first record of a result file: what was asked for, where and how.

    ``subjects`` and ``workloads`` are what the texts in its rows stand for; the workloads have their catalogue's names.
    ``gate`` is what a gate's run was begun with; None for a run of another command, and for gates of before schema 6.
    ``fleet`` is what a fleet's task was; None for a run of another command.
    """

    run: str
    started_at: str
    revision: str
    dirty: bool | None
    machine: MachineFingerprint
    method: Method
    budget_s: float
    subjects: tuple[Subject, ...]
    workloads: tuple[Workload, ...]
    gate: GateTerms | None = None
    fleet: FleetTerms | None = None

    @property
    def names(self) -> dict[str, str]:
        """Catalogue names by workload id, for those that have one."""
        return names_of(self.workloads)

    @property
    def verb(self) -> str:
        """The command that goes on with the run when it is given ``--resume``."""
        return "compare" if self.gate is None else "gate"
