"""``poolbench fleet worker``: sees to it that a worker is there, whatever becomes of it or of the scheduler.

A worker of Dask ends when its scheduler does. So it is a process of its own, which is started again until this one is
told to end.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

from poolbench.api.run import Tell
from poolbench.fleet.outcome import WorkerSettings
from poolbench.store import typed

PATIENCE_S = 28.0
"""How long a worker that was told to end may take: clouds take a machine away 30 seconds after SIGTERM."""

FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 1.0, 30.0, 60.0


def supervise(settings: WorkerSettings, *, tell: Tell) -> None:
    """Keep a worker going until SIGTERM or SIGINT; then let it end in order, and return."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    pause_s = FIRST_PAUSE_S
    while not stopping.is_set():
        begin = time.monotonic()
        process = _start(settings)
        while process.poll() is None and not stopping.wait(0.2):
            pass
        if stopping.is_set():
            _end(process)
            return
        pause_s = FIRST_PAUSE_S if time.monotonic() - begin > STEADY_S else min(2 * pause_s, LONGEST_PAUSE_S)
        tell(f"the worker ended (code {process.returncode}), as it does with its scheduler; it starts again")
        stopping.wait(pause_s / 2)


def _start(settings: WorkerSettings) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from poolbench.fleet.dask_worker import main; main()"],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the supervisor, which passes it on in order
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(typed.dump(WorkerSettings, settings)).encode() + b"\n")
    process.stdin.flush()
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
