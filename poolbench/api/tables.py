"""What a stored run gives the database: a frame for each of its tables, all recomputed from the raw samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.findings import Cell, RunSummary, WorkloadSummary
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.gate.judge import judge_run
from poolbench.model.gate import GateVerdict
from poolbench.model.memory import flat
from poolbench.model.result import RunHeader
from poolbench.model.subject import Subject
from poolbench.model.verdict import Comparison
from poolbench.model.workload import Workload
from poolbench.store.database.schema import TABLES
from poolbench.store.reading import StoredRun

if TYPE_CHECKING:
    import pandas as pd

_RENAMED = {"order": "axes", "group": "block_group"}
"""Columns of the frame of samples whose names are words of SQL."""


def tables_of(stored: StoredRun) -> dict[str, pd.DataFrame]:
    """Return a frame for each table of ``poolbench.store.database.schema``, without the column ``file``."""
    import pandas as pd

    from poolbench.analyse.frames.run import rows_frame

    header = stored.header
    ledger = Ledger(stored.rows, header.method.rejection)
    summary = summarise(header, stored.rows, ledger=ledger)
    measured = [row for row in stored.rows if row.samples]
    samples = rows_frame(measured, header).rename(columns=_RENAMED)
    lines: dict[str, list[dict[str, Any]]] = {
        "runs": [_run(stored)],
        "cells": [_cell(header, workload, cell) for workload in summary.workloads for cell in workload.cells],
        "verdicts": [*_fastest(header, summary), *_gate(stored)],
    }
    frames = {
        table: pd.DataFrame(each, columns=[column.name for column in TABLES[table] if column.name != "file"])
        for table, each in lines.items()
    }
    return {**frames, "samples": samples}


def _of_run(header: RunHeader) -> dict[str, Any]:
    return {"run": header.run, "machine": header.machine.key, "started_at": header.started_at}


def _run(stored: StoredRun) -> dict[str, Any]:
    header, method = stored.header, stored.header.method
    machine, conditions = stored.header.machine.hardware, stored.header.machine.conditions
    return {
        **_of_run(header),
        "command": header.verb,
        "revision": header.revision,
        "dirty": header.dirty,
        "method_version": method.version,
        "threads": method.threads,
        "cache": method.cache.value,
        "layout_policy": method.layout.value,
        "clock": method.clock.value,
        "budget_s": header.budget_s,
        "subjects": len(header.subjects),
        "workloads": len(header.workloads),
        "rows": len(stored.rows),
        "samples": sum(len(row.samples) for row in stored.rows),
        "hardware": machine.key,
        "processor": machine.processor,
        "architecture": machine.architecture,
        "cores": machine.cores,
        "memory_gib": machine.memory_gib,
        "virtualisation": machine.virtualisation,
        "flags": " ".join(machine.flags),
        "governor": conditions.governor,
        "load_1min": conditions.load_1min,
        "steal_share": conditions.steal_share,
        "cpu_quota": conditions.cpu_quota,
        "software": json.dumps(header.machine.software, sort_keys=True),
    }


def _cell(header: RunHeader, summary: WorkloadSummary, cell: Cell) -> dict[str, Any]:
    workload, timing, ratio, limit = summary.workload, cell.timing, cell.ratio, cell.times_limit
    line = {
        **_of_run(header),
        **_workload(workload),
        "pass": workload.pass_.value,
        "subject": str(cell.subject),
        "backend": cell.subject.backend,
        "environment": cell.subject.environment,
        "status": cell.status.value,
        "note": cell.note,
        "layout": cell.layout,
        "kernels": json.dumps(dict(cell.kernels)) if cell.kernels else "",
        "is_fastest": cell.is_fastest,
        "is_tie": cell.is_tie,
        **flat(cell.memory),
    }
    if timing is not None:
        line |= {
            "median_ns": timing.median_ns,
            "median_low_ns": timing.low_ns,
            "median_high_ns": timing.high_ns,
            "launches": timing.launches,
            "slots": timing.slots,
            "rejected_share": timing.rejected,
        }
    if ratio is not None:
        line |= {"ratio": ratio.value, "ratio_low": ratio.low, "ratio_high": ratio.high}
    if limit is not None:
        line |= {"times_limit": limit.value, "times_limit_low": limit.low, "times_limit_high": limit.high}
    return line


def _workload(workload: Workload) -> dict[str, Any]:
    return {
        "workload": workload.id,
        "name": workload.name,
        "kind": workload.spec.kind.value,
        "rank": workload.spec.rank,
        "dtype": workload.dtype.value,
        "axes": workload.order,
    }


def _fastest(header: RunHeader, summary: RunSummary) -> Iterator[dict[str, Any]]:
    names = header.names
    for verdict in summary.verdicts:
        yield {
            **_of_run(header),
            "question": "fastest",
            **_judged(verdict.comparison, names),
            "outcome": verdict.outcome.value,
            "reason": verdict.reason,
        }


def _gate(stored: StoredRun) -> Iterator[dict[str, Any]]:
    """Yield a gate's verdicts on its own terms; none for gates of before schema 6, which hold no roles."""
    terms = stored.header.gate
    if terms is None:
        return
    for verdict in judge_run(stored.header, stored.rows, terms).verdicts:
        yield _gate_verdict(stored.header, verdict, terms.head, terms.base)


def _gate_verdict(header: RunHeader, verdict: GateVerdict, head: Subject, base: Subject) -> dict[str, Any]:
    return {
        **_of_run(header),
        "question": "gate",
        **_judged(verdict.comparison, header.names),
        "subject": str(head),
        "reference": str(base),
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "is_regression": verdict.is_regression,
        "is_memory_regression": verdict.is_memory_regression,
    }


def _judged(comparison: Comparison, names: dict[str, str]) -> dict[str, Any]:
    return {
        "workload": comparison.workload,
        "name": names.get(comparison.workload, comparison.workload),
        "subject": comparison.subject,
        "reference": comparison.reference,
        "ratio": comparison.ratio,
        "ratio_low": comparison.low,
        "ratio_high": comparison.high,
        "p_value": comparison.p_value,
        "blocks": comparison.blocks,
        "launches": comparison.launches,
        "launch_spread": comparison.launch_spread,
        "drift": comparison.drift,
        "rejected_share": comparison.rejected,
    }
