"""``poolbench gate`` killed half-way, resumed, and judged again: three commands, with real workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import poolbench as library
from poolbench.errors import UsageError
from poolbench.store.reading import read_header, read_run

SMALL = "max2d-n1c8-h16w16-k2"
BUDGET_S = 8.0
GATE = ("gate", "--base", "fake", "--head", "fake", "-w", SMALL, "--no-memory", "--quiet")


def begin(tmp_path: Path, environment: dict[str, str]) -> tuple[subprocess.Popen[str], Path]:
    """Begin a gate that nothing settles; return it once a quarter of its budget is in stored rows."""
    process = subprocess.Popen(
        [sys.executable, "-m", "poolbench", *GATE, "--budget", f"{BUDGET_S:g}", "--tolerance", "0.001"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts its background jobs with Ctrl-C ignored, and the tests may be one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        paths = list((tmp_path / "results").glob("*/*.jsonl"))
        if paths and sum(row.seconds for row in read_run(paths[0]).rows) >= BUDGET_S / 4:
            return process, paths[0]
        time.sleep(0.1)
    process.kill()
    pytest.fail(f"the gate stored too little; it ended with {process.poll()}: {process.communicate()}")


def test_a_gate_is_killed_resumed_and_judged_again_with_another_tolerance(poolbench, tmp_path, environment):
    process, path = begin(tmp_path, environment)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    kept = [row.key for row in read_run(path).rows]
    terms = read_header(path).gate
    assert terms is not None and (str(terms.base), str(terms.head), terms.policy.tolerance) == ("fake", "fake#2", 0.001)

    resumed = json.loads(poolbench("gate", "--resume", path.stem, "--json", "--quiet").stdout)
    keys = [row.key for row in read_run(path).rows]
    assert keys[: len(kept)] == kept and len(keys) == len(set(keys)) > len(kept)
    assert resumed["results"] == str(path.relative_to(tmp_path)) and resumed["policy"]["tolerance"] == 0.001

    stored = path.read_bytes()
    again = json.loads(poolbench("gate", "--again", path.stem, "--tolerance", "0.5", "--json").stdout)
    assert again["policy"] == {**resumed["policy"], "tolerance": 0.5}
    assert [v["comparison"]["ratio"] for v in again["verdicts"]] == [
        v["comparison"]["ratio"] for v in resumed["verdicts"]
    ]
    alike = json.loads(poolbench("gate", "--again", path.stem, "--json").stdout)
    assert alike == resumed and path.read_bytes() == stored


def test_ctrl_c_prints_the_command_that_goes_on(tmp_path, environment):
    process, path = begin(tmp_path, environment)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"go on with: poolbench gate --results results --resume {path.stem}" in errors
    assert f"{len(read_run(path).rows)} finished rows are kept" in errors


def test_the_function_measures_stores_and_judges(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLBENCH_LOCK_DIR", str(tmp_path / "lock"))
    result = library.gate("fake", "fake", [SMALL], tolerance=0.2, budget_s=2, memory=False, results=tmp_path)
    (path,) = tmp_path.glob("*/*.jsonl")
    terms = read_header(path).gate
    assert terms is not None
    assert (result.base, result.head, result.policy) == (terms.base, terms.head, terms.policy)
    assert [verdict.workload for verdict in result.verdicts] == [
        workload.id for workload in read_header(path).workloads
    ]
    assert result.verdicts[0].comparison.launches > 0
    with pytest.raises(UsageError, match=r"tolerance is -1; it takes a share from 0.001 to 1"):
        library.gate("fake", "fake", [SMALL], tolerance=-1, results=tmp_path)
