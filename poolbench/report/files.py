"""The files beside a run's results: the summary as Markdown, and its table as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poolbench.errors import StoreError
from poolbench.report.render.csv import summary_table, write_csv
from poolbench.report.render.markdown import write_markdown

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where a summary was written."""

    markdown: Path
    csv: Path


def write_summary(summary: RunSummary, results: Path) -> Written:
    """Write summary and table beside the result file ``results``, replacing those of an earlier time.

    Raises StoreError where they cannot be written; the results themselves are not affected.
    """
    written = Written(markdown=results.with_suffix(".md"), csv=results.with_suffix(".csv"))
    try:
        write_markdown(summary, written.markdown)
        write_csv(summary_table(summary), written.csv)
    except OSError as error:
        raise StoreError(
            f"The summary cannot be written beside {results} ({error.strerror}). The results are complete: "
            f"make room, then print the table with: poolbench show {results}"
        ) from error
    return written
