"""``poolbench.compare`` and ``poolbench.load_results``; ``poolbench/__init__.py`` documents them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from poolbench.analyse.asv_figures import asv_frame
from poolbench.analyse.frames import rows_frame, summary_frame
from poolbench.analyse.summary import summarise
from poolbench.api.run import Request, choose_subjects, default_budget_s, default_limits, new_run
from poolbench.catalogue.select import choose
from poolbench.errors import StoreError, UsageError
from poolbench.measure.machine import fingerprint
from poolbench.model.method import Cache, LayoutPolicy, Method
from poolbench.store.asv import is_asv_folder, read_results
from poolbench.store.reading import read_run


def compare(
    subjects: Sequence[str] | None,
    workloads: Sequence[str],
    *,
    budget_s: float | None,
    threads: int,
    cache: str,
    layout: str,
    batch: str | None,
    passes: Sequence[str],
    gradients: Sequence[str],
    memory: bool,
    results: str | Path,
) -> pd.DataFrame:
    """Measure and return the summary as a frame."""
    if batch not in (None, "source"):
        raise UsageError(f"batch is '{batch}'; it takes 'source', or nothing for the catalogue's own batch.")
    chosen, notes = choose_subjects(subjects)
    choice = choose(workloads, batch_from_source=batch == "source", passes=passes, gradients=gradients)
    entries, notes = choice.workloads, (*notes, *choice.notes)
    for note in notes:
        warnings.warn(note, stacklevel=3)
    request = Request(
        subjects=chosen,
        workloads=entries,
        method=Method(
            threads=threads,
            cache=Cache(cache),
            layout=LayoutPolicy(layout),
            memory=memory,
            limits=default_limits(fingerprint().hardware),
        ),
        budget_s=default_budget_s(len(entries), memory=memory) if budget_s is None else budget_s,
        results_dir=Path(results),
    )
    with new_run(request) as run:
        rows = [row for group in run.measure() for row in group]
        return summary_frame(summarise(run.header, rows))


def load_results(path: str | Path) -> pd.DataFrame:
    """Read one file, all of a folder, or a folder of asv's."""
    root = Path(path)
    if is_asv_folder(root):
        return asv_frame(read_results(root))
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
