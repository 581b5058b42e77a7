"""asv itself reads what is written: ``publish`` and ``compare`` run on it."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from poolbench.api.export import Format, export_asv, export_tables
from poolbench.api.functions import load_results
from poolbench.environments.git import variables
from poolbench.errors import StoreError, UsageError
from poolbench.model.ids import parse_id
from poolbench.model.memory import Amount
from poolbench.model.result import UNKNOWN_REVISION, Status
from poolbench.model.subject import parse_subject
from poolbench.store import asv, asv_terms
from poolbench.store.reading import StoredRun
from tests.unit.builders import AVG2D, GLOBAL, MAX2D, QUIET, make_header, make_rows

pytest.importorskip("asv")

TIMES = {MAX2D: {"torch": 3e6, "limit": 1e6}, AVG2D: {"torch": 2e6, "limit": 1e6}, GLOBAL: {"torch": 1e6, "limit": 1e6}}
FAILURES = {(AVG2D, "torch"): (Status.CRASHED, "x"), (GLOBAL, "torch"): (Status.UNSUPPORTED, "y")}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for number in range(2):
        git(folder, "commit", "-q", "--allow-empty", "-m", f"commit {number}")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = {**variables(), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    done = subprocess.run(command, cwd=folder, env=identity, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def run_at(revision: str, *, slower: float = 1.0) -> StoredRun:
    times = {workload: {s: ns * slower for s, ns in each.items()} for workload, each in TIMES.items()}
    requests = {"torch": Amount(bytes=4_000_000)}
    rows = make_rows(times, noise=QUIET, failures=FAILURES, requests=requests)
    header = replace(make_header(["torch", "limit"], list(TIMES)), revision=revision)
    return StoredRun(path=Path("a-run.jsonl"), header=header, rows=tuple(rows))


def run_asv(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "asv", "--config", str(folder / asv.CONFIGURATION), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_asv_compares_and_publishes_what_is_written(tmp_path: Path, repository: Path) -> None:
    folder = tmp_path / "asv"
    before, after = git(repository, "rev-parse", "HEAD~1"), git(repository, "rev-parse", "HEAD")
    export_asv(run_at(before), folder, source=repository)
    export_asv(run_at(after, slower=2), folder, source=repository)

    compared = run_asv(folder, "compare", before, after)
    (line,) = [line for line in compared.splitlines() if MAX2D in line and "'torch'" in line and "time_call" in line]
    assert "3.00" in line and "6.00" in line and "2.00" in line
    (line,) = [line for line in compared.splitlines() if GLOBAL in line and "'torch'" in line and "time_call" in line]
    assert "n/a" in line
    (line,) = [line for line in compared.splitlines() if AVG2D in line and "'torch'" in line and "time_call" in line]
    assert "failed" in line

    run_asv(folder, "publish", "--no-pull")
    index = json.loads((folder / "html/index.json").read_text())
    assert sorted(index["revision_to_hash"].values()) == sorted([before, after])
    (graph,) = (folder / "html/graphs").rglob("summary/compare.time_call.json")
    assert len(json.loads(graph.read_text())) == 2


def test_subjects_in_other_environments_are_published_however_much_is_installed_there(
    tmp_path: Path, repository: Path
) -> None:
    stored = run_at(git(repository, "rev-parse", "HEAD"))
    behind = "CPython 3.11.7, " + ", ".join(f"distribution{number}==1.0.{number}" for number in range(40))
    machine = replace(stored.header.machine, software={**stored.header.machine.software, "torch@2.5.0": behind})
    rows = tuple(replace(row, subject="torch@2.5.0" if row.subject == "torch" else row.subject) for row in stored.rows)
    header = replace(stored.header, machine=machine, subjects=(parse_subject("torch@2.5.0"), parse_subject("limit")))
    export_asv(replace(stored, header=header, rows=rows), tmp_path, source=repository)

    run_asv(tmp_path, "publish", "--no-pull")
    index = json.loads((tmp_path / "html/index.json").read_text())
    (shown,) = [entry for entry in index["benchmarks"].values() if entry["pretty_name"] == "compare.time_call"]
    assert shown["params"][0] == ["'torch@2.5.0'", "'limit'"]
    assert index["params"]["torch"] == ["2.13.0"] and not [name for name in index["params"] if "@" in name]


def test_a_run_that_asv_will_show_otherwise_is_told_of(tmp_path: Path, repository: Path) -> None:
    first, last = git(repository, "rev-parse", "HEAD~1"), git(repository, "rev-parse", "HEAD")
    assert export_asv(run_at(last), tmp_path, source=repository).warnings == ()
    git(repository, "checkout", "-q", first)
    (warning,) = export_asv(run_at(last), tmp_path, source=repository).warnings
    assert last[:8] in warning and "--commit" in warning
    run_asv(tmp_path, "publish", "--no-pull")
    assert not list((tmp_path / "html/graphs").rglob("compare.time_call.json"))

    changed = run_at(first)
    changed = replace(changed, header=replace(changed.header, dirty=True))
    (warning,) = export_asv(changed, tmp_path, source=repository).warnings
    assert first[:8] in warning and "differ" in warning
    assert export_asv(changed, tmp_path, source=repository, commit=first).warnings == ()


def test_samples_and_amounts_come_back_in_the_frame_of_runs(tmp_path: Path, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    stored = run_at(commit)
    export_asv(stored, tmp_path, source=repository)
    frame = load_results(tmp_path).set_index(["workload", "subject"]).sort_index()
    samples = [
        sample for row in stored.rows if (row.workload, row.subject) == (MAX2D, "torch") for sample in row.samples
    ]
    mine = frame.loc[(MAX2D, "torch")]
    assert sorted(mine["call_ns"]) == pytest.approx(sorted(sample.call_ns for sample in samples))
    assert set(mine["requested_bytes"]) == {4_000_000} and set(mine["revision"]) == {commit}
    assert list(frame.loc[[(GLOBAL, "torch")], "status"]) == ["UNSUPPORTED"]
    assert (AVG2D, "torch") not in frame.index  # asv does not tell a failure from a case that was not asked for


def test_a_second_run_of_a_commit_adds_what_it_measured_and_replaces_no_other(tmp_path: Path, repository: Path) -> None:
    whole = run_at(git(repository, "rev-parse", "HEAD"))
    for workload in (MAX2D, GLOBAL):
        rows = tuple(row for row in whole.rows if row.workload == workload)
        part = replace(whole, header=replace(whole.header, workloads=(parse_id(workload),)), rows=rows)
        export_asv(part, tmp_path, source=repository)
    (results,) = asv.read_results(tmp_path)
    times = {(f.workload, f.subject): f.value for f in results.figures if f.benchmark == asv_terms.TIME}
    assert times[MAX2D, "torch"] == pytest.approx(3e-3, rel=1e-6) and times[GLOBAL, "limit"] == pytest.approx(1e-3)
    value = times[GLOBAL, "torch"]
    assert value is not None and math.isnan(value)


def test_a_revision_that_is_no_commit_is_refused_in_a_sentence(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(UsageError, match=r"'0\.1\.0'.*is none of the repository.*--commit"):
        export_asv(run_at("0.1.0"), tmp_path / "asv", source=repository)
    assert not (tmp_path / "asv").exists()
    with pytest.raises(UsageError, match=r"--repository.*git says: fatal: not a git repository"):
        export_asv(run_at("0.1.0"), tmp_path / "asv", source=tmp_path)
    with pytest.raises(UsageError, match=r"not known which run .* was measured at.*--commit"):
        export_asv(run_at(UNKNOWN_REVISION), tmp_path / "asv", source=repository)


def test_git_s_own_words_are_told(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = run_at(git(repository, "rev-parse", "HEAD"))
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch, for its tests
    with pytest.raises(UsageError, match=r"git says: fatal: detected dubious ownership .*safe\.directory"):
        export_asv(stored, tmp_path / "asv", source=repository)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="git says: git is not installed"):
        export_asv(stored, tmp_path / "asv", source=repository)


def test_without_asv_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "asv"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asv", None)
    with pytest.raises(UsageError, match=r"pip install 'poolbench\[asv\]'"):
        asv.detect_steps([1.0, 1.0])


def test_a_folder_that_is_not_asvs_is_refused(tmp_path: Path) -> None:
    assert not asv.is_asv_folder(tmp_path)
    with pytest.raises(StoreError, match=r"benchmarks\.json"):
        asv.read_results(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 2}', "whole, but of another machine"])
def test_a_bad_file_of_asvs_costs_itself_alone(tmp_path: Path, repository: Path, content: str) -> None:
    written = export_asv(run_at(git(repository, "rev-parse", "HEAD")), tmp_path / "asv", source=repository).file
    bad = written.with_name(f"0000-{written.name}")
    if content.startswith("whole"):
        content = written.read_text().replace('"machine": "', '"machine": "another-')
    bad.write_text(content)
    with pytest.warns(UserWarning, match=f"{bad.name} is left out"):
        assert len(asv.read_results(tmp_path / "asv")) == 1
    written.unlink()
    with pytest.raises(StoreError, match=f"None of asv's result files .*{bad.name}"):
        asv.read_results(tmp_path / "asv")


def test_a_step_is_found_where_it_is_and_gaps_are_no_step() -> None:
    values = [1.0, 1.001, None, 0.999, 1.0, 1.2, 1.201, math.nan, 1.199, 1.2]
    found = asv.detect_steps(values)
    assert [(step.begin, step.end) for step in found] == [(0, 5), (5, 10)]
    assert [step.level for step in found] == pytest.approx([1.0, 1.2], abs=0.002)
    (only,) = asv.detect_steps([1.0, 1.001, 0.999, 1.0])
    assert (only.begin, only.end) == (0, 4)


@pytest.mark.parametrize("form", [Format.PARQUET, Format.CSV])
def test_tables_hold_every_sample_and_the_summary(tmp_path: Path, form: Format) -> None:
    import pandas as pd

    if form is Format.PARQUET:
        pytest.importorskip("pyarrow")
    stored = run_at("0" * 40)
    samples, summary = export_tables(stored, tmp_path / "new", form)
    read = pd.read_parquet if form is Format.PARQUET else pd.read_csv
    frame = read(samples)
    assert len(frame) == sum(max(len(row.samples), 1) for row in stored.rows)
    assert frame["call_ns"].sum() == pytest.approx(sum(s.call_ns for row in stored.rows for s in row.samples))
    assert set(read(summary)["subject"]) == {"torch"}
