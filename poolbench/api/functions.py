"""The public functions; ``poolbench/__init__.py`` documents them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolbench.analyse.frames import rows_frame, summary_frame
from poolbench.analyse.summary import summarise
from poolbench.api.run import Request, choose_subjects, default_budget_s, default_limits, new_run
from poolbench.backends import registry
from poolbench.backends.base import Source
from poolbench.catalogue.select import select
from poolbench.errors import InvalidSpecError, StoreError, UsageError
from poolbench.measure.machine import fingerprint
from poolbench.model.ids import parse_id
from poolbench.model.method import Cache, LayoutPolicy, Method
from poolbench.model.pooling import PoolSpec
from poolbench.model.workload import DType, Workload
from poolbench.store.reading import read_run


def apply(spec: PoolSpec | Workload | str, x: NDArray[Any], backend: str) -> NDArray[Any]:
    """Pool ``x`` with one backend, in this process."""
    workload = _workload_for(spec, x)
    if x.shape != workload.input_shape or x.dtype.name != workload.dtype.numpy_name:
        raise InvalidSpecError(
            f"The array is {x.dtype.name} of shape {x.shape}; the workload {workload.id} takes "
            f"{workload.dtype.numpy_name} of shape {workload.input_shape}."
        )
    chosen = registry.create(backend)
    registry.require(chosen)
    support = chosen.supports(workload)
    if not support.ok:
        raise UsageError(f"The backend '{backend}' cannot compute {workload.id}: {support.reason}")
    chosen.load(threads=1)
    prepared = chosen.prepare(workload, Source(array=x))
    try:
        return prepared.output()
    finally:
        prepared.close()


def compare(
    subjects: Sequence[str],
    workloads: Sequence[str],
    *,
    budget_s: float | None,
    threads: int,
    cache: str,
    layout: str,
    batch: str | None,
    results: str | Path,
) -> pd.DataFrame:
    """Measure and return the summary as a frame."""
    if batch not in (None, "source"):
        raise UsageError(f"batch is '{batch}'; it takes 'source', or nothing for the catalogue's own batch.")
    chosen, notes = choose_subjects(subjects)
    for note in notes:
        warnings.warn(note, stacklevel=3)
    entries = tuple(select(workloads, batch_from_source=batch == "source"))
    request = Request(
        subjects=chosen,
        workloads=entries,
        method=Method(
            threads=threads,
            cache=Cache(cache),
            layout=LayoutPolicy(layout),
            limits=default_limits(fingerprint().hardware),
        ),
        budget_s=default_budget_s(len(entries)) if budget_s is None else budget_s,
        results_dir=Path(results),
    )
    with new_run(request) as run:
        rows = [row for group in run.measure() for row in group]
        return summary_frame(summarise(run.header, rows))


def load_results(path: str | Path) -> pd.DataFrame:
    """Read one file, or all of a folder."""
    root = Path(path)
    paths = sorted(root.rglob("*.jsonl")) if root.is_dir() else [root]
    if not paths:
        raise StoreError(f"There is no result file under {root}: 'poolbench compare' writes some.")
    frames = []
    for file in paths:
        stored = read_run(file)
        for warning in stored.warnings:
            warnings.warn(warning, stacklevel=3)
        frames.append(rows_frame(stored.rows, stored.header))
    return pd.concat(frames, ignore_index=True)


def _workload_for(spec: PoolSpec | Workload | str, x: NDArray[Any]) -> Workload:
    if isinstance(spec, str):
        return parse_id(spec)
    if isinstance(spec, Workload):
        return spec
    if x.ndim != spec.rank + 2:
        raise InvalidSpecError(
            f"The spec pools {spec.rank} spatial axes, so the array needs {spec.rank + 2} axes "
            f"(batch, channels, spatial); it has the shape {x.shape}."
        )
    by_name = {dtype.numpy_name: dtype for dtype in DType}
    if x.dtype.name not in by_name:
        raise InvalidSpecError(f"Arrays of {x.dtype.name} cannot be pooled; {', '.join(sorted(by_name))} can.")
    batch, channels, *spatial = x.shape
    return Workload(
        spec=spec, batch=batch, channels=channels, spatial=tuple(spatial), dtype=by_name[np.dtype(x.dtype).name]
    )
