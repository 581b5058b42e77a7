"""A workload that the machine has no memory for: a row that says so, while the others go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poolbench.errors import ExitCode
from poolbench.model.result import Status
from poolbench.store.reading import read_run

SMALL = "max2d-n1c8-h16w16-k2"
PETABYTES = ["max2d-n100000c1000-h1000w1000-k2", "avg1d-n1000c1000-w1000000000-k2", "max3d-n10000c1000-d500h500w500-a1",
             "max2d-n100000c1000-h1000w1000-k3"]  # fmt: skip
"""One more than the strikes after which a subject that fails is given up."""

SELECTION = ",".join([*PETABYTES, SMALL])


def only_run(folder: Path) -> Path:
    (path,) = (folder / "results").glob("*/*.jsonl")
    return path


def test_a_run_goes_on_and_can_be_resumed_shown_and_reported(poolbench, tmp_path: Path) -> None:
    done = poolbench("compare", "fake", "numpy", "-w", SELECTION, "--budget", "3", check=True)
    assert "Too large to be computed here" in done.stdout
    rows = read_run(only_run(tmp_path)).rows
    large = [row for row in rows if not row.workload.startswith(SMALL)]
    assert {(row.workload, row.subject) for row in large} == {
        (f"{text}-f32-{'ncw' if '1d' in text else 'ncdhw' if '3d' in text else 'nchw'}", subject)
        for text in PETABYTES
        for subject in ("fake", "numpy", "limit")
    }
    assert {row.status for row in large} == {Status.UNSUPPORTED}
    assert all("GiB" in row.note and row.note.endswith(".") and row.memory is None for row in large)
    assert {row.status for row in rows if row.workload.startswith(SMALL)} == {Status.OK}

    poolbench("compare", "--resume", "latest", check=True)
    poolbench("show", "latest", "--sort", "memory", check=True)
    poolbench("report", check=True)
    assert "Too large" in (tmp_path / "reports" / "latest" / "index.html").read_text(encoding="utf-8")


def test_a_run_of_nothing_else_ends_with_3_and_says_why(poolbench) -> None:
    done = poolbench("compare", "fake", "-w", PETABYTES[0], "--budget", "4")
    assert done.returncode == ExitCode.MEASUREMENT_FAILED
    assert "Traceback" not in done.stderr and "nothing was measured: UNSUPPORTED" in done.stderr


def test_the_gate_leaves_it_out_and_judges_the_others(poolbench) -> None:
    done = poolbench("gate", "--base", "fake", "--head", "fake", "-w", SELECTION, "--budget", "6", "--json")
    document = json.loads(done.stdout)
    assert [verdict["workload"] for verdict in document["verdicts"]] == [f"{SMALL}-f32-nchw"]
    assert len(document["skipped"]) == len(PETABYTES) and "Too large" in document["skipped"][0]


@pytest.mark.parametrize("passes", ["forward", "training"])
def test_verify_names_it_among_what_was_refused(poolbench, passes: str) -> None:
    done = poolbench("verify", "fake", "-w", SELECTION, "--pass", passes, "--json", check=True)
    statuses = {case["workload"]: case["status"] for case in json.loads(done.stdout)["cases"]}
    assert sorted(statuses.values()) == ["OK", *["UNSUPPORTED"] * len(PETABYTES)]


@pytest.mark.parametrize("size", ["-n1c1-w100000000000000000000", "-n3000000000c3000000000-w4", f"-n1c1-w{'9' * 5000}"])
def test_what_no_machine_can_address_is_refused_in_a_sentence(poolbench, size: str) -> None:
    for verb in (["list", "workloads"], ["compare", "fake"]):
        done = poolbench(*verb, "-w", f"max1d{size}-k2")
        assert done.returncode == ExitCode.USAGE and "Traceback" not in done.stderr
        assert "2**63 bytes or more" in done.stderr or "too long to be read" in done.stderr
