"""Memory beside time: what the tables show of it, and what stays where the width is short."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from itertools import pairwise

import pytest

from poolbench.model.method import Method
from poolbench.model.verdict import Ranking
from poolbench.quantities import size_text
from poolbench.report.method import command
from poolbench.report.render.brief import COLUMNS, sections
from poolbench.report.render.markdown import render_markdown
from poolbench.report.render.terminal import PLAIN_WIDTH, render
from poolbench.report.table import UNKNOWN
from tests.unit.report.example import example

MEMORY = ("requested", "touched", "output", "least")


def headings(width: int, ranking: Ranking) -> tuple[str, ...]:
    text = render(example(memory=True, ranking=ranking), width=width)
    line = next(line for line in text.splitlines() if line.startswith("  subject"))
    return tuple(column for column in COLUMNS if re.search(rf" {re.escape(column)}( |$)", line))


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0"), (1, "1 B"), (784, "784 B"), (999, "999 B"), (1000, "1.00 KB"), (999_600, "1.00 MB"),
     (9_634_384, "9.63 MB"), (1_000_000_007, "1.00 GB"), (8 << 30, "8.59 GB")],
)  # fmt: skip
def test_sizes_have_three_digits_and_a_unit(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize("ranking", Ranking)
@pytest.mark.parametrize("width", [40, 47, 60, 72, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_cut(width: int, ranking: Ranking) -> None:
    text = render(example(memory=True, ranking=ranking), width=width)
    assert max(map(len, text.splitlines())) <= width
    shown = headings(width, ranking)
    assert shown[:2] == ("subject", "time")
    assert ("× fastest" in shown) or ranking is Ranking.MEMORY
    assert ("requested" in shown) or ranking is Ranking.TIME
    assert text.count("9.63 MB") == (3 if "requested" in shown else 0)
    assert text.count(" ±0.0") >= 5 or "× fastest" not in shown


def test_columns_go_in_the_stated_order() -> None:
    steps = {
        ranking: list(dict.fromkeys(headings(width, ranking) for width in range(140, 39, -1))) for ranking in Ranking
    }
    all_of_them = tuple(column for column in COLUMNS if column != "saved")  # which a forward pass does not fill
    for ranking, seen in steps.items():
        assert seen[0] == all_of_them
        for wider, narrower in pairwise(seen):
            assert set(narrower) < set(wider)
        assert all(column in seen[-1] for column in ("subject", "time")), ranking
    assert steps[Ranking.TIME][-1] == ("subject", "time", "× fastest")
    assert steps[Ranking.TIME][-2] == ("subject", "time", "× fastest", "requested")
    assert steps[Ranking.MEMORY][-1] == ("subject", "time", "requested")
    assert steps[Ranking.MEMORY][-2] == ("subject", "time", "requested", "touched")


def test_a_pipe_shows_memory_beside_time() -> None:
    assert {"time", "requested", "touched", "least"} <= set(headings(PLAIN_WIDTH, Ranking.TIME))


def test_a_run_without_memory_has_no_columns_for_it() -> None:
    text, markdown = render(example(), width=300), render_markdown(example())
    for column in MEMORY:
        assert f"{column}:" not in text + markdown
        assert f"  {column}" not in text
        assert f"| {column} |" not in markdown


def test_the_smallest_request_comes_first_when_that_is_asked_for() -> None:
    subjects = {
        ranking: [line["subject"] for line in sections(example(memory=True, ranking=ranking))[0].lines]
        for ranking in Ranking
    }
    assert subjects[Ranking.MEMORY] == ["tensorflow", "numpy", "torch", "torch:channels_last", "(limit)"]
    assert subjects[Ranking.TIME][0] == "torch:channels_last"


def test_what_was_not_measured_says_so_and_why() -> None:
    summary = example(memory=True)
    cells = {line["subject"]: line["requested"] for line in sections(summary)[0].lines}
    assert cells["torch:channels_last"] == UNKNOWN
    sentence = (
        "Requested memory of torch:channels_last on resnet_pool, inception_pool and wavenet_pool: not measured: memray "
        "is not installed."
    )
    assert sentence in render_markdown(summary)
    assert sentence in " ".join(render(summary, width=300).split())


def test_failed_cells_and_the_limit_have_no_memory() -> None:
    lines = {line["subject"]: line for section in sections(example(memory=True))[2:3] for line in section.lines}
    for subject in ("tensorflow", "(limit)"):
        assert tuple(lines[subject][column] for column in ("requested", "touched", "least")) == ("", "", "")


def test_markdown_has_every_column_and_says_how_memory_is_measured() -> None:
    text = render_markdown(example(memory=True))
    head = next(line for line in text.splitlines() if line.startswith("| workload"))
    assert [cell.strip() for cell in head.strip("|").split("|")] == [
        "workload", *(column for column in COLUMNS if column != "saved")
    ]  # fmt: skip
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "requested: the most that one call holds" in text
    assert "Memory is that of one warmed-up call" in text


def test_the_command_leaves_memory_out_again() -> None:
    header = example().header
    assert "--no-memory" not in shlex.split(command(header))
    without = replace(header, method=Method(memory=False))
    assert "--no-memory" in shlex.split(command(without))
    assert "Memory is that of" not in render_markdown(replace(example(), header=without))
