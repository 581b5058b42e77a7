"""A project's files at a git revision, or as they lie: listed by content, and laid out in a clone of its own.

The user's repository is read and never written to: no worktree is registered in it, and its index stays as it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poolbench.environments.commands import CommandError, Commands
from poolbench.environments.git import GitError, ask, variables
from poolbench.environments.reference import WORKING_TREE
from poolbench.environments.sources import find_commit
from poolbench.errors import BuildError

_GIT_TIMEOUT_S = 600.0
_LFS = b"version https://git-lfs.github.com/spec/"
_MOST_OF_A_POINTER = 1024
_SUBMODULE = "160000"

_OWN_RESULTS = "results"
"""Where runs are stored unless the user says otherwise: a run must not change what the next one builds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A project's files at ``commit``, or on it as they lie where ``is_working_tree``.

    ``inside`` is the project's folder in its ``repository``. ``content`` maps each path that a build reads to its mode
    and git's hash.
    """

    repository: Path
    inside: Path
    commit: str
    is_working_tree: bool
    content: dict[str, str]

    def lay_out(self, folder: Path, commands: Commands) -> Path:
        """Make a clone with these files in ``folder`` and return where the project lies in it. Raises BuildError."""
        self._git(commands, "clone", "--quiet", "--shared", "--no-checkout", "--template=", ".", str(folder))
        self._git(commands, "checkout", "--quiet", "--detach", self.commit, folder=folder)
        if self.is_working_tree:
            self._overlay(folder)
        else:
            self._fetch_submodules(folder, commands)
        self._require_large_files(folder)
        return folder / self.inside

    def _git(self, commands: Commands, *arguments: str, folder: Path | None = None) -> None:
        try:
            commands.run(
                ["git", *arguments], timeout_s=_GIT_TIMEOUT_S, folder=folder or self.repository, variables=variables()
            )
        except CommandError as error:
            raise BuildError(f"git cannot lay out {self.commit[:12]} of {self.repository}: {error}.") from error

    def _overlay(self, folder: Path) -> None:
        """Make ``folder`` hold what lies in the repository, but for what git ignores."""
        tracked, others = _names(self.repository, "--cached"), _untracked(self.repository, self.inside)
        for path in tracked:
            if not os.path.lexists(self.repository / path):
                (folder / path).unlink(missing_ok=True)
        for path in (*tracked, *others):
            source, target = self.repository / path, folder / path
            if source.is_dir() and not source.is_symlink():  # a submodule
                shutil.copytree(
                    source, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git")
                )
            elif os.path.lexists(source):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)

    def _fetch_submodules(self, folder: Path, commands: Commands) -> None:
        """Check submodules out from what the user's repository has of them: nothing is fetched from elsewhere."""
        for path in [path for path, what in self.content.items() if what.startswith(_SUBMODULE)]:
            kept = self._kept_submodule(path)
            if kept is None:
                raise BuildError(
                    f"{self.commit[:12]} has a submodule at {path} that {self.repository} lacks: run 'git submodule "
                    f"update --init --recursive' there, or leave it out of paths in [tool.poolbench]."
                )
            wanted = self.content[path].partition(" ")[2]
            self._git(commands, "clone", "--quiet", "--shared", "--no-checkout", str(kept), str(folder / path))
            self._git(commands, "checkout", "--quiet", "--detach", wanted, folder=folder / path)

    def _kept_submodule(self, path: str) -> Path | None:
        try:
            lying = ask(self.repository / path, "rev-parse", "--show-toplevel").decode().strip()
        except (GitError, OSError):
            return None  # no folder, or none that is a repository
        return Path(lying) if Path(lying) != self.repository else None

    def _require_large_files(self, folder: Path) -> None:
        pointers = [path for path in self.content if _is_pointer(folder / path)]
        if pointers:
            more = f" and {len(pointers) - 1} more" if len(pointers) > 1 else ""
            raise BuildError(
                f"{pointers[0]}{more} of {self.commit[:12]} is a Git LFS pointer without its file: install git-lfs and "
                f"run 'git lfs fetch --all' in {self.repository}, or leave it out of paths in [tool.poolbench]."
            )


def project_repository(folder: Path) -> Path:
    """Return the top of the git repository that ``folder`` is in. Raises BuildError."""
    try:
        return Path(ask(folder, "rev-parse", "--show-toplevel").decode().strip())
    except GitError as error:
        raise BuildError(
            f"{folder} is in no git repository that can be read ({error}), and revisions come from one: run this in a "
            "clone, or name one with --repo PATH."
        ) from error


def project_tree(folder: Path, revision: str, paths: Sequence[str] = ()) -> Tree:
    """Return the files of the project in ``folder`` at ``revision``; WORKING_TREE stands for them as they lie.

    ``paths`` are what its build reads, relative to ``folder``; none for all. Raises BuildError where there is no such
    revision, or nothing of the project in it.
    """
    repository = project_repository(folder)
    commit = find_commit(repository, revision)
    inside = folder.resolve().relative_to(repository.resolve())
    wanted = [(inside / path).as_posix() for path in paths or (".",)]
    is_working_tree = revision == WORKING_TREE
    try:
        content = _lying(repository, inside, wanted) if is_working_tree else _committed(repository, commit, wanted)
    except (GitError, OSError) as error:
        raise BuildError(f"The files of '{revision}' cannot be listed in {repository}: {error}.") from error
    if not content:
        what = " or ".join(wanted) if paths else "the project"
        raise BuildError(f"The revision '{revision}' ({commit[:12]}) has nothing of {what}: name a later one.")
    return Tree(repository=repository, inside=inside, commit=commit, is_working_tree=is_working_tree, content=content)


def is_dirty(folder: Path) -> bool:
    """Whether files of the project are changed and not committed. Raises GitError."""
    return bool(ask(folder, "status", "--porcelain", "--", ".").strip())


def _committed(repository: Path, commit: str, paths: Sequence[str]) -> dict[str, str]:
    wanted = [] if "." in paths else list(paths)
    listing = ask(repository, "ls-tree", "-r", "-z", "--full-tree", commit, "--", *wanted).decode(errors="replace")
    content = {}
    for line in filter(None, listing.split("\0")):
        described, _, path = line.partition("\t")
        mode, _, blob = described.split()
        content[path] = f"{mode} {blob}"
    return content


def _untracked(repository: Path, inside: Path, paths: Sequence[str] = (".",)) -> list[str]:
    """Return what git does not know, but for what it ignores and what poolbench itself has written there."""
    own = (inside / _OWN_RESULTS).as_posix() + "/"
    found = _names(repository, "--others", "--exclude-standard", "--", *paths)
    return [path for path in found if not path.startswith(own)]


def _lying(repository: Path, inside: Path, paths: Sequence[str]) -> dict[str, str]:
    content = {}
    for path in (*_names(repository, "--cached", "--", *paths), *_untracked(repository, inside, paths)):
        found = repository / path
        if found.is_symlink():
            content[path] = f"120000 {_hash(os.readlink(found).encode())}"
        elif found.is_file():
            content[path] = f"{'100755' if os.access(found, os.X_OK) else '100644'} {_hash(found.read_bytes())}"
        elif found.is_dir():
            content[path] = f"{_SUBMODULE} {ask(found, 'rev-parse', 'HEAD').decode().strip()}"
    return content


def _names(repository: Path, *arguments: str) -> list[str]:
    listing = ask(repository, "ls-files", "-z", *arguments).decode(errors="surrogateescape")
    return sorted(set(filter(None, listing.split("\0"))))


def _hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _is_pointer(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_OF_A_POINTER:
        return False
    return path.read_bytes().startswith(_LFS)
