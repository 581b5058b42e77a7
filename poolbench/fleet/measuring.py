"""Doing one task: the path that ``compare`` takes, with the task's key for the run's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poolbench.api.request import Request, choose_subjects, default_limits
from poolbench.api.run import Run, Tell, new_run, resumed_run, silent
from poolbench.catalogue.select import select
from poolbench.errors import MeasurementError, ResumeError
from poolbench.fleet.launches import FixedLaunches
from poolbench.fleet.shelf import Shelf
from poolbench.measure.machine import fingerprint
from poolbench.model.fleet import FleetTask, FleetTerms
from poolbench.model.machine import MachineFingerprint
from poolbench.model.method import Method

STALE_SUFFIX = ".stale"
"""What is appended to the name of an unfinished run that cannot be gone on with: software or machine has changed."""


def measure_task(task: FleetTask, shelf: Shelf, *, findings: Sequence[str] = (), tell: Tell = silent) -> Path:
    """Measure ``task`` on this machine, store its run, and return where it lies; at once where it is there already.

    The machine's lock is held meanwhile. A run that was begun here before is gone on with: an interruption costs the
    row in hand. ``findings`` are stored beside the rows. Raises RunLockedError where another run measures here,
    UsageError where a subject does not exist or is not installed, MeasurementError where the time was over before there
    was a row, and what measuring raises.
    """
    found = shelf.find(task.key)
    if found is not None:
        return found
    machine = fingerprint()
    begun = shelf.begun(task.key, machine.key)
    if begun is not None:
        try:
            with resumed_run(begun, tell=tell, plan=_rule(task)) as run:
                return shelf.finish(_measured(run))
        except ResumeError:
            begun.rename(begun.with_name(begun.name + STALE_SUFFIX))
    with new_run(_request(task, shelf.in_hand, machine, findings), tell=tell) as run:
        return shelf.finish(_measured(run))


def _measured(run: Run) -> Path:
    rows = len(run.stored) + sum(map(len, run.measure()))
    if not rows:
        seconds = run.header.budget_s
        raise MeasurementError(
            f"The {seconds:g} s of a task were over before its first row: give the plan more 'seconds'."
        )
    return run.path


def _rule(task: FleetTask) -> FixedLaunches | None:
    return FixedLaunches(count=task.launches) if task.launches else None


def _request(task: FleetTask, results: Path, machine: MachineFingerprint, findings: Sequence[str]) -> Request:
    subjects, _ = choose_subjects(task.subjects)
    return Request(
        subjects=subjects,
        workloads=tuple(select(task.workloads)),
        method=Method(
            threads=task.threads,
            cache=task.cache,
            layout=task.layout,
            memory=task.memory,
            limits=default_limits(machine.hardware),
        ),
        budget_s=task.seconds,
        results_dir=results,
        plan=_rule(task),
        name=task.key,
        fleet=FleetTerms(kind=task.kind, repetition=task.repetition, findings=tuple(findings)),
    )
