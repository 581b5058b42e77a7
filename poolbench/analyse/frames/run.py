"""A run's raw samples as a tidy frame: one line per sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from poolbench.model.memory import FLAT, Memory, flat
from poolbench.model.result import ResultRow, RunHeader
from poolbench.model.sample import SAMPLE_FIELDS, Sample

SAMPLE_COLUMNS = (
    "workload", "name", "kind", "rank", "dtype", "order", "subject", "status", "note", "launch", "importer", "group",
    "block", "position", "loops", "call_ns", "elapsed_ns", "cpu_ns", "foreign_cpu_ns", "page_faults",
    "context_switches", "rejected", "layout", *FLAT, "machine", "run", "revision", "dirty", "started_at",
)  # fmt: skip
"""The columns of ``rows_frame``, in order."""

_REPEATED = (
    "workload", "subject", "status", "note", "launch", "importer", "group", "layout", "machine", "run", "revision",
    "dirty", "started_at",
)  # fmt: skip
_FROM_SAMPLE = attrgetter(*SAMPLE_FIELDS)


def rows_frame(rows: Sequence[ResultRow], header: RunHeader) -> pd.DataFrame:
    """Return one line per sample; a row without samples (a failure) gives one line whose sample columns are NaN.

    Times are nanoseconds, sizes bytes. Texts are categories. ``rejected`` follows the header's rejection rule.
    """
    counts = np.array([max(len(row.samples), 1) for row in rows], dtype=np.intp)
    measured = np.repeat(np.array([bool(row.samples) for row in rows], dtype=bool), counts)
    samples = [sample for row in rows for sample in row.samples]
    columns: dict[str, Any] = {name: _repeated([getattr(row, name) for row in rows], counts) for name in _REPEATED}
    columns.update(_workload_columns(rows, header, counts))
    columns.update(_sample_columns(samples, measured, header))
    columns.update(_memory_columns([row.memory for row in rows], counts))
    return pd.DataFrame(columns, columns=list(SAMPLE_COLUMNS))


def _repeated(values: list[Any], counts: np.ndarray[Any, np.dtype[np.intp]]) -> Any:
    """Repeat a row's value for each of its samples; texts as categories, which take a byte or two each."""
    if values and isinstance(values[0], str):
        codes, categories = pd.factorize(np.array([str(value) for value in values], dtype=object))
        return pd.Categorical.from_codes(np.repeat(codes, counts), categories=pd.Index(categories, dtype=object))
    if any(value is None for value in values):
        return np.repeat(np.array([math.nan if value is None else value for value in values], dtype=float), counts)
    return np.repeat(np.array(values), counts)


def _workload_columns(
    rows: Sequence[ResultRow], header: RunHeader, counts: np.ndarray[Any, np.dtype[np.intp]]
) -> dict[str, Any]:
    parsed = {workload.id: workload for workload in header.workloads}
    workloads = [parsed[row.workload] for row in rows]
    return {
        "name": _repeated([workload.name for workload in workloads], counts),
        "kind": _repeated([workload.spec.kind.value for workload in workloads], counts),
        "rank": _repeated([workload.spec.rank for workload in workloads], counts),
        "dtype": _repeated([workload.dtype.value for workload in workloads], counts),
        "order": _repeated([workload.order for workload in workloads], counts),
    }


def _memory_columns(accounts: Sequence[Memory | None], counts: np.ndarray[Any, np.dtype[np.intp]]) -> dict[str, Any]:
    """Return the columns FLAT, each account repeated; bytes are integers, missing where they are not known."""
    fields = [flat(memory) for memory in accounts]
    places = np.repeat(np.arange(len(accounts)), counts)
    columns: dict[str, Any] = {}
    for name in FLAT:
        values: list[Any] = [field[name] for field in fields]
        is_bytes = name.endswith("_bytes")
        columns[name] = pd.array(values, dtype="Int64").take(places) if is_bytes else _repeated(values, counts)
    return columns


def _sample_columns(
    samples: list[Sample], measured: np.ndarray[Any, np.dtype[np.bool_]], header: RunHeader
) -> dict[str, Any]:
    width = len(SAMPLE_FIELDS)
    flat = np.fromiter(chain.from_iterable(map(_FROM_SAMPLE, samples)), dtype=np.float64, count=width * len(samples))
    table = flat.reshape(-1, width)
    columns: dict[str, Any] = {}
    for name, values in zip(SAMPLE_FIELDS, table.T, strict=True):
        columns[name] = np.full(len(measured), np.nan)
        columns[name][measured] = values
    columns["call_ns"] = columns["elapsed_ns"] / columns["loops"]
    rejects = header.method.rejection.rejects
    columns["rejected"] = np.zeros(len(measured), dtype=bool)
    columns["rejected"][measured] = list(map(rejects, samples))
    return columns
