"""What is known of the gate's errors on a machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from poolbench.model.gate import Disturbance, GatePolicy
from poolbench.model.method import Method


class Neighbour(StrEnum):
    """What else runs on the machine: nothing, a process that keeps a core busy, or one that comes and goes."""

    NONE = "none"
    STEADY = "steady"
    COMING = "coming-and-going"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How verdicts on one planted change came out: ``planted`` is its factor, 1 where nothing was planted.

    ``found`` counts "slower", and on equal pairs "faster" too: there it is the number of false alarms. ``low`` and
    ``high`` bound the true share of ``found`` (exact, each at 95 %). ``failed_gate`` counts exit codes of 1.
    ``cpu_ratio`` is the median CPU time of head over base. ``medians_found`` counts what measuring one after the other
    and comparing medians, with the gate's tolerance as its threshold, would have said.
    """

    planted: float
    verdicts: int
    found: int
    low: float
    high: float
    same: int
    undecided: int
    invalid: int
    failed_gate: int
    cpu_ratio: float
    medians_found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The error rates of the gate on one machine, from one run.

    ``seconds_per_verdict`` is what a gate of this pair alone would take on average, of ``budget_per_verdict`` that it
    was given. ``smallest_found`` is the change, as a factor, that is found 95 % of the time (None where none of those
    planted is). ``medians_threshold`` is the change beyond which comparing medians has to look away to give at most one
    false alarm in a hundred.
    """

    run: str
    machine: str
    measured_at: str
    revision: str
    subjects: tuple[str, ...]
    workloads: tuple[str, ...]
    policy: GatePolicy
    method: Method
    budget_per_verdict: float
    seconds_per_verdict: float
    rates: tuple[Rates, ...]
    smallest_found: float | None
    medians_threshold: float
    neighbour: str
    disturbance: Disturbance

    @property
    def equal(self) -> Rates | None:
        """The rates of equal pairs."""
        return next((rates for rates in self.rates if rates.planted == 1.0), None)
