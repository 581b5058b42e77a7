"""``poolbench.compare`` and ``poolbench.load_results``; ``poolbench/__init__.py`` documents them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.frames.asv import asv_frame
from poolbench.api.request import Request, choose_subjects, default_budget_s, default_limits
from poolbench.api.run import new_run
from poolbench.catalogue.select import choose
from poolbench.errors import PoolbenchError, StoreError, UsageError
from poolbench.measure.advice import thread_notes
from poolbench.measure.machine import fingerprint
from poolbench.model.method import Cache, LayoutPolicy, Method
from poolbench.report.needs import FRAMES, need
from poolbench.report.render.csv import summary_frame
from poolbench.store.asv import is_asv_folder, read_results
from poolbench.store.reading import read_run
from poolbench.store.runs import SUFFIX

if TYPE_CHECKING:
    import pandas as pd


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
    need("poolbench.compare, which returns a frame of pandas,", FRAMES)
    if batch not in (None, "source"):
        raise UsageError(f"batch is '{batch}'; it takes 'source', or nothing for the catalogue's own batch.")
    chosen, notes = choose_subjects(subjects, layout=LayoutPolicy(layout))
    choice = choose(workloads, batch_from_source=batch == "source", passes=passes, gradients=gradients)
    crowd = thread_notes(threads, [subject.threads for subject in chosen])
    entries, notes = choice.workloads, (*notes, *choice.notes, *crowd)
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
        for warning in run.warnings:
            warnings.warn(warning, stacklevel=3)
        rows = [row for group in run.measure() for row in group]
        return summary_frame(summarise(run.header, rows))


def load_results(path: str | Path) -> pd.DataFrame:
    """Read one file, all of a folder, or a folder of asv's."""
    need("poolbench.load_results, which returns a frame of pandas,", FRAMES)
    import pandas as pd

    root = Path(path)
    if is_asv_folder(root):
        return asv_frame(read_results(root))
    if not root.is_dir():
        return _run_frame(root)
    paths = sorted(path for path in root.rglob(f"*{SUFFIX}") if path.is_file())
    if not paths:
        raise StoreError(f"There is no result file under {root}: 'poolbench compare' writes some.")
    frames, problems = [], []
    for path in paths:
        try:
            frames.append(_run_frame(path))
        except PoolbenchError as error:
            problems.append(f"{path} is left out: {error}")
    if not frames:
        raise StoreError(f"None of the result files under {root} can be read. {problems[0]}")
    for problem in problems:
        warnings.warn(problem, stacklevel=3)
    return pd.concat(frames, ignore_index=True)


def _run_frame(path: Path) -> pd.DataFrame:
    stored = read_run(path)
    for warning in stored.warnings:
        warnings.warn(warning, stacklevel=4)
    from poolbench.analyse.frames.run import rows_frame

    return rows_frame(stored.rows, stored.header)
