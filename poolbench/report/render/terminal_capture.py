"""A model's pooling calls on a terminal: the table, and sentences below it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from poolbench.report.capture import capture_table, sentences, title
from poolbench.report.render.terminal import PLAIN_WIDTH, table_lines

if TYPE_CHECKING:
    from poolbench.model.capture import Capture


def render_capture(capture: Capture, *, width: int = PLAIN_WIDTH) -> str:
    """Return the whole report as plain text that ends in a newline."""
    table = capture_table(capture)
    lines = [title(capture), ""]
    if table.rows:
        lines += [*table_lines(table), ""]
    for sentence in sentences(capture):
        lines += textwrap.wrap(sentence, width, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines) + "\n"
