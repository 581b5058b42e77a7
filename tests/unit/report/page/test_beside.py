"""Histories, calibration, the gate's verdicts and asv's files in a page, and their absence."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from poolbench.errors import StoreError
from poolbench.report.figures.canvas import Width
from poolbench.report.page.beside import ABSENT, beside_sections
from poolbench.report.page.run import build_page
from poolbench.report.render.html import render_page
from poolbench.store.asv import AsvFigure, AsvResults
from poolbench.store.beside import Beside, read_beside, read_document
from tests.unit.builders import make_header

MACHINE = "some-machine"
LEVELS = (1.0, 1.0, 1.3, 1.3)
POINTS = "subject,anchor,position,point,workload,name,ratio,low,high\n" + "".join(
    f"numpy,2.1,{place},2.{place + 1},{name},{name},{level},{level - 0.05},{level + 0.05}\n"
    for place, level in enumerate(LEVELS)
    for name in ("one", "two", "geometric mean")
)
CHANGES = (
    "subject,before,after,earliest,latest,direction,workload,name,ratio,low,high,p_value,confirmed\n"
    "numpy,2.2,2.3,2.2,2.3,slower,,,1.3,1.25,1.35,1e-9,True\n"
)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / MACHINE / "history"
    folder.mkdir(parents=True)
    (folder / "numpy-2.1..csv").write_text(POINTS)
    (folder / "numpy-2.1..changes.csv").write_text(CHANGES)
    rates = {"planted": 1.0, "verdicts": 100, "found": 1, "low": 0.0003, "high": 0.054, "undecided": 3}
    (tmp_path / MACHINE / "calibration.json").write_text(json.dumps({"schema": 2, "run": "r", "rates": [rates]}))
    return tmp_path


def test_what_there_is_is_shown(results: Path) -> None:
    verdict = {
        "workload": "w", "name": "layer", "outcome": "slower", "reason": "Slower (+9 %).", "is_regression": True,
        "comparison": {"ratio": 1.09, "low": 1.07, "high": 1.11},
    }  # fmt: skip
    beside = read_beside(results, MACHINE, "asv-runs")
    page = build_page(make_header(("a", "b")), [], beside=beside_sections(beside, {"verdicts": [verdict]}))
    html = render_page(page)
    assert "history-1" in {drawing.key for drawing in page.drawings}
    assert "slower between 2.2 and 2.3" in html
    assert {"gate", "calibration", "changes-1"} <= {table.key for table in page.tables}
    assert "Slower (+9 %)." in html
    assert "1 % (0.03 % to 5.4 %)" in html
    assert ABSENT["asv"].replace("'", "&#39;") in html


def test_a_change_is_drawn_between_its_points(results: Path) -> None:
    (section, *_) = beside_sections(read_beside(results, MACHINE, "asv-runs"))
    (axis,) = section.drawings[0].draw(Width.WIDE).axes
    assert 1.5 in [line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 2]


def test_what_is_absent_or_damaged_is_a_sentence(results: Path, tmp_path: Path) -> None:
    (only,) = beside_sections(Beside())
    assert only.lists == (tuple(ABSENT.values()),)
    (results / MACHINE / "history" / "numpy-2.1..csv").write_text("not,a\nhistory,here\n")
    (results / MACHINE / "calibration.json").write_text("{")
    sections = beside_sections(read_beside(results, MACHINE, "asv-runs"))
    assert [section.key for section in sections] == ["beside"]
    assert "cannot be read" in sections[0].lists[0][0]
    assert "calibration.json" in sections[0].lists[0][1]
    with pytest.raises(StoreError, match=r"missing\.json"):
        read_document(tmp_path / "missing.json")


def test_times_of_asv_have_their_spread() -> None:
    figure = AsvFigure(benchmark="time_call", subject="torch", workload="w", value=2e-3, samples=(1e-3, 2e-3, 3e-3))
    results = AsvResults(
        machine=MACHINE,
        commit="0123456789abcdef",
        committed_at=datetime(2026, 11, 22, tzinfo=UTC),
        figures=(figure, replace(figure, samples=())),
    )
    section, *_ = beside_sections(Beside(asv=(results,)))
    (row,) = section.tables[0].rows
    assert [value.text for value in row.values] == ["01234567", "torch", "w", "2.00 ms (1.50 ms to 2.50 ms)"]
