"""Tables as columns of JSON: texts once each in a list, and for every row the place in it; figures beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from poolbench.report.table import Column, Row, Value

DIGITS = 6
"""Significant digits of the numbers that rows are sorted and drawn by; texts are made of the unrounded ones."""


def packed(columns: Iterable[Column], rows: Sequence[Row], *, ends: Collection[str] = ()) -> dict[str, Any]:
    """Return ``columns`` of ``rows`` by key; ``ends`` names those whose intervals' ends come along."""
    return {
        "rows": len(rows),
        "columns": {
            column.key: {
                "title": column.title,
                "help": column.help,
                **_column([row[column.key] for row in rows], column, with_ends=column.key in ends),
            }
            for column in columns
        },
    }


def coded(texts: Sequence[str]) -> dict[str, Any]:
    """Return ``texts`` as a list of the different ones, in the order in which they came, and a code for each."""
    places: dict[str, int] = {}
    codes = [places.setdefault(text, len(places)) for text in texts]
    return {"texts": list(places), "codes": codes}


def document(value: object) -> bytes:
    """Return ``value`` as JSON: the same bytes for the same value."""
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode()


def number(value: float | None) -> float | int | None:
    """Return a number as it is sent: rounded, whole where it is whole, None where it is none or not finite."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded


def _column(values: Sequence[Value], column: Column, *, with_ends: bool) -> dict[str, Any]:
    found = coded([value.full for value in values])
    if column.is_figure:
        found["numbers"] = [number(value.number) for value in values]
    if with_ends:
        found["low"] = [number(value.low) for value in values]
        found["high"] = [number(value.high) for value in values]
    return found
