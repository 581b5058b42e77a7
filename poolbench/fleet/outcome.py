"""What passes between the submitter, Dask and the machines: plain records, read by their types on arrival."""

from __future__ import annotations

from dataclasses import dataclass

from poolbench import __version__
from poolbench.model.fleet import ANY, FleetTask
from poolbench.model.method import METHOD_VERSION
from poolbench.model.result import SCHEMA_VERSION

MACHINE = "machine"
"""Dask's resource that a task takes: a fit worker has one of it, so that one task at a time holds the machine."""

ABOUT = "poolbench"
"""Under this name a worker tells the scheduler, and so the submitter, what it is."""


def speech() -> str:
    """Return what a submitter and a worker must have in common to understand one another's tasks and rows."""
    return f"poolbench-{__version__}-method-{METHOD_VERSION}-schema-{SCHEMA_VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a worker says of itself. One with ``unfit`` gets no work; the text says why, in a sentence."""

    speech: str
    machine: str
    kinds: tuple[str, ...] = ()
    unfit: str = ""
    findings: tuple[str, ...] = ()

    def resources(self) -> dict[str, float]:
        """Return Dask's resources of the worker: those that a task it can do asks for."""
        if self.unfit:
            return {}
        return dict.fromkeys((MACHINE, self.speech, *map(_kind, (ANY, self.machine, *self.kinds))), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How a worker is set up: by its supervisor, for the process that joins Dask and for the one that measures.

    ``address`` is the scheduler's, ``host`` the address that the worker listens on. ``allowed`` are patterns of
    subjects.
    """

    address: str
    host: str
    results: str
    about: About
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a task ended on a machine: with a run in the file ``path`` there, or with a ``problem``, a sentence.

    ``may_pass``: the problem is of the moment, so that the task is to be tried again. ``seconds`` is the wall time that
    it took; 0 where its run was there already.
    """

    key: str
    machine: str
    seconds: float = 0.0
    path: str = ""
    problem: str = ""
    may_pass: bool = False


def resources(task: FleetTask) -> dict[str, float]:
    """Return Dask's resources that ``task`` asks for: a whole machine of its kind, with this version on it."""
    return {MACHINE: 1.0, speech(): 1.0, _kind(task.kind): 1.0}


def _kind(kind: str) -> str:
    return f"kind-{kind}"
