"""A calibration: base, copies and slowed copies in the same blocks, until there are verdicts enough."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from poolbench.analyse.gate.calibration import SIZES, pairs_of
from poolbench.analyse.gate.calibration_stopping import CalibrationRule
from poolbench.environments.commands import leashed
from poolbench.model.calibration import Neighbour
from poolbench.model.plan import StoppingRule
from poolbench.model.result import ResultRow, RunHeader
from poolbench.model.subject import Subject, parse_subject

EQUAL_PAIRS = 5
"""Pairs of equal subjects in each block, as many as there are planted slowdowns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPlan:
    """A ``Plan``: each subject with importers of its own, and each pair side by side, as base and head in a gate."""

    subjects: tuple[Subject, ...]
    pieces: int
    seconds_per_verdict: float
    has_limit: bool = False
    is_apart: bool = True

    @property
    def circles(self) -> tuple[tuple[str, str], ...]:
        """The pairs."""
        return tuple((base, head) for base, head, _ in pairs_of(self.subjects))

    def rule(self, header: RunHeader, stored: Sequence[ResultRow]) -> StoppingRule:
        """Return the rule that measures piece after piece."""
        return CalibrationRule(
            workloads=[workload.id for workload in header.workloads],
            subjects=len(header.subjects),
            equal=[(base, head) for base, head, planted in pairs_of(header.subjects) if planted == 1.0],
            method=header.method,
            pieces=self.pieces,
            seconds_per_verdict=self.seconds_per_verdict,
            stored=stored,
        )


def calibration_subjects(backend: str, *, pairs: int = EQUAL_PAIRS) -> tuple[Subject, ...]:
    """Return copies of ``backend``: ``pairs`` equal pairs, and for each of SIZES a plain and a slowed one."""
    base = parse_subject(backend)
    copies = [replace(base, copy=number) for number in range(1, 2 * pairs + len(SIZES) + 1)]
    return (*copies, *(replace(base, slow=size) for size in SIZES))


def pieces_for(*, equal: int, planted: int, workloads: int, pairs: int = EQUAL_PAIRS) -> int:
    """Return how many pieces of each workload give so many verdicts on equal pairs and on each planted size."""
    return max(math.ceil(equal / (workloads * pairs)), math.ceil(planted / workloads))


def expected_seconds(*, pieces: int, workloads: int, subjects: int, seconds_per_verdict: float) -> float:
    """Return about how long a calibration takes: each subject takes half of what a gate of two does."""
    return pieces * workloads * subjects / 2 * seconds_per_verdict


_BUSY = {
    Neighbour.STEADY: "while True: pass",
    Neighbour.COMING: (
        "import random, time\n"
        "while True:\n"
        "    end = time.monotonic() + random.uniform(0.5, 5)\n"
        "    while time.monotonic() < end: pass\n"
        "    time.sleep(random.uniform(0.5, 5))\n"
    ),
}


@contextlib.contextmanager
def beside(neighbour: Neighbour) -> Iterator[None]:
    """Keep a neighbour running."""
    if neighbour is Neighbour.NONE:
        yield
        return
    busy = [sys.executable, "-P", "-c", _BUSY[neighbour]]
    with subprocess.Popen(leashed(busy), stdin=subprocess.PIPE, start_new_session=True):  # closes stdin at its end
        yield
