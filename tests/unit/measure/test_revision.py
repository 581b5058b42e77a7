from __future__ import annotations

import importlib.metadata
import os
import subprocess
from pathlib import Path

import pytest

from poolbench.measure.machine import revision


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with a package and a readme, committed."""
    tree = tmp_path / "clone"
    (tree / "poolbench" / "model").mkdir(parents=True)
    (tree / "poolbench" / "__init__.py").write_text("")
    (tree / "pyproject.toml").write_text("")
    (tree / "README.md").write_text("one")
    (tree / ".gitignore").write_text(".venv\n__pycache__\n")
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "first")
    return tree


def version() -> str:
    try:
        return importlib.metadata.version("poolbench")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def test_a_clean_tree_is_its_commit(tree: Path) -> None:
    commit = git(tree, "rev-parse", "HEAD")
    assert revision(tree) == (commit, False)
    assert revision(tree / "poolbench") == (commit, False)


@pytest.mark.parametrize(
    "name", ["poolbench/__init__.py", "poolbench/new.py", "poolbench/model/new.py", "pyproject.toml"]
)
def test_a_change_to_the_sources_makes_it_dirty(tree: Path, name: str) -> None:
    (tree / name).write_text("changed")
    assert revision(tree) == (git(tree, "rev-parse", "HEAD"), True)
    assert revision(tree / "poolbench")[1]


@pytest.mark.parametrize("name", ["README.md", "results/machine/run.jsonl", "poolbench/__pycache__/x.pyc"])
def test_a_change_elsewhere_does_not(tree: Path, name: str) -> None:
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text("changed")
    assert revision(tree)[1] is False


def test_a_deleted_source_makes_it_dirty(tree: Path) -> None:
    (tree / "pyproject.toml").unlink()
    assert revision(tree)[1] is True


def test_an_installed_package_is_its_version_even_below_a_repository(tree: Path, tmp_path: Path) -> None:
    inside = tree / ".venv" / "lib" / "poolbench"
    (inside / "model").mkdir(parents=True)
    (inside / "__init__.py").write_text("")
    assert revision(inside) == (version(), False)
    assert revision(tmp_path / "nowhere") == (version(), False)


def test_without_git_there_is_a_version(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert revision(tree) == (version(), False)


def test_a_hooks_variables_do_not_mislead(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = git(tree, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert revision(tree) == (commit, False)
