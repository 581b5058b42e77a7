"""Two runs side by side. They were not interleaved, so nothing is claimed: each figure is relative to its own limit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from poolbench.analyse.estimate.findings import Cell, RunSummary
from poolbench.model.estimate import Estimate
from poolbench.model.machine import MachineFingerprint
from poolbench.model.result import UNKNOWN_REVISION, RunHeader
from poolbench.model.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """A subject on a workload in two runs: its times the limit in each, and the second over the first.

    A time over the limit of its own run and launches holds across machines as a time does not. ``change`` is None where
    either is unknown; its interval takes the two runs' errors as independent.
    """

    workload: str
    name: str
    subject: Subject
    first: Cell
    second: Cell
    change: Estimate | None

    @property
    def is_apart(self) -> bool:
        """Whether the interval of the change excludes that there is none."""
        return self.change is not None and (self.change.low > 1 or self.change.high < 1)


def side_by_side(first: RunSummary, second: RunSummary) -> list[SideBySide]:
    """Return what both runs measured soundly, in the order of the first."""
    others = {(cell.workload, cell.subject): cell for cell in second.cells}
    found = []
    for workload in first.workloads:
        for subject in first.header.subjects:
            mine, theirs = workload.cell(subject), others.get((workload.id, subject))
            if mine is None or theirs is None or mine.timing is None or theirs.timing is None:
                continue
            found.append(
                SideBySide(
                    workload=workload.id,
                    name=workload.name,
                    subject=subject,
                    first=mine,
                    second=theirs,
                    change=_quotient(theirs.times_limit, mine.times_limit),
                )
            )
    return found


def differences(first: RunHeader, second: RunHeader) -> Iterator[str]:
    """Yield a sentence for each thing that differs between two runs and that may move their figures."""
    if first.machine.key != second.machine.key or first.machine.hardware != second.machine.hardware:
        one, other = _names(first.machine, second.machine)
        yield (
            f"The machines differ ({one} and {other}): times are not comparable at all, and what a "
            "time is over the limit only as far as the limit stands for the machine."
        )
    software = sorted(first.machine.software.keys() | second.machine.software.keys())
    for name in software:
        old, new = first.machine.software.get(name, "missing"), second.machine.software.get(name, "missing")
        if old != new:
            yield f"{name}: {old} in the first run, {new} in the second."
    if UNKNOWN_REVISION in (first.revision, second.revision) or first.revision != second.revision:
        yield f"poolbench: revision {first.revision[:12]} in the first run, {second.revision[:12]} in the second."
    for field in ("version", "threads", "cache", "layout"):
        before, after = getattr(first.method, field), getattr(second.method, field)
        if before != after:
            yield f"The method differs: {field} is {before} in the first run and {after} in the second."


def _names(first: MachineFingerprint, second: MachineFingerprint) -> tuple[str, str]:
    """Return what tells two machines apart, in the words that say most."""
    names = (
        (first.hardware.processor, second.hardware.processor),
        (first.key, second.key),
        (first.hardware.key, second.hardware.key),
    )
    return next((pair for pair in names if all(pair) and pair[0] != pair[1]), names[-1])


def _quotient(over: Estimate | None, under: Estimate | None) -> Estimate | None:
    if over is None or under is None:
        return None
    value = over.value / under.value
    half = math.hypot(over.half_width, under.half_width)
    if not math.isfinite(half):
        return Estimate(value=value, low=0.0, high=math.inf)
    return Estimate(value=value, low=value * math.exp(-half), high=value * math.exp(half))
