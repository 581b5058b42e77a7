"""Reports as JSON documents, whose fields docs/json.md explains."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from poolbench.model.memory import FLAT
from poolbench.report.calibration import calibration_text
from poolbench.report.count import count_change_document
from poolbench.report.gate import headline
from poolbench.report.history import history_table
from poolbench.report.means import means_table
from poolbench.report.run_table import results_table, without_limits
from poolbench.report.table import Row, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolbench.analyse.estimate.findings import RunSummary
    from poolbench.analyse.history.types import History
    from poolbench.errors import ExitCode
    from poolbench.model.calibration import Calibration
    from poolbench.model.capture import Capture, CapturedCall
    from poolbench.model.effects import Effects
    from poolbench.model.gate import GateResult


def summary_document(summary: RunSummary) -> dict[str, Any]:
    """Return the document of ``compare`` and ``show``: run, workloads, a cell for each subject, means, notes."""
    header = summary.header
    table, means = results_table(summary), means_table(summary)
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
                "workload": workload.id,
                "name": workload.name,
                "fastest": None if workload.fastest is None else str(workload.fastest),
                "limit_ns": None if workload.limit is None else workload.limit.median_ns,
                "launches": workload.launches,
            }
            for workload in summary.workloads
        ],
        "cells": [
            _cell(row, dict(cell.kernels)) for row, cell in zip(without_limits(table).rows, summary.cells, strict=True)
        ],
        "geometric_means": [
            {
                "subject": row["subject"].text,
                "workloads": row["workloads"].number,
                "ratio": _interval(row["mean_ratio"]),
                "times_limit": _interval(row["mean_times_limit"]),
            }
            for row in (means.rows if means is not None else ())
        ],
        "notes": [{"kind": note.kind.value, "text": note.text} for note in summary.notes],
    }


def gate_document(
    result: GateResult, names: Mapping[str, str], known: Calibration | None, code: ExitCode
) -> dict[str, Any]:
    """Return the document of ``gate``."""
    return {
        "base": str(result.base),
        "head": str(result.head),
        "exit_code": int(code),
        "headline": headline(result),
        "policy": asdict(result.policy),
        "verdicts": [
            {
                "workload": verdict.workload,
                "name": names.get(verdict.workload, ""),
                "outcome": verdict.outcome.value,
                "reason": verdict.reason,
                "is_regression": verdict.is_regression,
                "samples": verdict.samples,
                "comparison": asdict(verdict.comparison),
                "confirmation": None if verdict.confirmation is None else asdict(verdict.confirmation),
                "memory": None if verdict.memory is None else asdict(verdict.memory),
                "is_memory_regression": verdict.is_memory_regression,
                "memory_reason": verdict.memory_reason,
                "count": count_change_document(verdict.count),
            }
            for verdict in result.verdicts
        ],
        "skipped": list(result.skipped),
        "disturbance": {**asdict(result.disturbance), "causes": list(result.disturbance.causes)},
        "calibration": None if known is None else asdict(known),
        "calibration_text": calibration_text(known, result),
    }


def history_document(history: History) -> dict[str, Any]:
    """Return the document of ``history``: the points, a cell for each point and workload, the means, the changes."""
    cells = history_table(history)
    return {
        "subject": str(history.subject),
        "anchor": history.anchor.label,
        "method": asdict(history.series.method),
        "runs": list(history.series.runs),
        "points": [
            {
                "point": p.label,
                "subject": str(p.subject),
                "detail": p.detail,
                "same_as": p.same_as,
                "problem": p.problem,
            }
            for p in history.points
        ],
        "workloads": [{"workload": w, "name": history.names.get(w, w)} for w in history.workloads],
        "cells": [
            {"point": row["point"].text, "workload": row["workload"].text, **_history_cell(row)}
            for row in cells.rows
            if row.role != "mean" and not row["same_as"].text
        ],
        "geometric_means": [
            {"point": row["point"].text, **_history_cell(row)} for row in cells.rows if row.role == "mean"
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


def capture_document(capture: Capture) -> dict[str, Any]:
    """Return the document of ``capture``."""
    return {
        "target": capture.target,
        "framework": capture.framework,
        "version": capture.version,
        "pass": capture.pass_.value,
        "inputs": list(capture.inputs),
        "calls": [_call(call) for call in capture.calls],
        "notes": list(capture.notes),
        "problem": capture.problem,
    }


def _call(call: CapturedCall) -> dict[str, Any]:
    workload = call.workload
    return {
        "id": None if workload is None else workload.id,
        "name": call.name,
        "count": call.count,
        "pass": call.pass_.value,
        "supported": call.is_supported,
        "reason": call.reason,
        "note": call.note,
        "reductions": call.reductions,
        "places": [asdict(place) for place in call.places],
        "shape": list(call.shape),
        "strides": None if call.strides is None else list(call.strides),
        "gradient_strides": None if call.gradient_strides is None else list(call.gradient_strides),
        "order": None if workload is None else workload.order,
        "view": None if workload is None else str(workload.view),
        "gradient_view": None if workload is None else str(workload.gradient_view),
        "dtype": call.dtype,
        "device": call.device,
        "threads": call.threads,
    }


def _cell(row: Row, kernels: Mapping[str, str]) -> dict[str, Any]:
    time = row["median_ns"]
    return {
        "workload": row["workload"].text,
        "subject": row["subject"].text,
        "status": row["status"].text,
        "note": row["note"].text,
        "layout": row["layout"].text,
        "kernels": kernels,
        "memory": _memory(row),
        "median_ns": time.number,
        "low_ns": time.low,
        "high_ns": time.high,
        "launches": None if time.number is None else row["launches"].number,
        "times_limit": _interval(row["times_limit"]),
        "ratio": _interval(row["ratio_to_fastest"]),
        "is_fastest": row["is_fastest"].number,
        "is_tie": row["is_tie"].number,
        "outcome": row["outcome"].text or None,
        "reason": row["reason"].text if row["outcome"].text else None,
    }


def _memory(row: Row) -> dict[str, Any] | None:
    if row["output_bytes"].number is None:
        return None
    return {name: row[name].number if name.endswith("_bytes") else row[name].text for name in FLAT}


def _history_cell(row: Row) -> dict[str, Any]:
    return {
        "ratio": _interval(row["ratio"]),
        "log_ratio": row["log_ratio"].number,
        "error": row["error"].number,
        "launches": row["launches"].number,
        "runs": row["runs"].number,
        "bridged": row["bridged"].number,
        "note": row["note"].text,
    }


def _interval(value: Value) -> dict[str, Any] | None:
    return None if value.number is None else {"value": value.number, "low": value.low, "high": value.high}


def effects_document(found: Effects) -> dict[str, Any]:
    """Return the document of ``effects``: the layers with their alternatives, and the classifier's accuracies."""
    return {
        "title": found.title,
        "run": found.run,
        "machine": found.machine,
        "layers": [
            {
                "workload": layer.workload.id,
                "layer": layer.layer,
                "count": layer.count,
                "next_layer": layer.next_layer,
                "saving": None if layer.saving is None else asdict(layer.saving),
                "choices": [asdict(choice) for choice in layer.choices],
                "notes": list(layer.notes),
            }
            for layer in found.layers
        ],
        "classifier": [
            {"alternative": alternative.value, **asdict(accuracy)} for alternative, accuracy in found.accuracies
        ],
        "notes": list(found.notes),
    }
