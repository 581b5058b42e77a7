"""A history as the JSON document that ``poolbench history --json`` prints (docs/json.md)."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import Estimate
    from poolbench.analyse.history.types import Cell, History


def history_document(history: History) -> dict[str, Any]:
    """Return what is documented in docs/json.md: the points, a cell per point × workload, the means, the changes."""
    places = range(len(history.points))
    return {
        "subject": history.subject,
        "anchor": history.anchor.label,
        "method": asdict(history.series.method),
        "runs": list(history.series.runs),
        "points": [
            {"point": p.label, "subject": p.subject, "detail": p.detail, "same_as": p.same_as, "problem": p.problem}
            for p in history.points
        ],
        "workloads": [{"workload": w, "name": history.names.get(w, w)} for w in history.workloads],
        "cells": [
            {"point": history.points[place].label, "workload": w, **_cell(history.cell(w, place))}
            for place in places
            for w in history.workloads
            if not history.points[place].same_as
        ],
        "geometric_means": [
            {"point": history.points[place].label, **_cell(cell)} for place, cell in history.series.means.items()
        ],
        "mean_workloads": list(history.series.mean_workloads),
        "changes": [
            {
                **dict(zip(("before", "after", "earliest", "latest"), history.labels(change), strict=True)),
                "direction": change.direction.value,
                "ratio": {"value": change.ratio, "low": change.low, "high": change.high},
                "p_value": change.p_value,
                "confirmed": series.is_confirmed(change),
                "workloads": [
                    {"workload": effect.workload, "value": effect.ratio, "low": effect.low, "high": effect.high}
                    for effect in change.effects
                ],
            }
            for change, series in history.changes
        ],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "ratio": _estimate(cell.estimate),
        "log_ratio": cell.log_ratio,
        "error": cell.error,
        "launches": cell.launches,
        "runs": cell.runs,
        "bridged": cell.is_bridged,
        "note": cell.note,
    }


def _estimate(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else {"value": estimate.value, "low": estimate.low, "high": estimate.high}
