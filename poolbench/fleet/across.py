"""Across machines: who is fastest where, where the ranking turns, and which machine differs from its own kind.

Times of two machines are not compared. What is: who is fastest on each, by the verdicts of its own interleaved run; and
each subject's time over that machine's own limit. Of a workload a machine tells by its run with the most subjects.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.findings import WorkloadSummary
from poolbench.analyse.estimate.location import LEAST_LAUNCHES, locate
from poolbench.model.estimate import Estimate
from poolbench.model.method import Cache, LayoutPolicy
from poolbench.model.verdict import Outcome
from poolbench.store.reading import StoredRun

SICK = 0.10
"""A machine whose times differ from those of its kind by more than this, as a median over all it measured, is told."""

LEAST_OF_A_KIND = 3
"""With fewer machines of a kind it cannot be said which of them differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The fastest of a workload on a machine, and its time over the limit there; None where the limit is not known."""

    machine: str
    fastest: str
    times_limit: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A workload on which ``first`` is surely faster than ``second`` on one machine, and surely slower on another."""

    name: str
    first: str
    second: str
    faster_on: str
    slower_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A subject's geometric mean of its time over the limit, by machine, over ``workloads`` that all of these measured.

    They are the most machines that share a workload. ``over`` is the mean over machines, with an interval from
    LEAST_LAUNCHES machines on: the machine is its unit.
    """

    subject: str
    workloads: int
    machines: Mapping[str, float]
    over: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sick:
    """A machine that takes ``ratio`` of the usual time of its kind, as a median over ``cells``."""

    machine: str
    kind: str
    ratio: float
    cells: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Across:
    """What the runs of several machines say together. ``places`` maps the workloads' names."""

    machines: tuple[str, ...]
    places: Mapping[str, tuple[Place, ...]]
    turns: tuple[Turn, ...]
    standings: tuple[Standing, ...]
    sick: tuple[Sick, ...]


def across(runs: Iterable[StoredRun]) -> Across:
    """Return what ``runs`` of one thread, on hot caches, in the subjects' own layouts say of their machines."""
    found: dict[str, dict[str, WorkloadSummary]] = defaultdict(dict)
    kinds: dict[str, str] = {}
    for run in runs:
        method = run.header.method
        if (method.threads, method.cache, method.layout) != (1, Cache.HOT, LayoutPolicy.BEST) or not run.rows:
            continue
        machine = run.header.machine.key
        kinds[machine] = run.header.machine.hardware.key
        for workload in summarise(run.header, run.rows).workloads:
            known = found[machine].get(workload.id)
            if known is None or _weight(workload) > _weight(known):
                found[machine][workload.id] = workload
    shared = sorted(
        identity for identity in set().union(*found.values()) if sum(identity in each for each in found.values()) > 1
    )
    places: dict[str, tuple[Place, ...]] = {}
    turns: list[Turn] = []
    for identity in shared:
        here = {machine: summaries[identity] for machine, summaries in found.items() if identity in summaries}
        name = next(iter(here.values())).name
        places[name] = tuple(_place(machine, workload) for machine, workload in here.items() if workload.fastest)
        turns += _turns(name, here)
    return Across(
        machines=tuple(found),
        places=places,
        turns=tuple(turns),
        standings=_standings(found),
        sick=tuple(_sick(found, kinds)),
    )


def _weight(workload: WorkloadSummary) -> tuple[int, int]:
    return len(workload.cells), workload.launches


def _place(machine: str, workload: WorkloadSummary) -> Place:
    cell = next(cell for cell in workload.cells if cell.is_fastest)
    return Place(
        machine=machine,
        fastest=str(cell.subject),
        times_limit=None if cell.times_limit is None else cell.times_limit.value,
    )


def _turns(name: str, here: Mapping[str, WorkloadSummary]) -> Iterable[Turn]:
    """Yield each pair of machines whose fastest are surely slower on one another."""
    slower = {
        machine: {
            str(cell.subject)
            for cell in workload.cells
            if cell.verdict is not None and cell.verdict.outcome is Outcome.SLOWER
        }
        for machine, workload in here.items()
    }
    machines = [machine for machine, workload in here.items() if workload.fastest]
    for index, one in enumerate(machines):
        for other in machines[index + 1 :]:
            first, second = str(here[one].fastest), str(here[other].fastest)
            if second in slower[one] and first in slower[other]:
                yield Turn(name=name, first=first, second=second, faster_on=one, slower_on=other)


def _standings(found: Mapping[str, Mapping[str, WorkloadSummary]]) -> tuple[Standing, ...]:
    limits: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for machine, summaries in found.items():
        for identity, workload in summaries.items():
            for cell in workload.cells:
                if cell.times_limit is not None and not cell.subject.is_limit:
                    limits[str(cell.subject)][machine][identity] = math.log(cell.times_limit.value)
    standings = []
    for subject, machines in limits.items():
        chosen, common = _most_common(machines)
        if len(chosen) < 2:
            continue
        means = {machine: fmean(machines[machine][identity] for identity in common) for machine in chosen}
        standings.append(
            Standing(
                subject=subject,
                workloads=len(common),
                machines={machine: math.exp(mean) for machine, mean in means.items()},
                over=_over(list(means.values())),
            )
        )
    return tuple(sorted(standings, key=lambda standing: fmean(standing.machines.values())))


def _most_common(machines: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[str]]:
    """Return the most machines that measured one workload all together, and all workloads that these did."""
    together: dict[str, frozenset[str]] = {
        identity: frozenset(machine for machine, values in machines.items() if identity in values)
        for values in machines.values()
        for identity in values
    }
    covered = {chosen: [each for each, has in together.items() if chosen <= has] for chosen in set(together.values())}
    best = max(covered, key=lambda chosen: (len(chosen), len(covered[chosen]), sorted(chosen)))
    return [machine for machine in machines if machine in best], covered[best]


def _over(means: Sequence[float]) -> Estimate | None:
    if len(means) < LEAST_LAUNCHES:
        return None
    location = locate(means)
    return Estimate(value=math.exp(location.centre), low=math.exp(location.low), high=math.exp(location.high))


def _sick(found: Mapping[str, Mapping[str, WorkloadSummary]], kinds: Mapping[str, str]) -> Iterable[Sick]:
    for kind in sorted(set(kinds.values())):
        members = [machine for machine in found if kinds[machine] == kind]
        if len(members) < LEAST_OF_A_KIND:
            continue
        times: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        for machine in members:
            for identity, workload in found[machine].items():
                for cell in workload.cells:
                    if cell.timing is not None:
                        times[identity, str(cell.subject)][machine] = math.log(cell.timing.median_ns)
        for machine in members:
            off = [
                values[machine] - median(values.values())
                for values in times.values()
                if machine in values and len(values) >= LEAST_OF_A_KIND
            ]
            if off and abs(median(off)) > math.log1p(SICK):
                yield Sick(machine=machine, kind=kind, ratio=math.exp(median(off)), cells=len(off))
