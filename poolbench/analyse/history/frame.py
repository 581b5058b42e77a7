"""A history as tidy frames: one line per point × workload, and one line per change × workload."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from poolbench.analyse.history.changes import MEAN, Effect
from poolbench.analyse.history.types import Cell, History

POINT_COLUMNS = (
    "subject", "anchor", "position", "point", "detail", "same_as", "workload", "name", "ratio", "low", "high",
    "log_ratio", "error", "launches", "runs", "bridged", "note",
)  # fmt: skip
CHANGE_COLUMNS = (
    "subject", "before", "after", "earliest", "latest", "direction", "workload", "name", "ratio", "low", "high",
    "p_value", "confirmed",
)  # fmt: skip


def history_frame(history: History) -> pd.DataFrame:
    """Return one line per point × workload, and per point one for the geometric mean, in order of the points.

    ``ratio`` with ``low`` and ``high`` is the time over the anchor's; ``log_ratio`` its logarithm with the standard
    error ``error``. What was not measured is NaN, and ``note`` says why where that is known.
    """
    lines = []
    for place in range(len(history.points)):
        lines += [_line(history, place, w, history.cell(w, place)) for w in history.workloads]
        mean = history.series.means.get(place)
        if mean is not None and len(history.series.mean_workloads) > 1:
            lines.append(_line(history, place, MEAN, mean))
    return pd.DataFrame(lines, columns=list(POINT_COLUMNS))


def changes_frame(history: History) -> pd.DataFrame:
    """Return one line per change × workload that it touches, and per change one for all of them (workload "")."""
    lines = []
    for change, series in history.changes:
        before, after, earliest, latest = history.labels(change)
        whole = Effect(workload="", ratio=change.ratio, low=change.low, high=change.high)
        lines += [
            {
                "subject": history.subject,
                "before": before,
                "after": after,
                "earliest": earliest,
                "latest": latest,
                "direction": change.direction.value,
                "workload": effect.workload,
                "name": history.names.get(effect.workload, effect.workload),
                "ratio": effect.ratio,
                "low": effect.low,
                "high": effect.high,
                "p_value": change.p_value,
                "confirmed": series.is_confirmed(change),
            }
            for effect in (whole, *change.effects)
        ]
    return pd.DataFrame(lines, columns=list(CHANGE_COLUMNS))


def _line(history: History, place: int, workload: str, cell: Cell) -> dict[str, Any]:
    point = history.points[place]
    estimate = cell.estimate
    return {
        "subject": history.subject,
        "anchor": history.anchor.label,
        "position": place,
        "point": point.label,
        "detail": point.detail,
        "same_as": point.same_as,
        "workload": workload,
        "name": history.names.get(workload, workload),
        "ratio": math.nan if estimate is None else estimate.value,
        "low": math.nan if estimate is None else estimate.low,
        "high": math.nan if estimate is None else estimate.high,
        "log_ratio": cell.log_ratio,
        "error": cell.error,
        "launches": cell.launches,
        "runs": cell.runs,
        "bridged": cell.is_bridged,
        "note": cell.note,
    }
