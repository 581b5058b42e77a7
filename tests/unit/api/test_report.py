"""What stands beside a run on its page: taken from where the other verbs take it, as types."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from poolbench.api.history import remember
from poolbench.api.report import run_page
from poolbench.errors import UsageError
from poolbench.model.gate import GateTerms
from poolbench.model.subject import parse_subject
from poolbench.report.content import Page
from poolbench.report.table import Table
from poolbench.store.calibration import DIRECTORY_VARIABLE, NAME, known_calibration, write_calibration
from poolbench.store.jsonl import RunFile
from tests.unit.analyse.history.histories import make_points, make_run
from tests.unit.api.test_history import FLAT, RATIOS, request, store
from tests.unit.builders import MAX2D, make_header, make_rows
from tests.unit.report.page.test_beside import CALIBRATION

STEP = [1.0, 1.0, 1.3, 1.3]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "results"


def page(results: Path, name: str = "latest", gate: str | None = None) -> Page:
    found, problem = run_page(results, name, gate=gate, warn=lambda text: None)
    assert not problem
    return found


def tables(found: Page) -> dict[str, Table]:
    return {table.key: table for table in found.tables}


def said(found: Page) -> str:
    return " ".join(text for section in found.sections for text in (*section.words, *sum(section.lists, ())))


def test_a_history_is_worked_out_from_the_stored_runs_and_not_from_what_was_printed(results: Path) -> None:
    points = make_points(4)
    key = store(results, make_run(points, {MAX2D: STEP}, (0, 1, 2, 3)))
    asked = request(results, key, points)
    remember(asked, "numpy-1.0..")
    (results / key / "history" / "numpy-1.0...csv").write_text("not,a\nhistory,here\n")
    found = page(results)
    assert tables(found)["changes-1"].rows[0]["ratio"].number == pytest.approx(1.3, rel=0.02)
    # What is measured since then is on the page as well.
    store(results, make_run(points, {MAX2D: STEP}, (1, 2), name="20260102-000000-0000", seed=2))
    assert "Seen in one run alone" in said(found) and "Seen in one run alone" not in said(page(results))


def test_a_history_that_cannot_be_read_is_a_sentence(results: Path) -> None:
    key = store(results, make_run(make_points(2), RATIOS, (0, 1)))
    folder = results / key / "history"
    folder.mkdir()
    (folder / "a.json").write_text("{")
    (folder / "b.json").write_text(json.dumps({"schema": 99}))
    text = said(page(results))
    assert f"{folder / 'a.json'} cannot be read" in text and f"{folder / 'b.json'} is not a history of this" in text


def test_a_calibration_is_found_where_the_gate_finds_it(results: Path, tmp_path: Path) -> None:
    """It was made in another folder: beside these results lies none, or an older one."""
    key = store(results, make_run(make_points(2), RATIOS, (0, 1)))
    assert "The gate has not been calibrated" in said(page(results))
    known = replace(CALIBRATION, machine=key)
    write_calibration(known, tmp_path / "elsewhere")
    assert known_calibration(key, results, warn=pytest.fail) == known
    assert tables(page(results))["calibration"].rows[0]["found_share"].number == 0.01
    older = replace(known, measured_at="2020-01-01T00:00:00", rates=(replace(known.rates[0], found=7),))
    write_calibration(older, results)
    newer = tmp_path / "data" / key / NAME
    write_calibration(known, tmp_path / "elsewhere")
    assert newer.is_file()
    assert tables(page(results))["calibration"].rows[0]["found"].number == 1


def test_a_calibration_that_cannot_be_read_costs_no_page(results: Path) -> None:
    key = store(results, make_run(make_points(2), RATIOS, (0, 1)))
    (results / key / NAME).write_text("{")
    assert f"{results / key / NAME} cannot be read" in said(page(results))


def gate_run(results: Path, name: str, terms: GateTerms | None) -> None:
    times = {MAX2D: {"numpy": 1e5, "numpy#2": 1.2e5}}
    header = replace(make_header(("numpy", "numpy#2"), (MAX2D,)), run=name, gate=terms)
    rows = [replace(row, run=name, machine=header.machine.key) for row in make_rows(times, launches=8)]
    with RunFile.create(results, header) as file:
        file.append(rows)


def test_verdicts_of_a_gate_stand_in_its_page_and_beside_other_runs(results: Path) -> None:
    gate_run(results, "20260101-000000-aaaa", GateTerms(base=parse_subject("numpy"), head=parse_subject("numpy#2")))
    store(results, make_run(make_points(2), {MAX2D: FLAT}, (0, 1), name="20260102-000000-bbbb"))
    own, beside = page(results, "20260101-000000-aaaa"), page(results, gate="20260101-000000-aaaa")
    assert tables(own)["gate"].rows == tables(beside)["gate"].rows
    assert tables(own)["gate"].rows[0]["ratio"].number == pytest.approx(1.2, rel=0.02)
    assert "gate" not in tables(page(results))


def test_a_run_that_is_no_gates_has_no_verdicts_to_show(results: Path) -> None:
    gate_run(results, "20260101-000000-aaaa", None)
    store(results, make_run(make_points(3), {MAX2D: FLAT}, (0, 1, 2), name="20260102-000000-bbbb"))
    with pytest.raises(UsageError):
        page(results, "20260101-000000-aaaa", gate="20260102-000000-bbbb")
