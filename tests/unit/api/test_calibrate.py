"""The neighbour of a calibration: it runs as long as it is wanted, and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from poolbench.api.calibrate import beside
from poolbench.model.calibration import Neighbour

HOLDER = """
import sys
from poolbench.api.calibrate import beside
from poolbench.model.calibration import Neighbour
with beside(Neighbour(sys.argv[1])):
    print("busy", flush=True)
    sys.stdin.read()
"""
BUSY = [Neighbour.STEADY, Neighbour.COMING]


def neighbours(holder: int) -> list[psutil.Process]:
    """Return the leash and the busy process, once that runs."""
    while len(found := psutil.Process(holder).children(recursive=True)) < 2:
        pass
    return found


@pytest.mark.parametrize("neighbour", BUSY)
def test_it_runs_while_it_is_wanted_whatever_lies_in_the_current_folder(
    neighbour: Neighbour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with beside(neighbour):
        running = neighbours(os.getpid())
        while not any(process.cpu_times().user > 0.1 for process in running):
            pass
    assert not any(process.is_running() for process in running)


def test_it_ends_with_whoever_wants_it() -> None:
    command = [sys.executable, "-P", "-c", HOLDER, Neighbour.STEADY.value]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"busy\n"
        running = neighbours(holder.pid)
        holder.send_signal(signal.SIGKILL)
    gone, left = psutil.wait_procs(running, timeout=60)
    assert len(gone) == 2 and not left
