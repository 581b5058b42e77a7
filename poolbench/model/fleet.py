"""A fleet's words: what one task asks of a machine, and what a run says that was measured for one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from poolbench.model.method import METHOD_VERSION, Cache, LayoutPolicy

ANY = "any"
"""The kind of machine that every machine is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTask:
    """What one machine is asked to measure in one go: some workloads, and subjects that take turns on them.

    ``workloads`` are ids and ``subjects`` texts, so that a task is data and nothing else. ``seconds`` is the time to
    measure for, of the task as a whole; with ``launches`` it is measured for so many of them
    instead. ``kind`` is a label that the machine must bear. ``repetition`` counts from 0.
    """

    workloads: tuple[str, ...]
    subjects: tuple[str, ...]
    threads: int = 1
    cache: Cache = Cache.HOT
    layout: LayoutPolicy = LayoutPolicy.BEST
    memory: bool = False
    seconds: float = 9.0
    launches: int = 0
    kind: str = ANY
    repetition: int = 0

    @property
    def key(self) -> str:
        """A name that is equal for equal tasks of one version of the method, in any plan; it names the run too."""
        fields = {**asdict(self), "method": METHOD_VERSION}
        return f"fleet-{hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTerms:
    """What a run was measured for: a task's ``kind`` and ``repetition``; its key is the run's name.

    ``findings`` are what was found about the machine before it got work, a sentence each.
    """

    kind: str
    repetition: int
    findings: tuple[str, ...] = ()
