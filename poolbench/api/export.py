"""A stored run in the formats of others: asv's result files, Parquet and CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.frames.asv import figures_of, method_options
from poolbench.environments.git import GitError
from poolbench.errors import MissingExtraError, StoreError, UsageError
from poolbench.measure.revision import PACKAGE, leads_to_head, repository, resolve_commit
from poolbench.model.result import UNKNOWN_REVISION
from poolbench.report.needs import FRAMES, need
from poolbench.report.render.csv import summary_frame
from poolbench.store.asv import AsvResults, write_results
from poolbench.store.reading import StoredRun

if TYPE_CHECKING:
    import pandas as pd

ASV_FOLDER = "asv-runs"
"""Where in the results folder runs are exported to for asv: apart from what asv measures itself and describes."""


class Format(StrEnum):
    """What a run can be exported to."""

    ASV = "asv"
    PARQUET = "parquet"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """asv's result file that a run is in, and in sentences what asv will show otherwise than one would think."""

    file: Path
    warnings: tuple[str, ...]


def export_asv(stored: StoredRun, folder: Path, *, source: Path | None = None, commit: str | None = None) -> Exported:
    """Add a run to the asv folder ``folder``.

    asv files results under commits: that of the run, or ``commit``, in the git repository ``source`` (left out, the one
    that poolbench lies in). Raises UsageError where there is no such repository or commit, or asv is not installed, and
    StoreError where files cannot be written.
    """
    try:
        top = repository(PACKAGE if source is None else source)
    except GitError as error:
        raise UsageError(
            "asv files results under the commits of a git repository, and "
            f"{'poolbench does not lie in one' if source is None else f'{source} is none'}: name one with "
            f"--repository. git says: {error}"
        ) from error
    name = commit or stored.header.revision
    if name == UNKNOWN_REVISION:
        raise UsageError(
            f"asv files results under a commit, and it is not known which run {stored.header.run} was measured at: git "
            "could not be asked. Name it with --commit."
        )
    try:
        full, committed_at = resolve_commit(top, name)
    except GitError as error:
        measured = "" if commit else f", which run {stored.header.run} was measured at,"
        raise UsageError(
            f"asv files results under a commit, and '{name}'{measured} is none of the repository {top}: name one with "
            f"--commit, or the repository that has it with --repository. git says: {error}"
        ) from error
    results = AsvResults(
        machine=stored.header.machine,
        commit=full,
        committed_at=committed_at,
        figures=figures_of(summarise(stored.header, stored.rows), stored.rows),
        options=method_options(stored.header),
        started_at=datetime.fromisoformat(stored.header.started_at),
    )
    file = write_results(folder, results, top)
    return Exported(file=file, warnings=tuple(_warnings(stored, top, full, named=commit is not None)))


def _warnings(stored: StoredRun, repository: Path, commit: str, *, named: bool) -> Iterator[str]:
    if stored.header.dirty and not named:
        yield (
            f"run {stored.header.run} measured sources that differ from commit {commit[:8]}, under which asv will show "
            "it."
        )
    try:
        is_shown = leads_to_head(repository, commit)
    except GitError as error:
        yield f"it is not known whether asv's pages will show commit {commit[:8]}: git says: {error}"
        return
    if not is_shown:
        yield (
            f"asv's pages show the commits that lead to what is checked out in {repository}, and {commit[:8]} does "
            "not: they will leave this run out. File it under another commit with --commit, or check out a branch that "
            "has this one."
        )


def export_tables(stored: StoredRun, folder: Path, form: Format) -> tuple[Path, Path]:
    """Write the raw samples and the summary of a run as two tables, and return their paths.

    The columns are those of ``load_results`` and of ``compare``. Raises StoreError where they cannot be written, and
    MissingExtraError where a package that writes the format is not installed.
    """
    need("Writing a run's samples as a table", FRAMES)
    from poolbench.analyse.frames.run import rows_frame

    write = _writer(form)
    tables = {
        folder / f"{stored.path.stem}.samples.{form.value}": rows_frame(stored.rows, stored.header),
        folder / f"{stored.path.stem}.summary.{form.value}": summary_frame(summarise(stored.header, stored.rows)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, frame in tables.items():
            write(frame, path)
    except OSError as error:
        raise StoreError(f"The tables cannot be written to {folder}: {error.strerror or error}.") from error
    samples, summary = tables
    return samples, summary


def _writer(form: Format) -> Callable[[pd.DataFrame, Path], None]:
    if form is Format.CSV:
        return lambda frame, path: frame.to_csv(path, index=False)
    if find_spec("pyarrow") is None:  # pandas would say it in a page
        raise MissingExtraError(
            "Parquet needs the package pyarrow, which is not installed here: pip install 'poolbench[parquet]', or "
            "export to csv."
        )
    return lambda frame, path: frame.to_parquet(path, index=False, engine="pyarrow")
