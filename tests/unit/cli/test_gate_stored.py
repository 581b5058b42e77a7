"""``poolbench gate --again`` and ``--resume``, and a gate's run in the other commands: rows from files, no clock."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from poolbench.cli.app import app
from poolbench.errors import ExitCode, UsageError
from poolbench.model.gate import GatePolicy, GateTerms
from poolbench.model.stage import Stage
from poolbench.model.subject import parse_subject
from poolbench.store.jsonl import RunFile
from poolbench.store.reading import read_header
from tests.unit.builders import AVG2D, MAX2D, Noise, RunBuilder, make_header

TERMS = GateTerms(
    base=parse_subject("old"), head=parse_subject("new"), policy=GatePolicy(tolerance=0.05, least_change=0.004)
)
OLD, NEW = "numpy", "numpy:windows"


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Store a gate's run in which the head takes 10 % longer on one layer; return its file."""
    monkeypatch.setenv("POOLBENCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    def store(terms: GateTerms | None = TERMS, subjects: tuple[str, ...] = (OLD, NEW)) -> Path:
        terms = None if terms is None else replace(terms, base=parse_subject(OLD), head=parse_subject(NEW))
        header = replace(make_header(subjects, (MAX2D, AVG2D), names={MAX2D: "layer"}), gate=terms)
        times = {MAX2D: {OLD: 1e5, NEW: 1.1e5}, AVG2D: {OLD: 1e5, NEW: 1e5}}
        builder = RunBuilder(times=times, noise=Noise(launch_sd=0.006, slot_sd=0.006))
        with RunFile.create(tmp_path / "results", header) as file:
            for launch in range(24):
                stage = Stage.SURVEY if launch < 12 else Stage.CONFIRMATION
                rows = builder.launch(launch, importer=launch // 12)
                file.append([replace(row, stage=stage, machine=header.machine.key) for row in rows])
        return file.path

    return store


def run(path: Path, *arguments: str):
    return CliRunner().invoke(app, [*arguments, "--results", str(path.parent.parent)])


def outcomes(done) -> list[str]:
    return [verdict["outcome"] for verdict in json.loads(done.stdout)["verdicts"]]


def test_stored_rows_are_judged_by_the_terms_that_they_were_measured_with(store):
    path = store()
    before = path.read_bytes()
    done = run(path, "gate", "--again", path.stem, "--json")
    assert done.exit_code == ExitCode.REGRESSION
    assert outcomes(done) == ["slower", "same"]
    document = json.loads(done.stdout)
    assert (document["base"], document["head"], document["results"]) == (OLD, NEW, str(path))
    assert document["policy"]["tolerance"] == 0.05 and document["policy"]["least_change"] == 0.004
    assert path.read_bytes() == before


def test_another_tolerance_gives_another_exit_code_from_the_same_rows(store):
    path = store()
    done = run(path, "gate", "--again", "latest", "--tolerance", "0.2", "--confidence", "0.95", "--json")
    document = json.loads(done.stdout)
    assert (done.exit_code, document["exit_code"]) == (ExitCode.DONE, 0)
    assert document["verdicts"][0]["is_regression"] is False
    policy = document["policy"]
    assert (policy["tolerance"], policy["confidence"], policy["least_change"]) == (0.2, 0.95, 0.004)


def test_the_default_of_an_option_that_was_given_counts_as_given(store):
    path = store(replace(TERMS, policy=GatePolicy(tolerance=0.2)))
    assert run(path, "gate", "--again", path.stem).exit_code == ExitCode.DONE
    assert run(path, "gate", "--again", path.stem, "--tolerance", "0.03").exit_code == ExitCode.REGRESSION


def test_a_run_from_before_roles_were_stored_is_judged_by_those_that_are_given(store):
    path = store(terms=None)
    done = run(path, "gate", "--again", path.stem, "--base", NEW, "--head", OLD, "--json")
    assert done.exit_code == ExitCode.DONE and outcomes(done) == ["faster", "same"]


@pytest.mark.parametrize(
    "given", [(), ("--base", OLD), ("--base", OLD, "--head", "torch"), ("--base", OLD, "--head", OLD)]
)
def test_such_a_run_without_its_roles_is_told_which_to_give(store, given):
    path = store(terms=None)
    done = run(path, "gate", "--again", path.stem, *given)
    assert isinstance(done.exception, UsageError)
    assert f"give '--base {OLD} --head {NEW}', or the other way round." in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--again", "latest", "--resume", "latest"), "--again takes its run as it is stored, so it"),
        (("--again", "latest", "--budget", "9", "--no-memory"), "beside --budget, --no-memory: leave them out"),
        (("--again", "latest", "--threads", "1"), "cannot stand beside --threads: leave it out"),
        (("--again", "latest", "--head", NEW), f"its own roles, base {OLD} and head {NEW}: leave"),
        (("--resume", "latest", "--tolerance", "0.1"), "--resume takes its run as it is stored"),
        (("--resume", "latest", "--base", OLD), "cannot stand beside --base: leave it out"),
        (("--again", "2026"), "There is no run"),
        ((), "Say with --base what head is held to"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_one_sentence_and_ends_with_2(store, arguments, told):
    path = store()
    done = run(path, "gate", *arguments)
    assert isinstance(done.exception, UsageError) and done.exception.exit_code == ExitCode.USAGE
    assert told in str(done.exception) and "\n" not in str(done.exception)


@pytest.mark.parametrize("option", ["--again", "--resume"])
def test_a_run_that_is_no_gates_is_told(store, option):
    path = store(terms=None, subjects=(OLD, NEW, "limit"))
    done = run(path, "gate", option, path.stem)
    assert isinstance(done.exception, UsageError)
    assert f"is no gate's: its subjects are {OLD}, {NEW}, limit." in str(done.exception)


def test_a_gate_from_before_roles_were_stored_cannot_be_resumed(store):
    path = store(terms=None)
    done = run(path, "gate", "--resume", path.stem)
    assert isinstance(done.exception, UsageError)
    assert f"'poolbench gate --again {path.stem}' judges its rows" in str(done.exception)


def test_compare_does_not_go_on_with_a_gate(store):
    path = store()
    done = run(path, "compare", "--resume", path.stem)
    assert isinstance(done.exception, UsageError)
    assert f"'poolbench gate --resume {path.stem}' goes on with it" in str(done.exception)


def test_the_report_of_a_gates_run_holds_the_verdicts_that_again_gives(store, tmp_path):
    path = store()
    again = json.loads(run(path, "gate", "--again", path.stem, "--json").stdout)
    done = run(path, "report", path.stem, "--output", str(tmp_path / "reports"), "--json")
    assert done.exit_code == ExitCode.DONE, done.exception
    (page,) = json.loads(done.stdout)
    text = Path(page["markdown"]).read_text(encoding="utf-8")
    assert again["headline"] in text
    assert all(verdict["reason"] in text for verdict in again["verdicts"])


def test_the_header_keeps_policy_and_roles_and_older_ones_have_none(store):
    path = store()
    assert read_header(path).gate == replace(TERMS, base=parse_subject(OLD), head=parse_subject(NEW))
    lines = path.read_bytes().splitlines(keepends=True)
    header = json.loads(lines[0])
    del header["gate"]
    path.write_bytes(json.dumps({**header, "schema": 5}).encode() + b"\n" + b"".join(lines[1:]))
    assert read_header(path).gate is None


def test_nothing_is_loaded_for_a_wrong_combination(store, monkeypatch):
    path = store()
    monkeypatch.setitem(sys.modules, "poolbench.api.gate", None)  # importing it would raise
    assert isinstance(run(path, "gate", "--again", "latest", "--resume", "latest").exception, UsageError)
