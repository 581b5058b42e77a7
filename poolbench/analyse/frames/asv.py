"""Between runs and asv's results: what of a run asv keeps, and asv's results as the frame that runs have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from poolbench.analyse.estimate.findings import Cell, RunSummary
from poolbench.catalogue.sets import entries_by_key
from poolbench.model.memory import FLAT
from poolbench.model.result import ResultRow, RunHeader, Status
from poolbench.model.workload import Workload
from poolbench.store import asv, asv_terms

if TYPE_CHECKING:
    import pandas as pd

_TEXTS = frozenset((
    "workload", "name", "kind", "dtype", "order", "subject", "status", "note", "group", "layout", "machine", "run",
    "revision", "started_at", *(name for name in FLAT if name.endswith("_note")),
))  # fmt: skip


def figures_of(summary: RunSummary, rows: Sequence[ResultRow]) -> tuple[asv.AsvFigure, ...]:
    """Return a run's figures: for each subject the clean samples, the memory, and the time over the limit's.

    The streaming limit is a subject here. What failed is None, and what was refused NaN.
    """
    rejects = summary.header.method.rejection.rejects
    by_key: dict[tuple[str, str], list[ResultRow]] = {}
    for row in rows:
        by_key.setdefault((row.subject, row.workload), []).append(row)
    figures = [_time(subject, workload, mine, rejects) for (subject, workload), mine in by_key.items()]
    for cell in summary.cells:
        figures += _of_cell(cell)
    return tuple(figures)


def asv_frame(found: Sequence[asv.AsvResults]) -> pd.DataFrame:
    """Return asv's results with the columns of ``frames.rows_frame``: one line per sample of a latency.

    A latency whose samples asv did not keep gives one line with the value that it kept. Launches, blocks and what
    disturbed a sample are not in asv's files: they are 0, or missing. ``run`` is made of commit and environment.
    """
    import pandas as pd

    from poolbench.analyse.frames.run import SAMPLE_COLUMNS

    lines = [line for results in found for line in _lines(results)]
    frame = pd.DataFrame(lines, columns=list(SAMPLE_COLUMNS))
    for name in SAMPLE_COLUMNS:
        if name in _TEXTS:
            frame[name] = frame[name].astype("category")
        elif name.endswith("_bytes"):
            frame[name] = frame[name].astype("Int64")
    return frame


def method_options(header: RunHeader) -> dict[str, str]:
    """Return what of a run's method makes its figures a series of their own."""
    method = header.method
    return {
        "method": str(method.version),
        "threads": str(method.threads),
        "cache": method.cache.value,
        "layout": method.layout.value,
    }


def _time(subject: str, workload: str, rows: Sequence[ResultRow], rejects: Any) -> asv.AsvFigure:
    samples = [sample for row in rows for sample in row.samples if not rejects(sample)]
    is_refused = any(row.status is Status.UNSUPPORTED for row in rows)
    is_failed = any(row.status.failed for row in rows)
    if is_failed or is_refused:
        samples = []
    seconds = tuple(sample.call_ns / 1e9 for sample in samples)
    return asv.AsvFigure(
        benchmark=asv_terms.TIME,
        subject=subject,
        workload=workload,
        value=median(seconds) if seconds else math.nan if is_refused and not is_failed else None,
        samples=seconds,
        loops=max((sample.loops for sample in samples), default=0),
    )


def _of_cell(cell: Cell) -> Iterator[asv.AsvFigure]:
    amounts: dict[str, float | None] = {asv_terms.LIMIT: None if cell.times_limit is None else cell.times_limit.value}
    if cell.memory is not None:
        amounts |= {asv_terms.REQUESTED: cell.memory.requested.bytes, asv_terms.TOUCHED: cell.memory.touched.bytes}
    for benchmark, value in amounts.items():
        known = math.nan if value is None and cell.status is Status.UNSUPPORTED else value
        yield asv.AsvFigure(benchmark=benchmark, subject=str(cell.subject), workload=cell.workload, value=known)


def _lines(results: asv.AsvResults) -> Iterator[dict[str, Any]]:
    memory = {
        (figure.subject, figure.workload, figure.benchmark): figure.value
        for figure in results.figures
        if figure.benchmark in (asv_terms.REQUESTED, asv_terms.TOUCHED)
    }
    workloads = results.workloads
    for figure in results.figures:
        if figure.benchmark != asv_terms.TIME or figure.value is None:
            continue
        common = {
            **_about_workload(figure.workload, workloads.get(figure.workload)),
            "subject": figure.subject,
            "status": Status.UNSUPPORTED.value if math.isnan(figure.value) else Status.OK.value,
            "launch": 0,
            "importer": 0,
            "rejected": False,
            "requested_bytes": _whole(memory.get((figure.subject, figure.workload, asv_terms.REQUESTED))),
            "touched_bytes": _whole(memory.get((figure.subject, figure.workload, asv_terms.TOUCHED))),
            "machine": str(results.machine),
            "run": f"asv:{results.commit[:8]}-{results.environment}",
            "revision": results.commit,
            "dirty": False,
            "started_at": "" if results.started_at is None else results.started_at.isoformat(timespec="seconds"),
            **dict.fromkeys(("note", "group", "layout", *(name for name in FLAT if name.endswith("_note"))), ""),
        }
        loops = figure.loops or math.nan
        for seconds in figure.samples or (figure.value,):
            yield {**common, "loops": loops, "call_ns": seconds * 1e9, "elapsed_ns": seconds * 1e9 * loops}


def _about_workload(text: str, workload: Workload | None) -> dict[str, Any]:
    if workload is None:
        return {"workload": text, "name": text, "kind": "", "dtype": "", "order": ""}
    return {
        "workload": text,
        "name": known.origin.name if (known := entries_by_key().get(text)) else text,
        "kind": workload.spec.kind.value,
        "rank": workload.spec.rank,
        "dtype": workload.dtype.value,
        "order": workload.order,
    }


def _whole(value: float | None) -> int | None:
    return None if value is None or math.isnan(value) else int(value)
