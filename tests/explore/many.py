"""Stores for the explorer: many runs made of the stored ones, and planted ones whose texts are markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.findings import Cell, RunSummary
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.history.over_runs import over_limit
from poolbench.explore.collection import AnalysedRun, Collection
from poolbench.model.estimate import Estimate
from poolbench.model.result import Status
from tests.unit.analyse.history.histories import make_history, make_points, make_run
from tests.unit.builders import AVG2D, MAX2D, WORKLOADS, make_header, make_rows

DAY_SPREAD = 0.03
"""The standard deviation of a time from one day to the next, as a share."""

MARKUP = "<img src=x onerror=alert(1)><b>bold</b>"


def many_cells(collection: Collection, count: int) -> Collection:
    """Return a collection of at least ``count`` cells: the stored runs, and copies of them on later days."""
    runs = sorted(_until(collection.runs, count), key=lambda run: run.summary.header.started_at)
    return Collection(runs=tuple(runs))


def hostile_collection() -> Collection:
    """Return two planted runs and a history of a stranger's, whose texts are markup wherever a text is free."""
    header = make_header(("strided", "torch", "limit"), WORKLOADS, names={WORKLOADS[0]: MARKUP})
    hardware = replace(header.machine.hardware, processor=MARKUP, virtualisation=MARKUP)
    machine = replace(header.machine, hardware=hardware, identity=MARKUP, software={MARKUP: MARKUP})
    runs = []
    for place, scale in enumerate((1.0, 1.5)):
        times = {id: {"strided": 1e5 * scale, "torch": 3e5, "limit": 5e4} for id in WORKLOADS}
        rows = make_rows(times, failures={(WORKLOADS[-1], "torch"): (Status.CRASHED, MARKUP)}, seed=place)
        one = replace(header, run=f"{MARKUP}{place}", machine=machine, revision=f"{MARKUP}{place}")
        ledger = Ledger(rows, one.method.rejection)
        summary = summarise(one, rows, ledger=ledger)
        known = [over_limit(ledger, cell.workload, str(cell.subject)) for cell in summary.cells if cell.times_limit]
        runs.append(
            AnalysedRun(
                summary=summary,
                models={id: MARKUP for id in WORKLOADS},
                over_limit=tuple(filter(None, known)),
                warnings=(MARKUP,),
            )
        )
    points = make_points(6, detail=dict.fromkeys(range(6), MARKUP))
    ratios = {MAX2D: [1.0] * 3 + [1.12] * 3, AVG2D: [1.0] * 6}
    history = make_history(points, [make_run(points, ratios, range(6))])
    return Collection(runs=tuple(runs), histories=((MARKUP, history),), problems=(MARKUP,))


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
