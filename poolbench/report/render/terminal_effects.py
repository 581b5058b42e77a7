"""What pooling buys and costs, on a terminal: a table and sentences for each layer."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from poolbench.report.effects import (
    accuracy_table,
    buys_text,
    kinds_table,
    kinds_text,
    kinds_title,
    layer_table,
    layer_title,
    legend,
    reasons,
    saving_text,
)
from poolbench.report.render.terminal import PLAIN_WIDTH, table_lines

if TYPE_CHECKING:
    from poolbench.model.effects import Effects, StepCosts


def render_effects(found: Effects, *, width: int = PLAIN_WIDTH) -> str:
    """Return the whole answer as plain text that ends in a newline."""
    lines: list[str] = []
    for layer in found.layers:
        lines += [layer_title(layer), "", *table_lines(layer_table(layer)), ""]
        for sentence in (saving_text(layer), buys_text(layer), *reasons(layer)):
            lines += _wrapped(sentence, width)
        lines.append("")
    table = accuracy_table(found)
    if table is not None:
        lines += [table.title, "", *table_lines(table), ""]
    for note in found.notes:
        lines += _wrapped(note, width)
    if found.layers:
        lines += _wrapped(legend(layer_table(found.layers[0])), width)
    return "\n".join(lines) + "\n"


def render_kinds(found: StepCosts, *, width: int = PLAIN_WIDTH) -> str:
    """Return a model's step by kind of layer, as plain text that ends in a newline."""
    table = kinds_table(found)
    lines = [kinds_title(found), "", *table_lines(table), ""]
    return "\n".join([*lines, *_wrapped(kinds_text(found), width), *_wrapped(legend(table), width)]) + "\n"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
