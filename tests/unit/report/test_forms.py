"""Every cell of every stored run, in every form of a report: the same text, and the same unrounded number."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.findings import RunSummary
from poolbench.cli.output import as_json
from poolbench.errors import ExitCode
from poolbench.model.estimate import Estimate
from poolbench.quantities import half_width_text, ratio_text, significant, size_text, time_text
from poolbench.report.calibration import calibration_table
from poolbench.report.content import Page, Section
from poolbench.report.gate import gate_table
from poolbench.report.history import changes_table, history_table, points_table
from poolbench.report.means import means_table
from poolbench.report.render.brief import COLUMNS, SPREAD
from poolbench.report.render.csv import csv_text, frame, summary_frame, summary_table
from poolbench.report.render.html import render_page
from poolbench.report.render.json import gate_document, history_document, summary_document
from poolbench.report.render.markdown import gate_markdown, markdown_table, render_markdown
from poolbench.report.render.terminal import calibration_lines, gate_lines, render
from poolbench.report.render.terminal_history import render_history
from poolbench.report.run_table import TIE, results_table, without_limits
from poolbench.report.table import BLANK, Column, Row, Table, Unit, Value
from poolbench.store.calibration import read_calibration
from poolbench.store.reading import read_run
from tests.unit.report.page.test_beside import gate, history

RESULTS = Path(__file__).parents[3] / "results"
RUNS = sorted(RESULTS.glob("*/*.jsonl"))


@lru_cache(maxsize=1)
def stored(path: Path) -> RunSummary:
    run = read_run(path)
    return summarise(run.header, run.rows)


TERMINAL = {
    "subject": "subject", "time": "median_ns", SPREAD: "median_ns", "GB/s": "gigabytes_per_s", "× limit": "times_limit",
    "× fastest": "ratio_to_fastest", "requested": "requested_bytes", "touched": "touched_bytes", "saved": "saved_bytes",
    "output": "output_bytes", "least": "least_bytes", "layout": "layout",
}  # fmt: skip
"""Which fact stands under which heading."""

MEANS = {"subject": "subject", "× limit": "mean_times_limit", "× fastest": "mean_ratio"}

each_run = pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)


def test_there_are_runs_to_walk() -> None:
    assert len(RUNS) > 10


@each_run
def test_a_cell_reads_the_same_in_every_form(path: Path) -> None:
    summary = stored(path)
    table, means = results_table(summary), means_table(summary)
    assert table.rows
    for part in filter(None, (table, means)):
        assert list(map(rounded, cells(part))) == list(map(shown, cells(part)))
        assert in_html(part) == [[shown_number(row, c) for c in part.shown] for row in part.rows]
        assert in_markdown(markdown_table(part)) == [[row[c.key].full for c in part.shown] for row in part.rows]
    rows = [*table.rows, *(means.rows if means is not None else ())]
    brief = [brief_cells(row) for row in rows]
    assert in_terminal(render(summary, width=1000), max(len(texts[0]) for texts in brief)) == brief
    filled = [index for index in range(len(COLUMNS)) if any(texts[index] for texts in brief)]
    assert [texts[1:] for texts in in_markdown(render_markdown(summary))] == [[t[i] for i in filled] for t in brief]


@each_run
def test_what_lies_beside_a_run_is_what_is_written_now(path: Path) -> None:
    """``python docs/tables/summaries.py`` writes it anew."""
    summary = stored(path)
    assert path.with_suffix(".md").read_text(encoding="utf-8") == render_markdown(summary)
    table = path.with_suffix(".csv")
    assert not table.exists() or table.read_text(encoding="utf-8") == csv_text(summary_table(summary))


@each_run
def test_a_table_s_file_is_what_pandas_would_write(path: Path) -> None:
    summary = stored(path)
    assert csv_text(summary_table(summary)) == summary_frame(summary).to_csv(index=False)


@each_run
def test_a_number_is_the_same_in_every_file(path: Path) -> None:
    summary = stored(path)
    table = without_limits(results_table(summary))
    written = io.StringIO(summary_frame(summary).to_csv(index=False))
    read = pd.read_csv(written, keep_default_na=False)
    document = json.loads(as_json(summary_document(summary)))
    assert len(read) == len(document["cells"]) == len(table.rows) > 0
    for row, line, cell in zip(table.rows, read.to_dict("records"), document["cells"], strict=True):
        for column in table.columns:
            value = row[column.key]
            if not (column.is_figure or column.unit is Unit.YES_OR_NO):
                assert str(line[column.key]) == value.text
                continue
            assert number(line[column.key]) == known(value.number), (column.key, line)
            if column.has_interval:
                low, high = column.interval_keys
                assert (number(line[low]), number(line[high])) == (known(value.low), known(value.high))
        assert interval(cell["ratio"]) == ends(row["ratio_to_fastest"])
        assert interval(cell["times_limit"]) == ends(row["times_limit"])
        time = {"value": cell["median_ns"], "low": cell["low_ns"], "high": cell["high_ns"]}
        assert interval(time) == ends(row["median_ns"])
        for key, amount in (cell["memory"] or {}).items():
            assert (amount if key.endswith("_bytes") else None) == row[key].number
        assert cell["is_fastest"] == row["is_fastest"].number
        assert (cell["outcome"] or "") == row["outcome"].text


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*/calibration.json")), ids=lambda path: path.parent.name)
def test_a_calibration_reads_the_same_in_every_form(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POOLBENCH_DATA_DIR", str(tmp_path))
    calibration = read_calibration(path.parent.name, RESULTS)
    assert calibration is not None
    table = calibration_table(calibration)
    assert_alike(table, "\n".join(calibration_lines(calibration)))


def test_a_gate_reads_the_same_in_every_form() -> None:
    judged = gate()
    result, names = judged.result, judged.names
    table = gate_table(result, names)
    assert_alike(table, "\n".join(gate_lines(result, names, None)), hidden=("reason",))
    (line,) = in_markdown(gate_markdown(result, names, None))
    assert [re.sub(r"^\W+", "", text) for text in line] == [
        table.rows[0][column.key].full for column in table.hiding("reason").shown
    ]
    (verdict,) = json.loads(as_json(gate_document(result, names, None, ExitCode.REGRESSION)))["verdicts"]
    assert interval({**verdict["comparison"], "value": verdict["comparison"]["ratio"]}) == ends(table.rows[0]["ratio"])


def test_a_history_reads_the_same_in_every_form() -> None:
    found = history()
    points, table, changes = points_table(found), history_table(found), changes_table(found)
    assert_alike(points, render_history(found, width=1000))
    assert_alike(changes, "")
    lines = frame(table).to_dict("records")
    document = history_document(found)
    entries = [*document["cells"], *document["geometric_means"]]
    by_place = {(entry["point"], entry.get("workload", "geometric mean")): entry for entry in entries}
    assert len(lines) == len(entries) == len(table.rows) > 0
    for row, line in zip(table.rows, lines, strict=True):
        entry = by_place[row["point"].text, row["workload"].text]
        assert interval(entry["ratio"]) == ends(row["ratio"])
        assert tuple(number(line[key]) for key in ("ratio", "low", "high")) == ends(row["ratio"])
    ratios = [change["ratio"]["value"] for change in document["changes"]]
    assert ratios == [row["ratio"].number for row in changes.rows if not row["workload"].text] != []


def assert_alike(table: Table, text: str, hidden: tuple[str, ...] = ()) -> None:
    """Assert that a table's rows stand in ``text``, in HTML, in Markdown and in a frame as they are."""
    assert table.rows
    assert in_html(table) == [[shown_number(row, column) for column in table.shown] for row in table.rows]
    assert in_markdown(markdown_table(table)) == [[row[c.key].full.strip() for c in table.shown] for row in table.rows]
    lines = [re.split(r" {2,}", line.strip()) for line in text.splitlines()]
    for row in table.rows if text else ():
        texts = [row[column.key].full.strip() for column in table.hiding(*hidden).shown]
        assert list(filter(None, texts)) in lines
    framed = frame(table)
    for column in table.columns:
        numbers = [known(row[column.key].number) for row in table.rows]
        assert not column.is_figure or [number(value) for value in framed[column.key]] == numbers


