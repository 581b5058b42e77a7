"""Which poolbench measured: the commit of its sources and whether they were changed, or the installed version."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from poolbench.environments import git
from poolbench.model.result import UNKNOWN_REVISION

SOURCES = ("poolbench", "pyproject.toml", "CMakeLists.txt", "constraints.txt")
"""What a measurement depends on, from the repository's top. Changes elsewhere, results included, make nothing dirty."""

PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRevision:
    """``name`` is a git commit, an installed version, or UNKNOWN_REVISION; ``problem`` says why nothing is known.

    ``dirty``: whether sources differ from the commit; None where nobody can tell.
    """

    name: str
    dirty: bool | None = False
    problem: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for whoever measures, where the revision could not be had."""
        if not self.problem:
            return ()
        return (
            f"it is not known which revision measures, and the rows say '{self.name}': git cannot be asked about "
            f"{PACKAGE}: {self.problem}",
        )


def revision(path: Path = PACKAGE) -> SourceRevision:
    """Return the git commit of the sources at ``path``, and whether any of SOURCES differs from it.

    ``path`` is the package's folder or the repository's. Files that git does not know count as changes where it does
    not ignore them. Where the package there is not in git, as when it is installed, it is its version; where it lies in
    a clone that git cannot read, or without git, it is unknown.
    """
    package = path if (path / "model").is_dir() else path / "poolbench"
    sources = [f":/{name}" for name in SOURCES]
    try:
        # A package that is merely installed somewhere below a repository is not that repository's.
        if not git.ask(package, "ls-files", "--", "__init__.py"):
            return SourceRevision(name=_version())
        commit = git.ask(package, "rev-parse", "HEAD").decode().strip()
        changes = git.ask(package, "status", "--porcelain", "--untracked-files=all", "--", *sources)
    except git.GitError as error:
        if not git.lies_in_clone(package):
            return SourceRevision(name=_version())
        return SourceRevision(name=UNKNOWN_REVISION, dirty=None, problem=str(error))
    return SourceRevision(name=commit, dirty=bool(changes.strip()))


def repository(path: Path = PACKAGE) -> Path:
    """Return the top of the git repository that ``path`` lies in. Raises GitError where it lies in none."""
    return Path(git.ask(path, "rev-parse", "--show-toplevel").decode().strip())


def resolve_commit(folder: Path, name: str) -> tuple[str, datetime]:
    """Return the full hash of the commit ``name`` and when it was committed. Raises GitError for no such commit."""
    answer = git.ask(folder, "show", "--no-patch", "--format=%H %ct", f"{name}^{{commit}}", "--")
    commit, seconds = answer.decode().split()
    return commit, datetime.fromtimestamp(int(seconds), UTC)


def leads_to_head(folder: Path, commit: str) -> bool:
    """Return whether ``commit`` is what is checked out in ``folder``, or one of those that it was made from.

    Raises GitError where git cannot tell.
    """
    try:
        git.ask(folder, "merge-base", "--is-ancestor", commit, "HEAD")
    except git.GitError as error:
        if error.code == 1:  # git's way to say no
            return False
        raise
    return True


def _version() -> str:
    try:
        return importlib.metadata.version("poolbench")
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN_REVISION
