"""Asking git, without leaving a trace in the repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_TIMEOUT_S = 20.0

_POINTERS = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_PREFIX"),
    *("GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"),
    *("GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE"),
    *("GIT_INTERNAL_SUPER_PREFIX", "GIT_CONFIG"),
)
"""Variables that belong to one repository, which hooks and ``git rebase --exec`` set: what ``git rev-parse
--local-env-vars`` lists, but for those that carry the user's configuration."""

_PATHSPECS = ("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS")
"""Variables by which git would read the paths that it is asked about in another way."""


class GitError(Exception):
    """Git refused, or is not there; the text says why, in git's own words. ``code`` is its exit code, if it ran."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


def ask(folder: Path, *arguments: str) -> bytes:
    """Return what git answers in ``folder``. Raises GitError."""
    try:
        answer = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except OSError as error:
        if isinstance(error, FileNotFoundError) and error.filename == "git":
            raise GitError("git is not installed, or its folder is not on PATH") from error
        raise GitError(f"git cannot be run in {folder}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git took longer than {_TIMEOUT_S:.0f} s in {folder}") from error
    if answer.returncode:
        said = [line.strip() for line in answer.stderr.decode(errors="replace").splitlines() if line.strip()]
        raise GitError(" / ".join(said) or f"git {arguments[0]} failed in {folder}", answer.returncode)
    return answer.stdout


def variables() -> dict[str, str]:
    """Return this process's environment variables for a git that is to find the repository by its folder.

    What configures git stays: a clone of another owner may be readable by ``GIT_CONFIG_COUNT`` or
    ``GIT_CONFIG_GLOBAL`` alone. Asking takes no lock, and the answer is in English.
    """
    kept = {name: value for name, value in os.environ.items() if name not in (*_POINTERS, *_PATHSPECS)}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def lies_in_clone(folder: Path) -> bool:
    """Whether ``folder`` or one above it has a ``.git``, by which git would take it for a part of a repository."""
    return any((place / ".git").exists() for place in (folder, *folder.parents))
