"""A run's table as lines of text under each workload: what a terminal and a summary file draw.

A time and its ± have a column each, and the geometric means stand in the columns of the ratios, as a last section.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolbench.report.means import covered_text, means_table
from poolbench.report.run_table import results_columns, results_table
from poolbench.report.table import Row, explained

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary

SPREAD = "±"

KEYS = {
    "subject": ("subject", "subject"),
    "time": ("median_ns", ""),
    SPREAD: ("median_ns", ""),
    "GB/s": ("gigabytes_per_s", ""),
    "× limit": ("times_limit", "mean_times_limit"),
    "× fastest": ("ratio_to_fastest", "mean_ratio"),
    "requested": ("requested_bytes", ""),
    "touched": ("touched_bytes", ""),
    "saved": ("saved_bytes", ""),
    "output": ("output_bytes", ""),
    "least": ("least_bytes", ""),
    "layout": ("layout", ""),
}
"""The headings in order, and which column of the results, and of the means, each of them shows."""

COLUMNS = tuple(KEYS)

WORDS = ("subject", "layout")
"""The columns of words, which are aligned to the left; the others are figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: texts in the order of COLUMNS, and the row's role (``poolbench.report.table.Row``)."""

    cells: tuple[str, ...]
    role: str

    def __getitem__(self, heading: str) -> str:
        return self.cells[COLUMNS.index(heading)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading (the workload's name), what stands beside it (its id, if that is not the name), and its lines."""

    title: str
    detail: str
    lines: tuple[Line, ...]


def sections(summary: RunSummary) -> tuple[Section, ...]:
    """Return a section per workload, and last that of the geometric means where there are any."""
    found = [_section(part) for part in results_table(summary).groups("workload")]
    means = means_table(summary)
    if means is not None:
        lines = tuple(_line(row, 1) for row in means.rows)
        found.append(Section(title="geometric mean", detail=f"over {covered_text(summary)}", lines=lines))
    return tuple(found)


def filled(lines: Sequence[Line]) -> list[int]:
    """Return the columns that are shown where there is room: the subjects, and those that some line fills."""
    return [column for column in range(len(COLUMNS)) if column == 0 or any(line.cells[column] for line in lines)]


def legend(summary: RunSummary, shown: Collection[str] = COLUMNS) -> str:
    """Say what the columns that are ``shown`` mean."""
    columns = {column.key: column for column in results_columns(summary)}
    sentences = []
    for heading in COLUMNS:
        column = columns[KEYS[heading][0]]
        said = column.spread_help if heading == SPREAD else column.help
        if heading in shown and said:
            sentences.append(explained(heading, said))
    return " ".join(sentences)


def _section(rows: Sequence[Row]) -> Section:
    first = rows[0]
    title, identity = first["name"].text, first["workload"].text
    return Section(
        title=title,
        detail=identity if identity != title else "",
        lines=tuple(_line(row, 0) for row in rows),
    )


def _line(row: Row, which: int) -> Line:
    values = {heading: row[keys[which]] for heading, keys in KEYS.items() if keys[which]}
    texts = {heading: value.text for heading, value in values.items()}
    if SPREAD in values:
        texts[SPREAD] = values[SPREAD].spread
    return Line(cells=tuple(texts.get(heading, "") for heading in COLUMNS), role=row.role)
