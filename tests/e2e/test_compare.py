"""``poolbench compare`` and ``show``, from the command line to the files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psutil
import pytest

import poolbench as library
from poolbench.model.result import Status
from poolbench.store.jsonl import RunFile
from poolbench.store.lock import machine_lock
from poolbench.store.reading import read_run
from tests.unit.builders import MAX2D, make_header, make_rows

SMALL = "max2d-n1c8-h16w16-k2"
OTHER = "avg2d-n1c8-h16w16-k3s1p1"


def only_run(folder: Path) -> Path:
    (path,) = (folder / "results").glob("*/*.jsonl")
    return path


def test_a_run_prints_a_table_and_writes_results_summary_and_csv(poolbench, tmp_path):
    done = poolbench("compare", "numpy", "numpy:windows", "-w", f"{SMALL},{OTHER}", "--budget", "6", check=True)
    path = only_run(tmp_path)
    for text in ("numpy:windows", SMALL, str(path.relative_to(tmp_path)), "limit"):
        assert text in done.stdout
    stored = read_run(path)
    assert {row.status for row in stored.rows} == {Status.OK}
    assert {row.subject for row in stored.rows} == {"numpy", "numpy:windows", "limit"}
    assert path.with_suffix(".md").read_text().count("numpy:windows") >= 2
    assert set(pd.read_csv(path.with_suffix(".csv"))["subject"]) >= {"numpy", "numpy:windows"}

    shown = poolbench("show", "latest", check=True)
    assert shown.stdout.strip() and shown.stdout.strip() in done.stdout
    listed = json.loads(poolbench("list", "runs", "--json", check=True).stdout)
    assert [run["run"] for run in listed] == [path.stem]
    frame = library.load_results(tmp_path / "results")
    assert len(frame) == sum(len(row.samples) for row in stored.rows)


def test_a_revision_that_could_not_be_had_is_told_once_and_stored_as_unknown(poolbench, tmp_path, environment):
    arguments = ("compare", "fake", "-w", SMALL, "--budget", "4", "--no-memory", "--quiet")
    environment["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"  # git's own switch, for its tests
    done = poolbench(*arguments, check=True)
    (line,) = [line for line in done.stderr.splitlines() if "which revision" in line]
    assert "dubious ownership" in line and "safe.directory" in line
    stored = read_run(only_run(tmp_path))
    assert (stored.header.revision, stored.header.dirty) == ("unknown", None)
    assert {(row.revision, row.dirty) for row in stored.rows} == {("unknown", None)}
    assert "revision unknown," in only_run(tmp_path).with_suffix(".md").read_text()
    shown = json.loads(poolbench("show", "latest", "--json", check=True).stdout)
    assert shown["cells"] and library.load_results(tmp_path / "results")["dirty"].isna().all()
    gate = poolbench("gate", "--base", "fake", "--head", "fake", *arguments[2:])
    environment |= {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}
    environment["POOLBENCH_ENVIRONMENTS"] = str(tmp_path / "environments")
    history = poolbench("history", "numpy", "--releases", "0.0.1,0.0.2", *arguments[2:6])
    assert gate.stderr.count("which revision") == 1 == history.stderr.count("which revision")

    top = Path(library.__file__).parent.parent
    environment |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(top)}
    assert "which revision" not in poolbench(*arguments, "--results", "trusted", check=True).stderr
    (path,) = tmp_path.glob("trusted/*/*.jsonl")
    assert len(read_run(path).header.revision) == 40


def test_json_is_one_document_with_every_cell(poolbench):
    done = poolbench("compare", "numpy", "numpy", "-w", SMALL, "--budget", "4", "--json", check=True)
    document = json.loads(done.stdout)
    assert {cell["subject"] for cell in document["cells"]} >= {"numpy", "numpy#2"}


def test_both_layouts_stand_in_one_run(poolbench, tmp_path):
    """A subject's own rule holds for it alone, in the timed launches and in those of memory, whatever the run's is."""
    layer = "max2d-n1c64-h14w14-k3s2p1"
    subjects = ("strided", "strided+layout=given", "strided+layout=best")
    for run in ("best", "given"):
        results = tmp_path / run
        poolbench("compare", *subjects, "-w", layer, "--layout", run, "--budget", "6", "--results", results, check=True)
        stored = read_run(next(results.glob("*/*.jsonl")))
        layouts = {row.subject: row.layout for row in stored.rows if row.subject != "limit"}
        assert layouts == {
            "strided": {"best": "nhwc", "given": "nchw"}[run],
            "strided+layout=given": "nchw",
            "strided+layout=best": "nhwc",
        }
        assert all(row.memory is not None for row in stored.rows if row.subject != "limit")
    again = poolbench("show", stored.path, check=True).stdout
    assert "strided+layout=given" in again
    done = poolbench("verify", "strided+layout=given", "-w", layer, "--json", check=True)
    assert {case["status"] for case in json.loads(done.stdout)["cases"]} == {"OK"}


def test_training_is_measured_whole_and_in_parts_and_told_by_name(poolbench, tmp_path):
    passes = "training,training-forward,training-backward"
    done = poolbench(
        "compare", "numpy", "fake", "-w", f"{SMALL},{SMALL}-i8", "--pass", passes, "--gradient", "sliced",
        "--budget", "8", check=True,
    )  # fmt: skip
    assert "only floating types have a gradient" in done.stderr and "-i8-" in done.stderr
    stored = read_run(only_run(tmp_path))
    whole = f"{SMALL}-f32-nchw"
    assert tuple(w.id for w in stored.header.workloads) == (
        f"{whole}.train.gc16",
        f"{whole}.trainfwd",
        f"{whole}.trainbwd.gc16",
    )
    assert {(row.subject, row.status) for row in stored.rows} == {(s, Status.OK) for s in ("numpy", "fake", "limit")}
    for row in stored.rows:
        if row.subject == "limit":
            assert row.verification.random_gradient_ulp is None
        else:
            assert row.verification.random_gradient_ulp == row.verification.random_gradient_bound_ulp == 0
            assert row.contract["gradient_ties"] == "first"
    assert f"{whole}.trainbwd.gc16" in done.stdout


def test_a_wrong_gradient_is_a_mismatch_and_has_no_time(poolbench, tmp_path):
    poolbench("compare", "fake:wrong_gradient", "fake", "-w", SMALL, "--pass", "training", "--budget", "4", check=True)
    rows = [row for row in read_run(only_run(tmp_path)).rows if row.subject == "fake:wrong_gradient"]
    assert {row.status for row in rows} == {Status.MISMATCH}
    assert all("elements of the gradient differ" in row.note and not row.samples for row in rows)


def test_planted_subjects_get_their_status_and_the_others_go_on(poolbench, tmp_path):
    planted = {
        "fake:crash": Status.CRASHED,
        "fake:hang": Status.TIMEOUT,
        "fake:wrong": Status.MISMATCH,
        "fake:dies": Status.CRASHED,
        "fake:chatty": Status.OK,
        "numpy": Status.OK,
    }
    done = poolbench("compare", *planted, "-w", SMALL, "--budget", "8", "--timeout", "2")
    assert done.returncode == 0, done.stderr
    assert "must not read this" not in done.stdout
    found = {row.subject: row.status for row in read_run(only_run(tmp_path)).rows}
    assert {name: found[name] for name in planted} == planted
    for name in ("fake:crash", "fake:hang", "fake:wrong", "fake:dies"):
        assert name in done.stdout


def test_a_subject_that_eats_memory_is_ended(poolbench, tmp_path):
    done = poolbench("compare", "fake:memory", "fake", "-w", SMALL, "--budget", "6")
    assert done.returncode == 0, done.stderr
    statuses = {row.subject: row.status for row in read_run(only_run(tmp_path)).rows}
    assert statuses["fake:memory"] is Status.OUT_OF_MEMORY
    assert statuses["fake"] is Status.OK


def test_a_run_in_which_nothing_was_measured_ends_with_3(poolbench):
    done = poolbench("compare", "fake:wrong", "-w", SMALL, "--budget", "4")
    assert done.returncode == 3
    assert "nothing was measured: MISMATCH" in done.stderr


def heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(tmp_path: Path, environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "poolbench", "compare", *arguments],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts its background jobs with Ctrl-C ignored, and the tests may be one.
        preexec_fn=heed_ctrl_c,
    )


def wait_for_rows(folder: Path, count: int, process: subprocess.Popen[str]) -> Path:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        paths = list((folder / "results").glob("*/*.jsonl"))
        if paths and paths[0].read_bytes().count(b"\n") > count:
            return paths[0]
        time.sleep(0.02)
    pytest.fail(f"no {count} rows were stored; the run ended with {process.poll()}")


def test_ctrl_c_keeps_every_finished_row_and_says_how_to_go_on(poolbench, tmp_path, environment):
    process = start(tmp_path, environment, "numpy", "fake", "-w", f"{SMALL},{OTHER}", "--budget", "8")
    path = wait_for_rows(tmp_path, 3, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    kept = [row.key for row in read_run(path).rows]
    assert process.returncode == 130
    assert f"--resume {path.stem}" in errors
    assert f"{len(kept)} finished rows are kept" in errors
    assert "Traceback" not in errors

    poolbench("compare", "--resume", path.stem, check=True)
    keys = [row.key for row in read_run(path).rows]
    assert keys[: len(kept)] == kept
    assert len(keys) == len(set(keys))
    assert len(keys) > len(kept)


def test_kill_9_loses_no_row_and_leaves_neither_worker_nor_lock(poolbench, tmp_path, environment):
    process = start(tmp_path, environment, "numpy", "fake", "-w", f"{SMALL},{OTHER}", "--budget", "8")
    path = wait_for_rows(tmp_path, 3, process)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE]
    kept = [row.key for row in read_run(path).rows]
    with path.open("ab") as file:
        file.write(b'{"record": "row", "launch"')  # a last line that was being written

    done = poolbench("compare", "--resume", path.stem, check=True)
    assert "torn" in done.stderr
    keys = [row.key for row in read_run(path).rows]
    assert keys[: len(kept)] == kept
    assert len(keys) == len(set(keys))


def test_a_second_run_on_this_machine_is_refused_with_the_holders_name(poolbench, tmp_path, environment):
    process = start(tmp_path, environment, "numpy", "-w", SMALL, "--budget", "30")
    path = wait_for_rows(tmp_path, 1, process)
    done = poolbench("compare", "numpy", "-w", SMALL, "--budget", "2")
    process.kill()
    process.communicate()
    assert done.returncode == 2
    assert path.stem in done.stderr
    assert "Traceback" not in done.stderr


def test_a_corrupt_line_is_named_and_the_rest_is_shown(poolbench, tmp_path):
    poolbench("compare", "fake", "-w", SMALL, "--budget", "3", check=True)
    path = only_run(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], "{nonsense\n", *lines[2:]]))
    done = poolbench("show", "latest", check=True)
    assert f"{path.name}:3" in done.stderr
    assert SMALL in done.stdout


def test_a_machine_with_a_name_has_a_lock_and_results_of_its_own(poolbench, environment, monkeypatch, tmp_path):
    monkeypatch.setenv("POOLBENCH_LOCK_DIR", environment["POOLBENCH_LOCK_DIR"])
    monkeypatch.setenv("POOLBENCH_MACHINE", "bench-1")
    arguments = ("compare", "numpy", "-w", SMALL, "--budget", "4", "--no-memory")
    with machine_lock("a run on bench-1"):
        environment["POOLBENCH_MACHINE"] = "bench-1"
        refused = poolbench(*arguments)
        environment["POOLBENCH_MACHINE"] = "bench-2"
        poolbench(*arguments, check=True)
    assert refused.returncode == 2 and "The run a run on bench-1 (process" in refused.stderr
    path = only_run(tmp_path)
    stored = read_run(path)
    assert path.parent.name == "bench-2" and stored.header.machine.identity == "bench-2"
    assert {row.machine for row in stored.rows} == {"bench-2"} and not stored.warnings


def test_a_name_that_is_no_folder_is_refused_before_anything_is_measured(poolbench, environment, tmp_path):
    environment["POOLBENCH_MACHINE"] = "../elsewhere"
    done = poolbench("compare", "numpy", "-w", SMALL, "--budget", "1")
    assert done.returncode == 2 and done.stderr.startswith("poolbench: POOLBENCH_MACHINE is '../elsewhere'")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("verb", [("show", "latest"), ("report", "latest"), ("export", "latest", "--to", "csv")])
def test_the_latest_run_is_found_beside_a_damaged_one_which_is_told(poolbench, tmp_path, verb):
    header = make_header(["numpy"], [MAX2D])
    with RunFile.create(tmp_path / "results", header) as file:
        file.append([replace(row, machine=header.machine.key) for row in make_rows({MAX2D: {"numpy": 1e6}})])
    file.path.with_name("zz.jsonl").write_text("{")
    done = poolbench(*verb, check=True)
    (line,) = [line for line in done.stderr.splitlines() if "left out" in line]
    assert line.startswith("poolbench: A run is left out. ") and "zz.jsonl:1" in line