def cells(table: Table) -> Iterator[tuple[Column, Row, Value]]:
    for row in table.rows:
        for column in table.columns:
            value = row[column.key]
            if value.number is not None and column.unit in WRITTEN:
                yield column, row, value


def shown(cell: tuple[Column, Row, Value]) -> str:
    return cell[2].full


def rounded(cell: tuple[Column, Row, Value]) -> str:
    """Write a cell's number as ``poolbench.quantities`` does, with what the table adds to it."""
    column, row, value = cell
    assert value.number is not None
    estimate = Estimate(value=value.number, low=value.low or 0.0, high=math.inf if value.high is None else value.high)
    text = WRITTEN[column.unit](estimate)
    if column.key == "ratio_to_fastest" and row["is_fastest"].number:
        return "fastest"
    if column.key == "ratio_to_fastest" and row["is_tie"].number:
        return f"{TIE} {text}"
    return f"{text} !" if column.key.endswith("times_limit") and value.number < 0.97 else text


WRITTEN = {
    Unit.NANOSECONDS: lambda found: f"{time_text(found.value)} {half_width_text(found.half_width)}",
    Unit.TIMES: ratio_text,
    Unit.GB_PER_S: lambda found: significant(found.value),
    Unit.BYTES: lambda found: size_text(found.value),
    Unit.COUNT: lambda found: str(found.value),
}


