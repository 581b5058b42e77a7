import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.analyse.compare.summary import summarise
from poolbench.model.estimate import Estimate
from poolbench.model.memory import Amount
from poolbench.quantities import half_width_text, ratio_text, significant, time_text
from poolbench.report.render.brief import sections
from poolbench.report.render.csv import summary_frame
from poolbench.report.run_table import NO_TIME, limit_value
from tests.unit.builders import MAX2D, Noise, make_header, make_rows
from tests.unit.report.example import example


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(412.0, "412 ns"), (999.6, "1.00 µs"), (1234.0, "1.23 µs"), (203_400.0, "203 µs"), (9_999_999.0, "10.0 ms"),
     (1.5e9, "1.50 s"), (123e9, "123 s")],
)  # fmt: skip
def test_times_have_three_digits_and_a_unit(nanoseconds: float, text: str) -> None:
    assert time_text(nanoseconds) == text


@given(st.floats(1, 1e12))
def test_a_written_time_reads_back_within_half_a_per_cent(nanoseconds: float) -> None:
    number, unit = time_text(nanoseconds).split()
    assert float(number) * {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}[unit] == pytest.approx(nanoseconds, rel=0.0051)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [(2.31, 2.29, 2.33, "2.31 ±0.02"), (1.003, 1.0, 1.006, "1.003 ±0.003"), (45.23, 44.4, 46.0, "45.2 ±0.8"),
     (152.3, 149.0, 155.0, "152 ±3"), (2.31, 0.0, math.inf, "2.31 ±?"), (1.0, 1.0, 1.0, "1.00 ±0.00")],
)  # fmt: skip
def test_ratios_carry_their_uncertainty(value: float, low: float, high: float, text: str) -> None:
    assert ratio_text(Estimate(value=value, low=low, high=high)) == text


def test_widths_limits_and_figures() -> None:
    assert half_width_text(0.0081) == "±0.8 %"
    assert half_width_text(0.123) == "±12 %"
    assert half_width_text(math.inf) == "±?"
    assert limit_value(Estimate(value=1.42, low=1, high=1.9)).text == "1.42 ±0.45"
    assert limit_value(Estimate(value=0.91, low=0.9, high=0.92)).text == "0.91 ±0.01 !"
    assert [significant(value) for value in (0.05123, 9.9, 1234.0, 0.0)] == ["0.0512", "9.90", "1230", "0"]


def test_sections_end_with_the_geometric_mean() -> None:
    found = sections(example())
    assert [section.title for section in found] == ["resnet_pool", "inception_pool", "wavenet_pool", "geometric mean"]
    assert found[-1].detail == "over 3 workloads"
    assert [line["subject"] for line in found[-1].lines] == ["torch:channels_last", "torch", "numpy"]
    roles = {(section.title, line["subject"]): line.role for section in found for line in section.lines}
    assert roles["resnet_pool", "torch"] == "tie"
    assert roles["inception_pool", "tensorflow"] == "apart"
    assert roles["wavenet_pool", "tensorflow"] == "failed"
    ratios = {(section.title, line["subject"]): line["× fastest"] for section in found for line in section.lines}
    assert ratios["resnet_pool", "torch:channels_last"] == "fastest"
    assert ratios["resnet_pool", "torch"].startswith("~ 1.0")
    assert ratios["inception_pool", "tensorflow"] == "differs"


def test_the_csv_reads_back(tmp_path: Path) -> None:
    summary_frame(example()).to_csv(tmp_path / "tables.csv", index=False)
    frame = pd.read_csv(tmp_path / "tables.csv")
    assert len(frame) == 12
    assert set(frame["status"]) == {"OK", "UNSUPPORTED"}


def test_a_subject_without_a_clean_slot_is_told_from_one_that_failed() -> None:
    times = {MAX2D: {"a": 2e5, "b": 3e5}}
    rows = make_rows(times, noise=Noise(contaminated=1.0), requests=dict.fromkeys("ab", Amount(bytes=1000)))
    lines = [line for section in sections(summarise(make_header(("a", "b"), (MAX2D,)), rows)) for line in section.lines]
    assert {line["time"] for line in lines} == {NO_TIME}
    assert {line["requested"] for line in lines} == {"1.00 KB"}  # which no contamination touches
