"""Runs the command line as a user does: in a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A lock of its own, so that tests do not wait for a run of the user's."""
    return {**os.environ, "POOLBENCH_LOCK_DIR": str(tmp_path / "lock"), "COLUMNS": "120"}


@pytest.fixture
def poolbench(tmp_path: Path, environment: dict[str, str]) -> Command:
    def run(
        *arguments: str,
        check: bool = False,
        timeout: float = 200,
        folder: Path = tmp_path,
        command: Sequence[str] = (sys.executable, "-m", "poolbench"),
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    return run
