"""A plain NumPy package with twenty commits, one of which pools some ten per cent slower.

    python -m tests.bisect.repository FOLDER

Its owner's two lines for poolbench are not committed: they lie in the working tree, as on the day of the question.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMITS = 20
SLOW = 13
"""The commit, counted from 1, in which one of nine taps is taken twice."""

PROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "plainpool"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["numpy"]

[tool.setuptools]
packages = ["plainpool"]
"""

LINES = """
[tool.poolbench.subjects]
plainpool = "plainpool:max_pool2d"
"""

POOLING = '''"""Max pooling, revision {number}."""

import numpy as np


def max_pool2d(x, window, stride, padding):
    if any(padding):
        x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)), constant_values=-np.inf)
    height, width = ((n - k) // s + 1 for n, k, s in zip(x.shape[2:], window, stride))
    taps = [(i, j) for i in range(window[0]) for j in range(window[1])]
    y = None
    for i, j in {taps}:
        tap = x[:, :, i : i + stride[0] * height : stride[0], j : j + stride[1] * width : stride[1]]
        tap = tap[:, :, :height, :width]
        y = tap.copy() if y is None else np.maximum(y, tap, out=y)
    return y
'''


def make(folder: Path, *, commits: int = COMMITS, slow: int = SLOW) -> list[str]:
    """Make the repository in ``folder`` and return its commits, the oldest first."""
    (folder / "plainpool").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    made = []
    for number in range(1, commits + 1):
        taps = "taps[:1] + taps" if number >= slow else "taps"
        (folder / "pyproject.toml").write_text(PROJECT)
        (folder / "plainpool" / "__init__.py").write_text(POOLING.format(number=number, taps=taps))
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", f"Revision {number}")
        made.append(git(folder, "rev-parse", "HEAD"))
    (folder / "pyproject.toml").write_text(PROJECT + LINES)
    return made


def git(folder: Path, *arguments: str) -> str:
    """Return what git says in ``folder``, where whoever commits has a name."""
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", "-c", "commit.gpgsign=false", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **identity}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    print("\n".join(make(Path(sys.argv[1]))))
