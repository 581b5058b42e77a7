from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from poolbench.environments.git import GitError, variables
from poolbench.measure.machine import revision
from poolbench.measure.revision import PACKAGE, SourceRevision, leads_to_head, repository, resolve_commit
from poolbench.model.result import UNKNOWN_REVISION


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=variables(), check=True, capture_output=True, text=True
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


def at(commit: str, *, dirty: bool = False) -> SourceRevision:
    return SourceRevision(name=commit, dirty=dirty)


def version() -> SourceRevision:
    return at(importlib.metadata.version("poolbench"))


def test_a_clean_tree_is_its_commit(tree: Path) -> None:
    commit = git(tree, "rev-parse", "HEAD")
    assert revision(tree) == at(commit)
    assert revision(tree / "poolbench") == at(commit)


@pytest.mark.parametrize(
    "name", ["poolbench/__init__.py", "poolbench/new.py", "poolbench/model/new.py", "pyproject.toml"]
)
def test_a_change_to_the_sources_makes_it_dirty(tree: Path, name: str) -> None:
    (tree / name).write_text("changed")
    assert revision(tree) == at(git(tree, "rev-parse", "HEAD"), dirty=True)
    assert revision(tree / "poolbench").dirty


@pytest.mark.parametrize("name", ["README.md", "results/machine/run.jsonl", "poolbench/__pycache__/x.pyc"])
def test_a_change_elsewhere_does_not(tree: Path, name: str) -> None:
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text("changed")
    assert revision(tree).dirty is False


def test_a_deleted_source_makes_it_dirty(tree: Path) -> None:
    (tree / "pyproject.toml").unlink()
    assert revision(tree).dirty is True


def test_an_installed_package_is_its_version_even_below_a_repository(tree: Path, tmp_path: Path) -> None:
    inside = tree / ".venv" / "lib" / "poolbench"
    (inside / "model").mkdir(parents=True)
    (inside / "__init__.py").write_text("")
    assert revision(inside) == version()
    assert revision(tmp_path / "nowhere") == version()


def test_without_git_a_clone_s_revision_is_unknown_and_said_to_be(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = revision(tree)
    assert (found.name, found.dirty) == (UNKNOWN_REVISION, None)
    (warning,) = found.warnings
    assert "git is not installed, or its folder is not on PATH" in warning and str(PACKAGE) in warning


def test_without_git_an_installed_package_is_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "poolbench" / "model").mkdir(parents=True)
    monkeypatch.setenv("PATH", "")
    assert revision(tmp_path) == version() and not version().warnings


def test_a_worktree_whose_repository_is_not_here_is_unknown(tree: Path) -> None:
    (tree / ".git").rename(tree.parent / "elsewhere")
    (tree / ".git").write_text("gitdir: /nowhere/.git/worktrees/clone\n")
    found = revision(tree)
    assert (found.name, found.dirty) == (UNKNOWN_REVISION, None)
    assert "not a git repository: /nowhere/.git/worktrees/clone" in found.problem


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_CONFIG"])
def test_a_hooks_variables_do_not_mislead(tree: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    commit = git(tree, "rev-parse", "HEAD")
    monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    (tree / "pyproject.toml").write_text("changed")
    assert revision(tree) == at(commit, dirty=True)


def test_what_git_itself_calls_a_repository_s_own_is_dropped_and_its_configuration_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = subprocess.run(["git", "rev-parse", "--local-env-vars"], check=True, capture_output=True, text=True)
    configuring = {"GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"}
    asked = {*listed.stdout.split(), "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"}
    for name in asked:
        monkeypatch.setenv(name, "0")
    kept = asked & variables().keys()
    assert kept >= configuring and kept == asked - set(listed.stdout.split()) | configuring


@pytest.mark.parametrize("where", ["worktree", "clone"])
def test_inside_a_rebase_it_is_the_commit_that_is_checked_out(tree: Path, where: str) -> None:
    """``git rebase --exec`` and hooks run with variables that point at the repository that they belong to."""
    (tree / "README.md").write_text("two")
    git(tree, "commit", "-q", "-a", "-m", "second")
    folder = tree
    if where == "worktree":
        folder = tree.parent / "worktree"
        git(tree, "worktree", "add", "-q", str(folder))
    other = tree.parent / "other"
    other.mkdir()
    git(other, "init", "-q")
    script = tree.parent / "ask.py"
    script.write_text(
        "import sys; from pathlib import Path; from poolbench.measure.revision import revision\n"
        "print('found', revision(Path(sys.argv[1])).name, revision(Path(sys.argv[1])).dirty)"
    )
    asking = f"{sys.executable} -P {script} {folder}"
    said = git(folder, "rebase", "-q", "--force-rebase", "--exec", f"git rev-parse HEAD; {asking}", "HEAD~1")
    commit, found = said.splitlines()[-2:]
    assert found == f"found {commit} False"
    # A hook of one repository asks about another.
    elsewhere = {**os.environ, "GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other)}
    done = subprocess.run(["sh", "-c", asking], env=elsewhere, check=True, capture_output=True, text=True)
    assert done.stdout.split()[1] == git(folder, "rev-parse", "HEAD")


@pytest.fixture
def foreign(tree: Path) -> Path:
    """The repository, belonging to another user."""
    if os.getuid() != 0:
        pytest.skip("only root can give files to another user")
    for path in (tree, *tree.rglob("*")):
        os.chown(path, 65534, 65534)
    return tree


def test_another_owner_s_clone_is_unknown_in_git_s_own_words(foreign: Path) -> None:
    found = revision(foreign)
    assert (found.name, found.dirty) == (UNKNOWN_REVISION, None)
    assert "dubious ownership" in found.problem and f"--add safe.directory {foreign}" in found.problem
    with pytest.raises(GitError, match="dubious ownership"):
        repository(foreign)


@pytest.mark.parametrize("way", ["GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"])
def test_another_owner_s_clone_can_be_read_where_git_is_told_to_trust_it(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "GIT_CONFIG_COUNT":
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(foreign))
    else:
        (tmp_path / "config").write_text(f"[safe]\n\tdirectory = {foreign}\n")
        monkeypatch.setenv(way, str(tmp_path / "config"))
    commit = git(foreign, "rev-parse", "HEAD")
    assert revision(foreign) == at(commit)
    assert repository(foreign) == foreign


def test_a_commit_that_leads_elsewhere_and_one_that_is_not_there_are_told_apart(tree: Path) -> None:
    first = git(tree, "rev-parse", "HEAD")
    git(tree, "checkout", "-q", "-b", "side")
    git(tree, "commit", "-q", "--allow-empty", "-m", "aside")
    aside = git(tree, "rev-parse", "HEAD")
    git(tree, "checkout", "-q", "--detach", first)
    assert leads_to_head(tree, first) and not leads_to_head(tree, aside)
    with pytest.raises(GitError, match="0000"):
        leads_to_head(tree, "0" * 40)
    assert resolve_commit(tree, "side")[0] == aside
    with pytest.raises(GitError, match="nosuch"):
        resolve_commit(tree, "nosuch")
