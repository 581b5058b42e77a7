"""Whatever lies in the current folder: poolbench and all that it starts import only what the environment has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from poolbench.environments.commands import Commands
from poolbench.environments.existing import existing_interpreter
from poolbench.environments.reference import Kind, Reference
from poolbench.model.result import Status
from poolbench.store.reading import read_run

ROOT = Path(__file__).parents[2]
SCRIPT = str(Path(sys.executable).with_name("poolbench"))
MODULE = (sys.executable, "-m", "poolbench")
ARGUMENTS = ("compare", "fake", "numpy", "-w", "max2d-n1c8-h16w16-k2", "--budget", "4", "--no-memory")


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A folder with modules that are called as others are."""
    folder = tmp_path / "crowded"
    for name in ("random.py", "json.py", "socket.py", "psutil.py", "numpy/__init__.py", "pip/__init__.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"raise RuntimeError('the wrong {name}')")
    return folder


def statuses(folder: Path) -> set[tuple[str, Status]]:
    (path,) = folder.glob("*/*.jsonl")
    return {(row.subject, row.status) for row in read_run(path).rows if row.subject != "limit"}


@pytest.mark.parametrize("command", [(SCRIPT,), MODULE], ids=["poolbench", "python -m poolbench"])
def test_modules_in_the_current_folder_are_not_imported(poolbench, tmp_path, crowded, command):
    done = poolbench(*ARGUMENTS, "--results", str(tmp_path / "results"), folder=crowded, command=command)
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path / "results") == {("fake", Status.OK), ("numpy", Status.OK)}


@pytest.mark.parametrize("with_code", [True, False], ids=["package", "folder"])
def test_nor_is_another_poolbench(poolbench, tmp_path, crowded, with_code):
    (crowded / "poolbench").mkdir()
    if with_code:
        (crowded / "poolbench" / "__init__.py").write_text("raise RuntimeError('the wrong poolbench')")
    done = poolbench(*ARGUMENTS, "--results", str(tmp_path / "results"), folder=crowded, command=(SCRIPT,))
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path / "results") == {("fake", Status.OK), ("numpy", Status.OK)}


@pytest.mark.parametrize("command", [(SCRIPT,), MODULE], ids=["poolbench", "python -m poolbench"])
def test_it_runs_from_the_folder_of_asv_s_suite(poolbench, tmp_path, command):
    """Its modules are called as the frameworks are."""
    done = poolbench(*ARGUMENTS, "--results", str(tmp_path / "results"), folder=ROOT / "benchmarks", command=command)
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path / "results") == {("fake", Status.OK), ("numpy", Status.OK)}


def test_an_interpreter_that_is_there_is_asked_and_runs_alike(poolbench, tmp_path, crowded, monkeypatch):
    monkeypatch.chdir(crowded)
    wanted = Reference(kind=Kind.PATH, text=sys.executable, framework="numpy")
    assert "numpy==" in existing_interpreter(wanted, Commands()).facts["distributions"]
    there = f"numpy@path:{sys.executable}"
    options = ("--results", str(tmp_path / "results"))
    done = poolbench("compare", there, *ARGUMENTS[2:], *options, folder=crowded, command=(SCRIPT,))
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path / "results") == {(there, Status.OK), ("numpy", Status.OK)}


def test_what_pythonpath_names_is_imported_as_ever(poolbench, tmp_path, environment):
    """Here, a subject's package that is found by it and nothing else, entry points included."""
    info = tmp_path / "mine" / "mine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[poolbench.backends]\nmine = mine:Mine\n")
    (tmp_path / "mine" / "mine.py").write_text(
        "from poolbench.backends.numpy_windows import Windows\n\n\nclass Mine(Windows):\n    name = 'mine'\n"
    )
    environment["PYTHONPATH"] = str(tmp_path / "mine")
    done = poolbench("compare", "mine", *ARGUMENTS[2:], "--results", "results")
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path / "results") == {("mine", Status.OK), ("numpy", Status.OK)}
