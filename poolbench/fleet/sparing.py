"""Which repetitions can be spared: those of cells whose verdicts are all known from the repetitions before.

A cell is a task without its repetition. Its launches are taken together, whichever machines of its kind they are of:
what machines differ in widens the interval, so that cells on which they agree are known first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from poolbench.analyse.compare.summary import summarise
from poolbench.fleet.placement import FEWEST, is_open
from poolbench.fleet.shelf import Shelf
from poolbench.model.fleet import FleetTask
from poolbench.model.result import ResultRow
from poolbench.store.reading import read_run

Spares = Callable[[FleetTask], bool]


def nothing(task: FleetTask) -> bool:
    """Spare nothing."""
    return False


def known_cells(shelf: Shelf) -> Spares:
    """Return what tells whether a task can be spared, by what ``shelf`` holds of its cell at that moment."""

    def is_known(task: FleetTask) -> bool:
        paths = [shelf.find(replace(task, repetition=number).key) for number in range(task.repetition)]
        runs = [read_run(path) for path in paths if path is not None]
        rows: list[ResultRow] = []
        for run in runs:
            first = max((row.launch for row in rows), default=-1) + 1
            rows += [replace(row, launch=first + row.launch) for row in run.rows]
        if len({row.launch for row in rows}) < FEWEST:
            return False
        return not any(map(is_open, summarise(runs[0].header, rows).workloads))

    return is_known
