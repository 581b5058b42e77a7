"""Histories, calibration, the gate's verdicts and asv's files in a page, and their absence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from poolbench.model.calibration import Calibration, Rates
from poolbench.model.gate import Disturbance, GatePolicy, GateResult, GateVerdict
from poolbench.model.method import Method
from poolbench.model.subject import parse_subject
from poolbench.model.verdict import Comparison, Outcome
from poolbench.report.page.beside import ABSENT, Beside, JudgedGate, beside_sections
from poolbench.report.page.run import build_page
from poolbench.report.render.html import render_page
from poolbench.store.asv import AsvFigure, AsvResults
from tests.unit.analyse.history.histories import make_history, make_points, make_run
from tests.unit.builders import AVG2D, MAX2D, make_header

MACHINE = "some-machine"
RATES = Rates(planted=1.0, verdicts=100, found=1, low=0.0003, high=0.054, same=96, undecided=3, invalid=0,
              failed_gate=0, cpu_ratio=1.0, medians_found=9)  # fmt: skip
CALIBRATION = Calibration(
    run="r", machine=MACHINE, measured_at="2026-11-22T10:00:00", revision="abc", subjects=("numpy", "numpy#2"),
    workloads=(MAX2D,), policy=GatePolicy(), method=Method(), budget_per_verdict=4.0, seconds_per_verdict=2.0,
    rates=(RATES,), smallest_found=None, medians_threshold=1.1, neighbour="none", disturbance=Disturbance(),
)  # fmt: skip


def history(levels: Sequence[float] = (1.0, 1.0, 1.3, 1.3)):
    points = make_points(len(levels))
    ratios = {MAX2D: list(levels), AVG2D: list(levels)}
    every = tuple(range(len(levels)))
    return make_history(points, [make_run(points, ratios, every), make_run(points, ratios, every, name="b", seed=2)])


def gate() -> JudgedGate:
    pair = Comparison(
        workload="w", subject="head", reference="base", ratio=1.09, low=1.07, high=1.11, p_value=1e-9, blocks=40,
        launches=8, launch_spread=0.01, drift=0.0, rejected=0.0,
    )  # fmt: skip
    verdict = GateVerdict(
        workload="w", outcome=Outcome.SLOWER, reason="Slower (+9 %).", comparison=pair, is_regression=True
    )
    result = GateResult(
        base=parse_subject("numpy"), head=parse_subject("numpy#2"), policy=GatePolicy(), method=Method(),
        verdicts=(verdict,),
    )  # fmt: skip
    return JudgedGate(result=result, names={"w": "layer"})


def test_what_there_is_is_shown() -> None:
    beside = Beside(histories=(history(),), gate=gate(), calibration=CALIBRATION)
    page = build_page(make_header(("a", "b")), [], beside=beside_sections(beside))
    html = render_page(page)
    assert "history-1" in {drawing.key for drawing in page.drawings}
    assert "Between 1.1.0 and 1.2.0: slower" in html
    assert {"gate", "calibration", "changes-1"} <= {table.key for table in page.tables}
    assert "Slower (+9 %)." in html and "1.070–1.110" in html and "<strong>SLOWER</strong>" in html
    assert "1 % (0.03 % to 5.4 %)" in html
    assert ABSENT["asv"].replace("'", "&#39;") in html


def test_what_is_absent_or_damaged_is_a_sentence() -> None:
    (only,) = beside_sections(Beside())
    assert only.lists == (tuple(ABSENT.values()),)
    (only,) = beside_sections(Beside(problems=("calibration.json cannot be read.",)))
    assert only.lists[0][0] == "calibration.json cannot be read."


def test_times_of_asv_have_their_spread() -> None:
    figure = AsvFigure(benchmark="time_call", subject="torch", workload="w", value=2e-3, samples=(1e-3, 2e-3, 3e-3))
    results = AsvResults(
        machine=MACHINE,
        commit="0123456789abcdef",
        committed_at=datetime(2026, 11, 22, tzinfo=UTC),
        figures=(figure, replace(figure, samples=())),
    )
    section, *_ = beside_sections(Beside(asv=(results,)))
    (table,) = section.tables
    (row,) = table.rows
    assert [row[column.key].full for column in table.columns] == [
        "01234567", "torch", "w", "2.00 ms (1.50 ms to 2.50 ms)"
    ]  # fmt: skip
