"""What a run is asked for: its subjects, workloads, budget and limits, and the plan of the command behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from poolbench.backends import registry
from poolbench.environments.reference import settled
from poolbench.errors import MissingFrameworkError, UsageError
from poolbench.measure.headroom import limit_bytes
from poolbench.model.fleet import FleetTerms
from poolbench.model.gate import GateTerms
from poolbench.model.machine import Hardware
from poolbench.model.method import LayoutPolicy, Limits, Method
from poolbench.model.plan import StoppingRule
from poolbench.model.result import ResultRow, RunHeader
from poolbench.model.subject import LIMIT, Subject, number_copies, parse_subject
from poolbench.model.verdict import Policy
from poolbench.model.workload import Workload

DEFAULT_SUBJECTS = ("strided", "strided+layout=given", "numpy", "torch", "torch:channels_last", "tensorflow")
"""This project's kernel stands in them twice, so that what its choice of a layout brings is seen: in the one that it
likes best, and on the array as it lies."""

SECONDS_PER_WORKLOAD = 9.0
MEMORY_SECONDS_PER_WORKLOAD = 2.0
"""What the memory launches of the default subjects take, about."""

LEAST_BUDGET_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to measure, how, for how long, and where the results go."""

    subjects: tuple[Subject, ...]
    workloads: tuple[Workload, ...]
    method: Method
    budget_s: float
    results_dir: Path
    policy: Policy = field(default=Policy())
    plan: Plan | None = None
    """How to go about it; None for a comparison of all subjects with each other and the limit."""
    gate: GateTerms | None = None
    """Roles and policy where the run is a gate's; its header keeps them."""
    name: str = ""
    """What the run is called; a name by the time where there is none."""
    fleet: FleetTerms | None = None
    """What the run is measured for where it is a fleet's; its header keeps it."""


class Plan(Protocol):
    """How a command other than ``compare`` goes about its run.

    ``has_limit``: whether the streaming limit is measured beside the subjects. ``is_apart``: whether each subject has
    an importer of its own. ``circles``: the subjects that are compared among themselves alone; none where all are
    compared with all.
    """

    @property
    def has_limit(self) -> bool:
        """Whether the streaming limit is measured."""
        ...

    @property
    def is_apart(self) -> bool:
        """Whether each subject has an importer of its own."""
        ...

    @property
    def circles(self) -> Sequence[Sequence[str]]:
        """The subjects that are compared among themselves alone."""
        ...

    def rule(self, header: RunHeader, stored: Sequence[ResultRow]) -> StoppingRule:
        """Return what tells the session what to measure next."""
        ...


def choose_subjects(
    texts: Sequence[str] | None, *, layout: LayoutPolicy = LayoutPolicy.BEST
) -> tuple[tuple[Subject, ...], tuple[str, ...]]:
    """Return the subjects that ``texts`` name, repetitions numbered, and notes on what was left out.

    With None these are the default subjects whose framework is installed, without those that would only repeat another
    one because the run's own ``layout`` is theirs. Raises an UsageError for a subject that does not exist here or where
    none is named, MissingFrameworkError for one whose framework is not installed.
    """
    if texts is not None:
        if not texts:
            raise UsageError("No subject is named: give some, such as strided, numpy, torch.")
        subjects = [parse_subject(text) for text in texts]
        for subject in subjects:
            _require(subject)
        return tuple(number_copies([settled(subject) if subject.environment else subject for subject in subjects])), ()
    chosen, notes = [], []
    for text in DEFAULT_SUBJECTS:
        subject = parse_subject(text)
        if subject.layout is layout:
            continue
        try:
            _require(subject)
        except MissingFrameworkError as error:
            notes.append(f"{text} is left out. {error}")
        else:
            chosen.append(subject)
    return tuple(chosen), tuple(notes)


def installed_subjects() -> tuple[Subject, ...]:
    """Return every backend whose framework is installed here, but for those that are made for tests."""
    return tuple(
        Subject(backend=info.name) for info in registry.describe_all() if info.installed and not info.for_tests
    )


def default_budget_s(workloads: int, *, memory: bool) -> float:
    """Return the seconds that a run takes when none are asked for."""
    timing_s = max(LEAST_BUDGET_S, SECONDS_PER_WORKLOAD * workloads)
    return timing_s + (MEMORY_SECONDS_PER_WORKLOAD * workloads if memory else 0.0)


def default_limits(hardware: Hardware, *, request_s: float | None = None) -> Limits:
    """Return the limits of a worker: a third of the memory, so that the session and its inputs fit too.

    That is the machine's, or less where a container is limited to less.
    """
    machine_bytes, limit = max(hardware.memory_gib, 1) * 2**30, limit_bytes()
    limits = Limits(memory_bytes=(machine_bytes if limit is None else min(machine_bytes, limit)) // 3)
    return limits if request_s is None else replace(limits, request_s=request_s)


def with_limit(subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    """Return ``subjects`` with the streaming limit behind them.

    A limit with options of its own, such as ``limit+threads=2``, stays among them and is measured beside it.
    """
    limit = Subject(backend=LIMIT)
    return (*(subject for subject in subjects if subject != limit), limit)


def _require(subject: Subject) -> None:
    backend = registry.create(subject.backend)
    if not subject.environment:
        registry.require(backend)
