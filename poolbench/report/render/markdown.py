"""Tables, the summary file of a run and the report of a gate, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from poolbench.report.answer import answer
from poolbench.report.calibration import calibration_text
from poolbench.report.gate import MARKS, disturbance_text, gate_table, headline, reasons
from poolbench.report.method import command, machine_lines, method_paragraphs
from poolbench.report.render.brief import COLUMNS, WORDS, Line, Section, filled, legend, sections
from poolbench.report.table import Table, Value

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary
    from poolbench.model.calibration import Calibration
    from poolbench.model.gate import GateResult


def markdown_table(table: Table) -> str:
    """Return a table; its columns of details are left out."""
    columns = table.shown
    head = " | ".join(column.title for column in columns)
    rule = " | ".join("---:" if column.is_figure else "---" for column in columns)
    lines = [f"| {head} |", f"| {rule} |"]
    for row in table.rows:
        values = [row[column.key] for column in columns]
        cells = (f"**{escaped(v.full)}**" if v.is_strong and v.full else escaped(v.full) for v in values)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Keep a cell from ending early, and ``~`` from striking text through."""
    return text.replace("|", "\\|").replace("~", "\\~")


def gate_markdown(result: GateResult, names: Mapping[str, str], known: Calibration | None) -> str:
    """Return a gate's report."""
    table = gate_table(result, names).hiding("reason")
    rows = tuple(
        replace(row, cells={**row.cells, "outcome": _marked(row["outcome"], row.facets["outcome"])})
        for row in table.rows
    )
    blocks = [
        "## poolbench gate",
        headline(result),
        markdown_table(replace(table, rows=rows)) if rows else "",
        "\n".join(f"- {escaped(text)}" for text in reasons(result, names)),
        disturbance_text(result.disturbance),
        calibration_text(known, result),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def write_markdown(summary: RunSummary, path: Path) -> None:
    """Write ``render_markdown`` to ``path``."""
    path.write_text(render_markdown(summary), encoding="utf-8")


def render_markdown(summary: RunSummary) -> str:
    """Return the summary file's text."""
    found = sections(summary)
    shown = filled([line for section in found for line in section.lines])
    blocks = [
        "# Which backend is fastest here, by how much, and is that sure?",
        " ".join(answer(summary)),
        *_table(found, shown),
        legend(summary, [COLUMNS[column] for column in shown]),
        *_notes(summary),
        "## Machine",
        "\n".join(f"- {line}" for line in machine_lines(summary.header)),
        "## Software",
        ", ".join(f"{name} {version}" for name, version in sorted(summary.header.machine.software.items())) + ".",
        "## Method",
        "\n\n".join(method_paragraphs(summary)),
        "## To reproduce",
        f"```\n{command(summary.header)}\n```",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _marked(value: Value, outcome: str) -> Value:
    return replace(value, text=f"{MARKS[outcome]} {value.text}")


def _table(found: Sequence[Section], shown: Sequence[int]) -> Iterator[str]:
    """Yield one table for all workloads, and below it the id of each name."""
    if not found:
        return
    rows: list[tuple[str, ...]] = [("workload", *(COLUMNS[column] for column in shown))]
    for section in found:
        for index, line in enumerate(section.lines):
            title = f"**{section.title}** {section.detail}" if _is_mean(section) else section.title
            rows.append((title if index == 0 else "", *_cells(line, shown)))
    head, *body = (f"| {' | '.join(escaped(text) for text in row)} |" for row in rows)
    rule = " | ".join("---" if COLUMNS[column] in WORDS else "---:" for column in shown)
    yield "\n".join((head, f"| --- | {rule} |", *body))
    named = [section for section in found if section.detail and not _is_mean(section)]
    yield "\n".join(f"- {section.title}: `{section.detail}`" for section in named)


def _cells(line: Line, shown: Sequence[int]) -> tuple[str, ...]:
    subject, *rest = (line.cells[column] for column in shown)
    return (f"**{subject}**" if line.role == "fastest" else subject, *rest)


def _is_mean(section: Section) -> bool:
    return bool(section.lines) and section.lines[0].role == "mean"


def _notes(summary: RunSummary) -> Iterator[str]:
    if summary.notes:
        yield "## Notes"
        yield "\n".join(f"- {escaped(note.text)}" for note in summary.notes)
