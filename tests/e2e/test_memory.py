"""The memory ledger in whole runs: with the real subjects, and with planted ones that are known to the byte."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from poolbench.model.result import Status
from poolbench.store.reading import read_run
from tests.memory import subjects
from tests.memory.build import build

SMALL = "max2d-n1c8-h16w16-k2"
ROOT = Path(__file__).parents[2]


def cells_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {cell["subject"]: cell for cell in document["cells"]}


def memory_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {subject: cell["memory"] for subject, cell in cells_of(document).items()}


@pytest.fixture
def planted(environment: dict[str, str], tmp_path: Path) -> None:
    """Register the planted subjects, as an installed package of somebody else's would."""
    information = tmp_path / "planted" / "planted-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(subjects.entry_points())
    environment["PYTHONPATH"] = os.pathsep.join((str(information.parent), str(ROOT)))


@pytest.fixture
def library(environment: dict[str, str], tmp_path: Path) -> None:
    environment["PLANTED_LIBRARY"] = str(build(tmp_path / "library"))


def test_the_ledger_shows_the_indices_that_nobody_asked_for(poolbench, tmp_path):
    """Max pooling in PyTorch builds int64 indices in inference too; the kernel requests its output alone."""
    names = ("torch", "strided", "strided:out", "tensorflow", "numpy")
    arguments = (*names, "-w", "max2d-n4c64-h112w112-k2", "--budget", "20")
    document = json.loads(poolbench("compare", *arguments, "--json", check=True).stdout)
    output, indices = 3_211_264, 2 * 3_211_264
    memory = memory_of(document)
    for name in names:
        assert memory[name]["output_bytes"] == memory[name]["least_bytes"] == output
        assert memory[name]["saved_bytes"] is None
        assert abs(memory[name]["touched_bytes"] - memory[name]["requested_bytes"]) < 500_000
    assert 0 <= memory["torch"]["requested_bytes"] - (output + indices) < 1024
    assert memory["strided"]["requested_bytes"] == output
    assert memory["strided:out"]["requested_bytes"] == 0
    assert output <= memory["tensorflow"]["requested_bytes"] < 2 * output

    (path,) = (tmp_path / "results").glob("*/*.jsonl")
    stored = {row.subject: {other.memory for other in read_run(path).rows if other.subject == row.subject}
              for row in read_run(path).rows}  # fmt: skip
    assert all(len(accounts) == 1 for accounts in stored.values())  # the same in every row
    assert stored["limit"] == {None}

    ranked = poolbench("show", "latest", "--sort", "memory", "--json", check=True)
    requests = [cell["memory"]["requested_bytes"] for cell in json.loads(ranked.stdout)["cells"]]
    assert requests == sorted(requests)
    table = poolbench("show", "latest", "--sort", "memory", check=True).stdout
    assert table.index("strided:out") < table.index("  strided ") < table.index("  torch ")
    assert "9.63 MB" in table
    assert "9.63 MB" in path.with_suffix(".md").read_text()
    assert "requested_bytes" in path.with_suffix(".csv").read_text().splitlines()[0]


def test_planted_subjects_are_found_to_the_byte(poolbench, planted, library):
    names = ("fake:malloc", "fake:mmap", "fake:posix_memalign")
    done = poolbench("compare", *names, "-w", SMALL, "--budget", "6", "--json", check=True)
    memory = memory_of(json.loads(done.stdout))
    for name in names:
        assert memory[name]["requested_bytes"] == subjects.SIZE
        assert abs(memory[name]["touched_bytes"] - subjects.TOUCHED) <= 500_000


def test_subjects_that_fail_in_the_memory_launch_are_timed_all_the_same(poolbench, planted, tmp_path):
    statuses = {
        "fake:traced": Status.CRASHED,
        "fake:hangs_there": Status.TIMEOUT,
        "fake:hoards_there": Status.OUT_OF_MEMORY,
        "fake:deceives": Status.MISMATCH,
    }
    done = poolbench("compare", *statuses, "fake", "-w", SMALL, "--budget", "20", "--timeout", "8", "--json")
    assert done.returncode == 0, done.stderr
    cells = cells_of(json.loads(done.stdout))
    assert {cell["status"] for cell in cells.values()} == {"OK"}
    (path,) = (tmp_path / "results").glob("*/*.jsonl")
    assert all(row.samples for row in read_run(path).rows)
    for name, status in statuses.items():
        memory = cells[name]["memory"]
        assert memory["requested_bytes"] is None
        assert memory["requested_note"].startswith(f"not measured: {status}: "), memory
    assert cells["fake:traced"]["memory"]["touched_bytes"] is not None
    assert cells["fake"]["memory"]["requested_bytes"] == 2048
    table = poolbench("show", "latest", check=True).stdout
    assert "not measured: TIMEOUT" in " ".join(table.split())


def test_it_can_be_left_out(poolbench, tmp_path):
    done = poolbench("compare", "fake", "-w", SMALL, "--budget", "3", "--no-memory", check=True)
    assert "requested" not in done.stdout
    (path,) = (tmp_path / "results").glob("*/*.jsonl")
    stored = read_run(path)
    assert {row.memory for row in stored.rows} == {None}
    assert "--no-memory" in path.with_suffix(".md").read_text()


HIDE_MEMRAY = """
import sys
sys.modules["memray"] = None
"""


def test_without_memray_the_column_says_so_and_touched_is_measured(poolbench, environment, tmp_path):
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "sitecustomize.py").write_text(HIDE_MEMRAY)
    environment["PYTHONPATH"] = str(tmp_path / "hide")
    done = poolbench("compare", "fake", "-w", SMALL, "--budget", "3", check=True)
    assert "not measured: memray is not installed; pip install 'poolbench[memory]'" in " ".join(done.stdout.split())
    (memory,) = memory_of(json.loads(poolbench("show", "latest", "--json", check=True).stdout)).values()
    assert memory["requested_bytes"] is None
    assert memory["touched_bytes"] is not None
