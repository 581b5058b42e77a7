"""Asking git, without leaving a trace in the repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_TIMEOUT_S = 20.0


class GitError(Exception):
    """Git refused, or is not there; the text says why."""


def ask(folder: Path, *arguments: str) -> bytes:
    """Return what git answers in ``folder``. Raises GitError."""
    # GIT_DIR and its kin, which hooks set, would turn the question to another repository; and asking must not lock.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        answer = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**variables, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except OSError as error:
        raise GitError(f"git cannot be run in {folder}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise GitError(f"git took longer than {_TIMEOUT_S:.0f} s") from error
    if answer.returncode:
        raise GitError(answer.stderr.decode(errors="replace").strip() or f"git {arguments[0]} failed")
    return answer.stdout
