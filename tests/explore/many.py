"""Many runs made of the stored ones: their analysis again and again, on other days, with times a little apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from poolbench.analyse.estimate.findings import Cell, RunSummary
from poolbench.explore.collection import AnalysedRun, Collection
from poolbench.model.estimate import Estimate

DAY_SPREAD = 0.03


def many_cells(collection: Collection, count: int) -> Collection:
    """Return a collection of at least ``count`` cells: the stored runs, and copies of them on later days."""
    return Collection(runs=tuple(_until(collection.runs, count)))


def _until(runs: tuple[AnalysedRun, ...], count: int) -> Iterator[AnalysedRun]:
    rng = np.random.default_rng(1)
    made = day = 0
    while made < count:
        for run in runs:
            yield AnalysedRun(summary=_moved(run.summary, day, rng), models=run.models)
            made += len(run.summary.cells)
            if made >= count:
                return
        day += 1


def _moved(summary: RunSummary, days: int, rng: np.random.Generator) -> RunSummary:
    header = summary.header
    began = datetime.fromisoformat(header.started_at) + timedelta(days=days)
    name = f"{began:%Y%m%d-%H%M%S}-{header.run[-4:]}"
    return replace(
        summary,
        header=replace(header, run=name, started_at=began.isoformat()),
        workloads=tuple(
            replace(
                workload, cells=tuple(_times(cell, float(np.exp(rng.normal(0, DAY_SPREAD)))) for cell in workload.cells)
            )
            for workload in summary.workloads
        ),
    )


def _times(cell: Cell, factor: float) -> Cell:
    timing, limit = cell.timing, cell.times_limit
    return replace(
        cell,
        timing=None if timing is None else replace(
            timing, median_ns=timing.median_ns * factor, low_ns=timing.low_ns * factor, high_ns=timing.high_ns * factor
        ),
        times_limit=None if limit is None else Estimate(
            value=limit.value * factor, low=limit.low * factor, high=limit.high * factor
        ),
    )  # fmt: skip
