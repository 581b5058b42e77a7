"""The table on a terminal, fitted to its width; plain text where there is none.

Where the width is short, columns go in the order of DROPPED_FIRST. Subject, time, and what the subjects are ranked by
stay; a subject that is still too long is cut with an ellipsis. Nothing but prose and ids is ever wrapped.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from poolbench.model.verdict import Ranking
from poolbench.report.answer import answer
from poolbench.report.calibration import calibration_table, calibration_text, calibration_words
from poolbench.report.gate import disturbance_text, gate_table, headline, reasons
from poolbench.report.method import conditions
from poolbench.report.render.brief import COLUMNS, WORDS, Line, Section, filled, legend, sections
from poolbench.report.table import explained

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary
    from poolbench.model.calibration import Calibration
    from poolbench.model.gate import GateResult
    from poolbench.report.table import Table

PLAIN_WIDTH = 120
"""The width of a report that goes into a file or a pipe: the same wherever it is made."""

LEAST_WIDTH = 40
DROPPED_FIRST = {
    Ranking.TIME: ("layout", "output", "GB/s", "least", "saved", "±", "touched", "× limit", "requested"),
    Ranking.MEMORY: ("layout", "output", "GB/s", "±", "× limit", "saved", "least", "× fastest", "touched"),
}
GAP = "  "
INDENT = "  "
NO_BREAK = "\u00a0"

_STYLES = {
    "title": "bold", "detail": "dim", "heading": "dim", "fastest": "bold green", "tie": "green", "slower": "",
    "apart": "yellow", "failed": "red", "limit": "dim", "mean": "", "answer": "bold", "note": "", "legend": "dim",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Styled:
    """A line of text, and the role by which a terminal colours it."""

    text: str
    role: str = ""


def print_summary(summary: RunSummary, *, file: TextIO | None = None, width: int | None = None) -> None:
    """Print the report on ``file`` (standard output): in colour and its own width on a terminal, else plainly."""
    stream = sys.stdout if file is None else file
    if not stream.isatty():
        stream.write(render(summary, width=width or PLAIN_WIDTH))
        return
    from rich.console import Console
    from rich.text import Text

    columns = width or shutil.get_terminal_size().columns
    console = Console(file=stream, width=columns, highlight=False, no_color="NO_COLOR" in os.environ or None)
    for line in layout(summary, width=columns):
        console.print(Text(line.text, style=_STYLES.get(line.role, "")), soft_wrap=True)


def render(summary: RunSummary, *, width: int = PLAIN_WIDTH) -> str:
    """Return the report as plain text: no line is longer than ``width`` (at least 40) and each ends in a newline."""
    return "".join(f"{line.text.rstrip()}\n" for line in layout(summary, width=width))


def layout(summary: RunSummary, *, width: int) -> list[Styled]:
    """Return the report line by line: table, geometric mean, answer, notes."""
    width = max(width, LEAST_WIDTH)
    found = sections(summary)
    lines = [*(Styled(text, "detail") for text in _wrapped(conditions(summary), width)), Styled("")]
    lines += _table(found, width, summary.ranking) if found else [Styled("No workload was measured.")]
    lines.append(Styled(""))
    lines += [Styled(text, "answer") for sentence in answer(summary) for text in _wrapped(sentence, width)]
    lines.append(Styled(""))
    for note in summary.notes:
        lines += [Styled(text, "note") for text in _wrapped(note.text, width, bullet="- ")]
    shown = fit(_all_lines(found), width - len(INDENT), summary.ranking)[0]
    explained = legend(summary, [COLUMNS[column] for column in shown])
    lines += [Styled(""), *(Styled(text, "legend") for text in _wrapped(explained, width))]
    return lines


def table_lines(table: Table) -> list[str]:
    """Return a table as lines of text, each column as wide as it has to be: words to the left, figures to the right."""
    columns = table.shown
    texts = [[column.title for column in columns]]
    texts += [[row[column.key].full for column in columns] for row in table.rows]
    sizes = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [
        GAP.join(
            text.rjust(size) if column.is_figure else text.ljust(size)
            for text, size, column in zip(line, sizes, columns, strict=True)
        ).rstrip()
        for line in texts
    ]


def gate_lines(result: GateResult, names: Mapping[str, str], known: Calibration | None) -> list[str]:
    """Return a gate's report as lines of text."""
    table = gate_table(result, names).hiding("reason")
    return [
        *((*table_lines(table), "") if table.rows else ()),
        headline(result),
        *(f"- {text}" for text in reasons(result, names)),
        "",
        disturbance_text(result.disturbance),
        calibration_text(known, result),
    ]


