"""A run's summary as the JSON document that ``compare`` and ``show`` print (docs/json.md)."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from poolbench.model.memory import flat

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import Cell, Estimate, RunSummary


def summary_document(summary: RunSummary) -> dict[str, Any]:
    """Return what is documented in docs/json.md: the run, its workloads, one cell per subject, the means, the notes."""
    header = summary.header
    return {
        "run": header.run,
        "started_at": header.started_at,
        "machine": header.machine.key,
        "method": asdict(header.method),
        "policy": asdict(summary.policy),
        "ranking": summary.ranking.value,
        "launches": summary.launches,
        "importers": summary.importers,
        "workloads": [
            {
                "workload": workload.workload,
                "name": workload.name,
                "fastest": workload.fastest,
                "limit_ns": None if workload.limit is None else workload.limit.median_ns,
                "launches": workload.launches,
            }
            for workload in summary.workloads
        ],
        "cells": [_cell(cell) for cell in summary.cells],
        "geometric_means": [
            {
                "subject": mean.subject,
                "workloads": mean.workloads,
                "ratio": _estimate(mean.ratio),
                "times_limit": _estimate(mean.times_limit),
            }
            for mean in summary.means
        ],
        "notes": [{"kind": note.kind.value, "text": note.text} for note in summary.notes],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    timing, verdict = cell.timing, cell.verdict
    return {
        "workload": cell.workload,
        "subject": cell.subject,
        "status": cell.status.value,
        "note": cell.note,
        "layout": cell.layout,
        "kernels": dict(cell.kernels),
        "memory": None if cell.memory is None else flat(cell.memory),
        "median_ns": None if timing is None else timing.median_ns,
        "low_ns": None if timing is None else timing.low_ns,
        "high_ns": None if timing is None else timing.high_ns,
        "launches": None if timing is None else timing.launches,
        "times_limit": _estimate(cell.times_limit),
        "ratio": _estimate(cell.ratio),
        "is_fastest": cell.is_fastest,
        "is_tie": cell.is_tie,
        "outcome": None if verdict is None else verdict.outcome.value,
        "reason": None if verdict is None else verdict.reason,
    }


def _estimate(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else {"value": estimate.value, "low": estimate.low, "high": estimate.high}
