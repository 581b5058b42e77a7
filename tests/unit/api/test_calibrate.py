"""The neighbour of a calibration: it runs as long as it is wanted, and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
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
PATIENCE_S = 60.0

BUSY = [Neighbour.STEADY, Neighbour.COMING]


def neighbours(holder: int) -> list[psutil.Process]:
    """Return the leash and the busy process, once that is busy."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = psutil.Process(holder).children(recursive=True)
        if len(found) == 2 and any(process.cpu_times().user > 0.3 for process in found):
            return found
        time.sleep(0.05)
    pytest.fail(f"no leash with a busy process below {holder}")


@pytest.mark.parametrize("neighbour", BUSY)
def test_it_runs_while_it_is_wanted_whatever_lies_in_the_current_folder(
    neighbour: Neighbour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with beside(neighbour):
        running = neighbours(os.getpid())
    assert not any(process.is_running() for process in running)


def test_it_ends_with_whoever_wants_it() -> None:
    command = [sys.executable, "-P", "-c", HOLDER, Neighbour.STEADY.value]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"busy\n"
        running = neighbours(holder.pid)
        holder.send_signal(signal.SIGKILL)
    gone, left = psutil.wait_procs(running, timeout=PATIENCE_S)
    assert len(gone) == 2 and not left
