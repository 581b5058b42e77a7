"""A plan on this machine, one task after the other: what ``poolbench fleet run`` does without a scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from poolbench.api.run import Tell, silent
from poolbench.errors import DiskFullError, MeasurementError, UsageError
from poolbench.fleet.measuring import measure_task
from poolbench.fleet.plan import FleetPlan
from poolbench.fleet.progress import Progress
from poolbench.fleet.shelf import Shelf
from poolbench.fleet.sparing import Spares, nothing
from poolbench.model.fleet import ANY, FleetTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A task that ended: ``problem`` is empty, or says why it gave no run. One that is spared was not measured."""

    task: FleetTask
    is_spared: bool = False
    problem: str = ""


def run_here(
    plan: FleetPlan,
    shelf: Shelf,
    *,
    kinds: tuple[str, ...] = (),
    progress: Progress | None = None,
    tell: Tell = silent,
    spares: Spares = nothing,
    measure: Callable[..., object] = measure_task,
) -> Iterator[Step]:
    """Measure what ``shelf`` lacks of ``plan``, and yield each task as it ends.

    ``kinds`` are those that this machine is. A task for another kind is left to other machines, and so is not yielded.
    What ``spares`` spares is yielded as such.
    A task that cannot be done here ends with its problem, and the others go on. Raises RunLockedError where another
    run measures here, and what measuring raises.
    """
    mine = {ANY, *kinds}
    for task in shelf.lacking(plan.tasks):
        if task.kind not in mine:
            continue
        if spares(task):
            if progress is not None:
                progress.known(task.kind)
            yield Step(task=task, is_spared=True)
            continue
        problem = ""
        try:
            measure(task, shelf, tell=tell)
        except DiskFullError:
            raise
        except (UsageError, MeasurementError) as error:
            problem = str(error)
        if progress is not None:
            progress.ended(task.kind)
        yield Step(task=task, problem=problem)
