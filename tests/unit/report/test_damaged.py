"""Whatever a store holds, a report is a page that says so: no traceback, no empty figure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from poolbench.cli.app import app
from poolbench.errors import StoreError
from poolbench.model.result import ResultRow, RunHeader, Status
from poolbench.report.page.run import build_page
from poolbench.report.render.html import render_page
from poolbench.store.jsonl import RunFile
from poolbench.store.reading import StoredRun, read_run
from tests.unit.builders import AVG2D, MAX2D, Noise, make_header, make_rows
from tests.unit.report.stored import ROOT

TWO = {MAX2D: {"a": 2e5, "b": 3e5, "limit": 1e5}}


def page_of(header: RunHeader, rows: Sequence[ResultRow], warnings: Sequence[str] = ()) -> tuple[str, set[str]]:
    page = build_page(header, rows, warnings=warnings)
    return render_page(page), {drawing.key for drawing in page.drawings}


def test_one_workload_has_its_figures_and_says_which_it_cannot_have() -> None:
    html, figures = page_of(make_header(("a", "b", "limit"), (MAX2D,)), make_rows(TWO))
    assert figures == {"standing", "ratios", "models", "samples"}
    for sentence in ("no figure of time against size", "no figure of threads", "Memory is not known"):
        assert sentence in html


def test_no_rows_at_all() -> None:
    html, figures = page_of(make_header(("a", "b")), [])
    assert not figures
    assert "no workload was measured soundly" in html
    assert "no samples" in html


def test_nothing_but_failures() -> None:
    failures = {(MAX2D, "a"): (Status.CRASHED, "<script>alert(1)</script>"), (MAX2D, "b"): (Status.TIMEOUT, "silent")}
    times = {MAX2D: {"a": 2e5, "b": 3e5}}
    html, figures = page_of(make_header(("a", "b"), (MAX2D,)), make_rows(times, failures=failures))
    assert not figures
    assert "CRASHED" in html
    assert "<script>alert" not in html


def test_a_missing_subject_and_samples_that_are_all_contaminated() -> None:
    rows = make_rows({MAX2D: {"a": 2e5, "b": 3e5}}, noise=Noise(contaminated=1.0))
    html, figures = page_of(make_header(("a", "b", "gone"), (MAX2D,)), rows)
    assert "gone was not measured" in html
    assert "no clean slot" in html
    assert figures == {"samples"}


def test_two_launches_have_figures_without_bounds() -> None:
    html, figures = page_of(make_header(("a", "b", "limit"), (MAX2D,)), make_rows(TWO, launches=2))
    assert "±?" in html
    assert 'data-high="inf"' in html
    assert "standing" in figures


def test_times_of_nothing_are_left_out() -> None:
    rows = [
        replace(row, samples=tuple(sample._replace(elapsed_ns=0) for sample in row.samples))
        if row.subject == "a"
        else row
        for row in make_rows(TWO)
    ]
    html, _ = page_of(make_header(("a", "b", "limit"), (MAX2D,)), rows)
    assert "no clean slot" in html
    assert not re.search(r"[>\"]-?nan\b", html)


def test_a_workload_that_this_version_cannot_parse_is_named(tmp_path: Path) -> None:
    rows = make_rows(TWO)
    rows += [replace(row, workload="max9d-of-the-future") for row in rows]
    stored = stored_again(make_header(("a", "b", "limit"), (MAX2D,)), rows, tmp_path)
    assert [row.workload for row in stored.rows] == [MAX2D] * (len(rows) // 2)
    (warning,) = stored.warnings  # one, however many rows
    assert warning.startswith(
        "The rows of 'max9d-of-the-future' are left out: 'max9d-of-the-future' is not a workload id"
    )
    html, figures = page_of(stored.header, stored.rows, stored.warnings)
    assert "max9d-of-the-future" in html
    assert "ratios" in figures


def test_a_header_that_names_a_workload_of_the_future_keeps_the_others(tmp_path: Path) -> None:
    rows = make_rows({MAX2D: TWO[MAX2D], AVG2D: TWO[MAX2D]})
    stored = stored_again(
        make_header(("a", "b", "limit"), (MAX2D, AVG2D)), rows, tmp_path, AVG2D, "max9d-of-the-future"
    )
    assert [workload.id for workload in stored.header.workloads] == [MAX2D]
    assert {row.workload for row in stored.rows} == {MAX2D} and len(stored.warnings) == 1


def test_a_header_that_names_a_subject_of_the_future_keeps_the_others(tmp_path: Path) -> None:
    stored = stored_again(make_header(("a", "b", "limit"), (MAX2D,)), make_rows(TWO), tmp_path, '"b"', '"b+sockets=2"')
    assert [str(subject) for subject in stored.header.subjects] == ["a", "limit"]
    assert {row.subject for row in stored.rows} == {"a", "limit"}
    (warning,) = stored.warnings
    assert warning.startswith("The rows of 'b+sockets=2' are left out: Subject 'b+sockets=2' has the unknown option")


def test_a_run_of_which_nothing_is_known_is_an_error_in_every_command(tmp_path: Path) -> None:
    header = make_header(("a", "b", "limit"), (MAX2D,))
    with pytest.raises(StoreError, match="has no workloads that this poolbench knows"):
        stored_again(header, make_rows(TWO), tmp_path, MAX2D, "max9d-of-the-future")


@pytest.mark.parametrize("arguments", [["show"], ["show", "--json"], ["export", "--to", "csv"], ["report"]])
def test_what_a_later_version_added_costs_no_command_the_rest(tmp_path: Path, arguments: list[str]) -> None:
    rows = make_rows({MAX2D: TWO[MAX2D], AVG2D: TWO[MAX2D]})
    header = make_header(("a", "b", "limit"), (MAX2D, AVG2D))
    path = stored_again(header, rows, tmp_path / "results", AVG2D, "max9d-of-the-future").path
    out = {"export": ["--out", str(tmp_path / "out")], "report": ["-o", str(tmp_path / "reports")]}
    done = CliRunner().invoke(app, [*arguments, str(path), *out.get(arguments[0], [])])
    assert done.exit_code == 0, done.output
    assert "max9d-of-the-future" in done.stderr or arguments == ["report"]


def test_rows_of_a_subject_that_the_header_does_not_name_are_left_out(tmp_path: Path) -> None:
    rows = [replace(row, subject="c") if row.subject == "b" else row for row in make_rows(TWO)]
    stored = stored_again(make_header(("a", "b", "limit"), (MAX2D,)), rows, tmp_path)
    assert {row.subject for row in stored.rows} == {"a", "limit"} & {row.subject for row in rows}
    assert stored.warnings == ("The rows of 'c' are left out: it is none of the run's subjects.",)


def stored_again(header: RunHeader, rows: list[ResultRow], folder: Path, *replaced: str) -> StoredRun:
    """Return a run as its file gives it back; ``replaced`` is a text in the file and what stands in its place."""
    with RunFile.create(folder, header) as file:
        file.append([replace(row, run=header.run, machine=header.machine.key) for row in rows])
        path = file.path
    if replaced:
        path.write_text(path.read_text().replace(*replaced))
    return read_run(path)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    header = make_header(("a", "b", "limit"), (MAX2D,))
    rows = [replace(row, machine=header.machine.key) for row in make_rows(TWO)]
    with RunFile.create(tmp_path / "results", header) as file:
        file.append(rows)
    return file.path


def report(store: Path, run: str) -> tuple[int, str, Path]:
    output = store.parents[2] / "reports"
    done = CliRunner().invoke(app, ["report", run, "--results", str(store.parents[1]), "-o", str(output)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output, output


def test_a_line_that_is_torn_is_named_above_everything_else(store: Path) -> None:
    lines = store.read_bytes().splitlines(keepends=True)
    store.write_bytes(b"".join(lines[:4]) + b'{"record": "row", "tor' + b"\n" + b"".join(lines[4:]))
    code, _, output = report(store, store.stem)
    html = (output / store.stem / "index.html").read_text()
    assert code == 0
    assert html.index(":5: this line is left out") < html.index("<main>")


@pytest.mark.parametrize("content", [b"", b"\x00\xff not json\n", b'{"record": "run", "schema": 99}\n'])
def test_a_file_that_cannot_be_read_gets_a_page_that_says_so(store: Path, content: bytes) -> None:
    store.write_bytes(content)
    code, text, output = report(store, store.stem)
    html = (output / store.stem / "index.html").read_text()
    assert code == 2
    assert "This run cannot be read" in html
    assert "Traceback" not in text
    assert store.stem in (output / "index.html").read_text()


def test_schema_1_is_reported_and_its_missing_memory_is_told() -> None:
    path = next(ROOT.glob("results/*/20261122-062249-6e10.jsonl"))
    assert json.loads(path.open().readline())["schema"] == 1
    stored = read_run(path)
    page = build_page(stored.header, stored.rows, warnings=stored.warnings)
    assert page.warnings == ()
    assert "Memory is not known" in next(section.missing for section in page.sections if section.key == "memory")
    assert {"standing", "ratios", "threads"} <= {drawing.key for drawing in page.drawings}