def brief_cells(row: Row) -> list[str]:
    """Return what a terminal shows of a row: a time and its ± apart, a mean in its ratio's column."""
    keys = MEANS if row.role == "mean" else TERMINAL
    values = {heading: row[keys[heading]] if heading in keys else BLANK for heading in COLUMNS}
    return [value.spread if heading == SPREAD else value.text for heading, value in values.items()]


def in_terminal(text: str, first: int) -> list[list[str]]:
    """Return the cells of a terminal's table, by the places of its headings; ``first`` is the first column's width."""
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("  subject "))
    headings = [heading for heading in COLUMNS if re.search(rf" {re.escape(heading)}( |$)", head)]
    places = {"subject": (2, 2 + first)}
    for heading in headings[1:]:
        before = max(end for _, end in places.values())
        found = re.compile(rf" {re.escape(heading)}(?= |$)").search(head, before)
        assert found is not None
        places[heading] = (before, found.end() if heading != "layout" else 1000)
    body = lines[lines.index(head) + 1 :]
    body = body[: next(i for i, line in enumerate(body) if i and not line and not body[i + 1].startswith(" ") and
                       not (i + 2 < len(body) and body[i + 2].startswith("  ")))]  # fmt: skip
    rows = [line for line in body if line.startswith("  ")]
    return [[line[slice(*places[h])].strip() if h in places else "" for h in COLUMNS] for line in rows]


def in_markdown(text: str) -> list[list[str]]:
    """Return the cells of the first table in a Markdown text."""
    lines = [line for line in text.split("\n\n## Machine")[0].splitlines() if line.startswith("| ")][2:]
    split = [re.split(r"(?<!\\)\|", line.removeprefix("|").removesuffix("|")) for line in lines]
    return [[re.sub(r"^\*\*(.*)\*\*$", r"\1", text.strip().replace("\\", "")) for text in texts] for texts in split]


class Reader(HTMLParser):
    """Collects a page's table cells: text, and the numbers that its attributes hold."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[list[Any]]] = []
        self.is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and values.get("class") != "command" and values.get("scope") != "col":
            numbers = [float(values[f"data-{name}"] or "nan") if f"data-{name}" in values else None
                       for name in ("v", "low", "high")]  # fmt: skip
            self.rows[-1].append(["", *numbers])
            self.is_inside = True

    def handle_endtag(self, tag: str) -> None:
        self.is_inside = self.is_inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.is_inside:
            self.rows[-1][-1][0] += data


def in_html(table: Table) -> list[list[list[Any]]]:
    page = Page(key="k", title="t", subtitle="", started_at="", machine="", answer=(), lead=None,
                sections=(Section(key="s", title="s", tables=(table,)),))  # fmt: skip
    reader = Reader()
    reader.feed(render_page(page))
    return [row for row in reader.rows if row]


def shown_number(row: Row, column: Column) -> list[Any]:
    """Return a cell as a page has it: words hold no number."""
    value = row[column.key]
    return [value.full, *((value.number, value.low, value.high) if column.is_figure else (None,) * 3)]


def number(value: Any) -> float | None:
    """Return a file's number; None where it has none."""
    if value is pd.NA or value in ("", None) or (isinstance(value, float) and math.isnan(value)):
        return None
    return float({"True": 1, "False": 0}.get(str(value), value))


def known(value: float | None) -> float | None:
    return None if value is None else float(value)


def interval(found: dict[str, Any] | None) -> tuple[float | None, ...]:
    """Return a JSON document's interval; it has null for infinity."""
    return (None, None, None) if found is None else tuple(number(found[key]) for key in ("value", "low", "high"))


def ends(value: Value) -> tuple[float | None, ...]:
    finite = [
        None if part is None or math.isinf(part) else float(part) for part in (value.number, value.low, value.high)
    ]
    return tuple(finite)
