"""What a page is made of, apart from how it looks: sections with sentences, tables and figures.

A table stands in the page, and as CSV, Parquet and Markdown, from the same object, so that all of them say the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from poolbench.analyse.estimate.findings import Estimate
    from poolbench.report.figures.canvas import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A table's cell: the text that is shown; where it is a figure, the unrounded number with its interval.

    ``low`` and ``high`` are None where the number is exact or its uncertainty stands in the column's heading.
    """

    text: str
    number: float | int | None = None
    low: float | None = None
    high: float | None = None
    is_strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A table's column. ``key`` names it in files; ``quantity`` (a key of its own for tests) is that of its figures."""

    key: str
    title: str
    is_figure: bool = False
    has_interval: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A table's row. ``facets`` are what it can be filtered by; ``command`` measures it again, ``reason`` says more."""

    values: tuple[Value, ...]
    facets: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    command: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under columns. ``facets`` maps the facets that a reader can filter by to their headings."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    facets: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def has_commands(self) -> bool:
        """Whether any row can be measured again."""
        return any(row.command for row in self.rows)

    def frame(self) -> pd.DataFrame:
        """Return the table unrounded: figures as numbers with ``_low`` and ``_high`` beside them, words as text."""
        import pandas as pd

        columns: dict[str, list[Any]] = {}
        for index, column in enumerate(self.columns):
            values = [row.values[index] for row in self.rows]
            if not column.is_figure:
                columns[column.key] = [value.text for value in values]
                continue
            columns[column.key] = [math.nan if value.number is None else value.number for value in values]
            if column.has_interval:
                columns[f"{column.key}_low"] = [math.nan if value.low is None else value.low for value in values]
                columns[f"{column.key}_high"] = [math.nan if value.high is None else value.high for value in values]
        for facet in dict.fromkeys(name for row in self.rows for name in row.facets):
            columns.setdefault(facet, [row.facets.get(facet, "") for row in self.rows])
        if self.has_commands:
            columns["command"] = [row.command for row in self.rows]
        return pd.DataFrame(columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page. ``missing`` says why there is nothing to show; a section with neither is left out.

    ``words`` are its sentences, before tables and figures.
    """

    key: str
    title: str
    words: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()
    lists: tuple[tuple[str, ...], ...] = ()
    code: str = ""
    missing: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show and nothing to say."""
        return not (self.words or self.drawings or self.tables or self.lists or self.code or self.missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A report. ``key`` is its folder's name; ``warnings`` stand above everything else."""

    key: str
    title: str
    subtitle: str
    started_at: str
    machine: str
    answer: tuple[str, ...]
    lead: Drawing | None
    sections: tuple[Section, ...]
    warnings: tuple[str, ...] = ()

    @property
    def drawings(self) -> Iterator[Drawing]:
        """All figures, in their order."""
        if self.lead is not None:
            yield self.lead
        for section in self.sections:
            yield from section.drawings

    @property
    def tables(self) -> Iterator[Table]:
        """All tables, in their order."""
        for section in self.sections:
            yield from section.tables


def words(text: str, *, is_strong: bool = False) -> Value:
    """Return a cell of words."""
    return Value(text=text, is_strong=is_strong)


def exact(text: str, number: float | int | None) -> Value:
    """Return a cell with a number that has no interval of its own; a dash where there is none."""
    if number is None or not math.isfinite(number):
        return Value(text=text or "–")
    return Value(text=text, number=number)


def measured(text: str, found: Estimate | None) -> Value:
    """Return a cell with an estimate and its interval; a dash where there is none."""
    if found is None or not math.isfinite(found.value):
        return Value(text=text or "–")
    return Value(text=text, number=found.value, low=found.low, high=found.high)
