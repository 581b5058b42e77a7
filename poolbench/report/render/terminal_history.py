"""A history on a terminal: its table in pieces that fit the width, and below it what changed, in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from poolbench.report.history import change_sentences, notes, points_table, title
from poolbench.report.render.terminal import GAP, NO_BREAK, PLAIN_WIDTH, table_lines
from poolbench.report.table import Column, Table

if TYPE_CHECKING:
    from poolbench.analyse.history.types import History


def render_history(history: History, *, width: int = PLAIN_WIDTH) -> str:
    """Return the whole report as plain text that ends in a newline."""
    lines = [title(history), ""]
    for piece in _pieces(points_table(history), width):
        lines += [*table_lines(piece), ""]
    for sentence in (*change_sentences(history), *notes(history)):
        joined = sentence.replace(" %", f"{NO_BREAK}%").replace("× ", f"×{NO_BREAK}")
        wrapped = textwrap.wrap(joined, width, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
        lines += [line.replace(NO_BREAK, " ") for line in wrapped]
    return "\n".join(lines) + "\n"


def _pieces(table: Table, width: int) -> Iterator[Table]:
    """Yield the table in parts of so many columns as fit, each with the first column in front."""
    front, *others = table.columns
    piece: list[Column] = []
    used = _size(table, front)
    for column in others:
        size = len(GAP) + _size(table, column)
        if piece and used + size > width:
            yield replace(table, columns=(front, *piece))
            piece, used = [], _size(table, front)
        piece.append(column)
        used += size
    if piece:
        yield replace(table, columns=(front, *piece))


def _size(table: Table, column: Column) -> int:
    return max(len(column.title), *(len(row[column.key].full) for row in table.rows))
