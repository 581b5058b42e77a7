import shlex
from dataclasses import replace
from pathlib import Path

from poolbench.analyse.compare.summary import summarise
from poolbench.model.gate import GatePolicy, GateTerms
from poolbench.model.subject import parse_subject
from poolbench.report.answer import answer
from poolbench.report.render.markdown import command, render_markdown, write_markdown
from tests.unit.builders import AVG2D, MAX1D, MAX2D, WORKLOADS, make_header, make_rows
from tests.unit.report.example import example


def test_it_opens_with_the_question_and_the_answer() -> None:
    lines = render_markdown(example()).splitlines()
    assert lines[0] == "# Which backend is fastest here, by how much, and is that sure?"
    assert lines[2].startswith("torch")
    assert "looks fastest here, but that is not sure" in lines[2]


def test_every_line_of_the_table_has_the_same_columns() -> None:
    table = [line for line in render_markdown(example()).splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {9}
    assert len(table) == 2 + 3 * 5 + 3  # head, rule, workloads with the limit, means
    assert not any(" ~ " in line for line in table)  # two of them would strike a line through


def test_it_says_how_it_came_about() -> None:
    text = render_markdown(example())
    for part in ("## Machine", "Test Processor 9000", "## Software", "torch 2.13.0", "## Method", "(A B C C B A)",
                 "longer than 3 %", "below 1 %", "## To reproduce", f"`{MAX2D}`"):  # fmt: skip
        assert part in text


def test_the_command_names_subjects_workloads_and_method() -> None:
    header = replace(
        example().header, subjects=tuple(map(parse_subject, ("torch", "torch#2", "torch:compile", "limit")))
    )
    words = shlex.split(command(header))
    assert words[:5] == ["poolbench", "compare", "torch", "torch", "torch:compile"]
    assert words[words.index("--workloads") + 1].split(",") == [MAX2D, AVG2D, MAX1D]
    assert words[words.index("--budget") + 1] == "90"


def test_a_gate_s_run_is_measured_again_by_a_gate() -> None:
    terms = GateTerms(base=parse_subject("torch"), head=parse_subject("torch#2"), policy=GatePolicy(tolerance=0.05))
    header = replace(example().header, subjects=(terms.base, terms.head), gate=terms)
    words = shlex.split(command(header))
    assert words[:6] == ["poolbench", "gate", "--base", "torch", "--head", "torch"]
    assert (words[words.index("--tolerance") + 1], words[words.index("--confidence") + 1]) == ("0.05", "0.99")
    assert words[words.index("--workloads") + 1].split(",") == [MAX2D, AVG2D, MAX1D]
    assert shlex.split(command(header, [terms.base], [MAX2D]))[1] == "compare"


def test_a_sure_answer_says_by_how_much_and_where() -> None:
    times = {w: {"numpy": 8e5, "torch": 2e5} for w in WORKLOADS}
    sentences = answer(summarise(make_header(("numpy", "torch")), make_rows(times)))
    assert sentences[0].startswith("torch is the fastest here: numpy takes 4.0")
    assert "5 workloads" in sentences[0]
    assert sentences[1] == "Of 5 workloads, surely fastest is torch on 5."


def test_one_subject_alone_is_not_called_fastest() -> None:
    summary = summarise(make_header(("torch",)), make_rows({MAX2D: {"torch": 2e5}}))
    assert answer(summary) == ("Only torch ran, so there is nothing to compare it with.",)


def test_the_file_holds_the_text(tmp_path: Path) -> None:
    write_markdown(example(), tmp_path / "summary.md")
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == render_markdown(example())