def calibration_lines(known: Calibration) -> list[str]:
    """Return a calibration as lines of text; where something was planted, undecided counts as missed."""
    table = calibration_table(known)
    helps = " ".join(explained(column.title, column.help) for column in table.shown if column.help)
    return [*table_lines(table), "", helps, *calibration_words(known)]


def _all_lines(found: Sequence[Section]) -> list[Line]:
    return [line for section in found for line in section.lines]


def _table(found: Sequence[Section], width: int, ranking: Ranking) -> Iterator[Styled]:
    shown, widths = fit(_all_lines(found), width - len(INDENT), ranking)
    yield Styled(INDENT + _row([COLUMNS[column] for column in shown], shown, widths), "heading")
    for section in found:
        yield from _heading(section, width)
        for line in section.lines:
            yield Styled(INDENT + _row([line.cells[column] for column in shown], shown, widths), line.role)


def fit(lines: Sequence[Line], width: int, ranking: Ranking = Ranking.TIME) -> tuple[list[int], list[int]]:
    """Return which columns are shown in ``width``, and how wide each of them is."""
    natural = [
        max([len(line.cells[column]) for line in lines] + [len(COLUMNS[column])]) for column in range(len(COLUMNS))
    ]
    shown = filled(lines)
    for name in (*DROPPED_FIRST[ranking], ""):
        total = sum(natural[column] for column in shown) + len(GAP) * (len(shown) - 1)
        if total <= width or not name:
            break
        shown = [column for column in shown if COLUMNS[column] != name]
    widths = [natural[column] for column in shown]
    widths[0] = max(widths[0] - max(total - width, 0), 1)
    return shown, widths


def _row(texts: Sequence[str], shown: Sequence[int], widths: Sequence[int]) -> str:
    """Align a line: words to the left, figures to the right."""
    cells = []
    for text, column, size in zip(texts, shown, widths, strict=True):
        cut = text if len(text) <= size else f"{text[: size - 1]}…"
        cells.append(cut.ljust(size) if COLUMNS[column] in WORDS else cut.rjust(size))
    return GAP.join(cells)


def _heading(section: Section, width: int) -> Iterator[Styled]:
    """Yield a section's title with its detail beside it, or below it where the width is short."""
    yield Styled("")
    together = f"{section.title}{GAP}{section.detail}".rstrip()
    if len(together) <= width:
        yield Styled(together, "title")
        return
    yield from (Styled(text, "title") for text in _pieces(section.title, width))
    yield from (Styled(f"{INDENT}{text}", "detail") for text in _pieces(section.detail, width - len(INDENT)))


def _pieces(text: str, width: int) -> Iterator[str]:
    """Split a name or an id that is wider than the terminal, after a hyphen where there is one."""
    while len(text) > width:
        cut = text.rfind("-", 1, width) + 1 or width
        yield text[:cut]
        text = text[cut:]
    yield text


def _wrapped(text: str, width: int, bullet: str = "") -> list[str]:
    """Wrap prose; a number stays with its unit."""
    joined = re.sub(r"(?<=\d) (?=%|s\b|µs|ms)|(?<=×) ", NO_BREAK, text)
    lines = textwrap.wrap(
        joined,
        width,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_on_hyphens=False,
    )
    return [line.replace(NO_BREAK, " ") for line in lines]
