"""Typed cells, and the tables that they stand in: a number with its unit, its interval and its text.

Every form of a report (terminal, Markdown, HTML, CSV, Parquet, JSON) draws these tables and works nothing out, so that
the same fact reads the same everywhere. How numbers are written is ``poolbench.quantities``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from poolbench.model.estimate import Estimate
from poolbench.model.memory import Amount
from poolbench.quantities import half_width_text, ratio_text, significant, size_text, time_text

Number: TypeAlias = float | int | bool

NONE = "–"
"""In place of a figure that there is none of."""

UNKNOWN = "not measured"
"""In place of an amount of memory; a note says why."""


class Unit(StrEnum):
    """What the figures of a column are; it decides how a file writes them."""

    NONE = ""
    NANOSECONDS = "ns"
    SECONDS = "s"
    BYTES = "bytes"
    GB_PER_S = "GB/s"
    TIMES = "times"
    SHARE = "share"
    COUNT = "count"
    YES_OR_NO = "yes or no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A cell: its text, and where it is a figure the unrounded number with its interval.

    ``text`` is without ``spread``, the ± of a figure that has one of its own beside it; ``full`` is both. ``low`` and
    ``high`` are None where the number is exact or its uncertainty stands in the column's heading.
    """

    text: str
    spread: str = ""
    number: Number | None = None
    low: float | None = None
    high: float | None = None
    is_strong: bool = False

    @property
    def full(self) -> str:
        """The text with its uncertainty."""
        return f"{self.text} {self.spread}" if self.spread else self.text


BLANK = Value(text="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A table's column. ``key`` names it in files, ``ends`` the interval's two columns there.

    A ``is_detail`` column stands in files alone. ``spread_help`` says what the ± of its figures is.
    """

    key: str
    title: str = ""
    is_figure: bool = False
    has_interval: bool = False
    unit: Unit = Unit.NONE
    ends: tuple[str, str] = ("", "")
    is_detail: bool = False
    help: str = ""
    spread_help: str = ""

    @property
    def interval_keys(self) -> tuple[str, str]:
        """What a file calls the interval's lower and upper end."""
        low, high = self.ends
        return low or f"{self.key}_low", high or f"{self.key}_high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A table's row: cells by column. ``facets`` are what it can be filtered by.

    ``role`` is one of fastest, tie, slower, apart, failed, limit and mean, or empty. ``command`` measures the row
    again, ``reason`` says more of it.
    """

    cells: Mapping[str, Value]
    facets: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    command: str = ""
    reason: str = ""

    def __getitem__(self, key: str) -> Value:
        return self.cells.get(key, BLANK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under columns. ``facets`` maps the facets that a reader can filter by to their headings."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    facets: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_commands(self) -> bool:
        """Whether any row can be measured again."""
        return any(row.command for row in self.rows)

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns that a reader sees: no details, and none that no row fills."""
        return tuple(
            column
            for column in self.columns
            if not column.is_detail
            and (not self.rows or any(row[column.key].text not in ("", NONE) for row in self.rows))
        )

    def hiding(self, *keys: str) -> Table:
        """Return the table with these columns as details, which stand in files alone."""
        return replace(self, columns=tuple(replace(c, is_detail=c.is_detail or c.key in keys) for c in self.columns))

    def groups(self, facet: str) -> Iterator[Sequence[Row]]:
        """Yield the rows in parts, one for each value of ``facet``, in their order."""
        parts: dict[str, list[Row]] = {}
        for row in self.rows:
            parts.setdefault(row.facets.get(facet, ""), []).append(row)
        yield from parts.values()


def words(text: object, *, is_strong: bool = False) -> Value:
    """Return a cell of words: a text, or what names itself, as a subject does."""
    return Value(text=str(text), is_strong=is_strong)


def exact(text: str, number: Number | None) -> Value:
    """Return a cell with a number that has no interval of its own; a dash where there is none."""
    if number is None or not math.isfinite(number):
        return Value(text=text or NONE)
    return Value(text=text, number=number)


def counted_value(number: int | None) -> Value:
    """Return a cell with a whole number."""
    return exact("" if number is None else str(number), number)


def flag(is_so: bool) -> Value:
    """Return a cell of yes or no."""
    return Value(text="yes" if is_so else "no", number=is_so)


def measured(text: str, found: Estimate | None, *, spread: str = "") -> Value:
    """Return a cell with an estimate and its interval; a dash where there is none."""
    if found is None or not math.isfinite(found.value):
        return Value(text=text or NONE)
    return Value(text=text, spread=spread, number=found.value, low=found.low, high=found.high)


def ratio_value(found: Estimate | None) -> Value:
    """Return a cell with a ratio, such as "2.31 ±0.02"; a dash where there is none."""
    return measured("" if found is None else ratio_text(found), found)


def time_value(found: Estimate) -> Value:
    """Return a cell with a time in nanoseconds, such as "1.23 ms" with "±0.8 %" beside it."""
    return measured(time_text(found.value), found, spread=half_width_text(found.half_width))


def rate_value(gigabytes_per_s: float, time_ns: Estimate) -> Value:
    """Return a cell with a rate in GB/s; its interval is that of the time, turned round."""
    moved = gigabytes_per_s * time_ns.value
    return Value(
        text=significant(gigabytes_per_s),
        number=gigabytes_per_s,
        low=0.0 if math.isinf(time_ns.high) else moved / time_ns.high,
        high=math.inf if time_ns.low <= 0 else moved / time_ns.low,
    )


def size_value(size: int | None) -> Value:
    """Return a cell with a number of bytes; a dash where there is none."""
    return exact("" if size is None else size_text(size), size)


def amount_value(amount: Amount | None) -> Value:
    """Return a cell with a number of bytes, or that it was not measured; empty where memory was left out."""
    if amount is None:
        return BLANK
    if amount.bytes is None:
        return words(UNKNOWN if amount.note else "")
    return size_value(amount.bytes)


def explained(title: str, help: str) -> str:
    """Return what a column means as part of a legend: "GB/s: input and output …"."""
    return f"{title}: {help[0].lower()}{help[1:]}"


def keyed(columns: Sequence[Column], values: Sequence[Value]) -> Mapping[str, Value]:
    """Return ``values`` by the keys of ``columns``, which are as many."""
    return {column.key: value for column, value in zip(columns, values, strict=True)}
