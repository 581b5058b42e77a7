"""Which poolbench measured: the commit of its sources and whether they were changed, or the installed version."""

from __future__ import annotations

import importlib.metadata
from datetime import UTC, datetime
from pathlib import Path

from poolbench.environments import git

SOURCES = ("poolbench", "pyproject.toml", "CMakeLists.txt", "constraints.txt")
"""What a measurement depends on, from the repository's top. Changes elsewhere, results included, make nothing dirty."""

PACKAGE = Path(__file__).resolve().parent.parent


def revision(path: Path = PACKAGE) -> tuple[str, bool]:
    """Return the git commit of the sources at ``path``, and whether any of SOURCES differs from it.

    ``path`` is the package's folder or the repository's. Files that git does not know count as changes where it does
    not ignore them. Where the package there is not in git, as when it is installed, returns its version (or "unknown")
    and False.
    """
    package = path if (path / "model").is_dir() else path / "poolbench"
    # A package that is merely installed somewhere below a repository is not that repository's.
    if _git(package, "ls-files", "--error-unmatch", "--", "__init__.py") is None:
        return _version(), False
    commit = _git(package, "rev-parse", "HEAD")
    sources = [f":/{name}" for name in SOURCES]
    changes = _git(package, "status", "--porcelain", "--untracked-files=all", "--", *sources)
    if commit is None or changes is None:
        return _version(), False
    return commit.strip(), bool(changes.strip())


def repository(path: Path = PACKAGE) -> Path | None:
    """Return the top of the git repository that ``path`` lies in; None where it lies in none."""
    top = _git(path, "rev-parse", "--show-toplevel")
    return None if top is None else Path(top.strip())


def resolve_commit(folder: Path, name: str) -> tuple[str, datetime] | None:
    """Return the full hash of the commit ``name`` and when it was committed; None where ``folder`` knows no such."""
    answer = _git(folder, "show", "--no-patch", "--format=%H %ct", f"{name}^{{commit}}", "--")
    if not answer:
        return None
    commit, seconds = answer.split()
    return commit, datetime.fromtimestamp(int(seconds), UTC)


def leads_to_head(folder: Path, commit: str) -> bool:
    """Return whether ``commit`` is what is checked out in ``folder``, or one of those that it was made from."""
    return _git(folder, "merge-base", "--is-ancestor", commit, "HEAD") is not None


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git answers in ``folder``, or None where it refuses or is not there."""
    try:
        return git.ask(folder, *arguments).decode(errors="replace")
    except git.GitError:
        return None


def _version() -> str:
    try:
        return importlib.metadata.version("poolbench")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
