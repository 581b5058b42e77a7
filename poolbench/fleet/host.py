"""The process of a worker that measures: it is given one task after the other by a pipe, and ends with the pipe.

It stands apart from Dask, whose threads, signals and imports shall not reach what is measured. Executed as a module;
the descriptor of its pipe is its argument. The first line on it is the worker's settings, each further one a task,
answered by the line of an outcome. When the other side closes the pipe, or dies, a task in hand is interrupted in
order: finished rows are stored, the machine's lock is free, and measured processes end.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

from poolbench.errors import PoolbenchError, RunLockedError, UsageError
from poolbench.fleet.allowed import require_allowed
from poolbench.fleet.measuring import measure_task
from poolbench.fleet.outcome import Outcome, WorkerSettings
from poolbench.fleet.shelf import Shelf
from poolbench.model.fleet import FleetTask
from poolbench.store import typed

LOCK_WAIT_S = 60.0
"""How long another run on the machine is waited for before the task goes back."""

ENDING_S = 15.0
"""How long an interrupted task may take to end in order."""


def main(descriptor: int) -> None:
    """Answer until the pipe closes."""
    with open(descriptor, "r+b", buffering=0) as pipe:
        lines: queue.Queue[bytes] = queue.Queue()
        busy = threading.Event()
        threading.Thread(target=_listen, args=(pipe, lines, busy), daemon=True).start()
        try:
            settings = typed.load(WorkerSettings, json.loads(lines.get()))
            while line := lines.get():
                busy.set()
                outcome = _answer(json.loads(line), settings)
                busy.clear()
                pipe.write(json.dumps(typed.dump(Outcome, outcome)).encode() + b"\n")
        except (KeyboardInterrupt, BrokenPipeError):
            return


def _listen(pipe: BinaryIO, lines: queue.Queue[bytes], busy: threading.Event) -> None:
    """Pass lines on; at the end of the pipe interrupt what is being done, and see that it does end."""
    with open(os.dup(pipe.fileno()), "rb") as reader:
        for line in reader:
            lines.put(line)
    lines.put(b"")
    if busy.is_set():
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(ENDING_S)
    os._exit(1)


def _answer(record: Any, settings: WorkerSettings) -> Outcome:
    begin = time.monotonic()
    machine, key = settings.about.machine, ""
    try:
        task = typed.load(FleetTask, record)
        key = task.key
        shelf = Shelf(Path(settings.results))
        if (found := shelf.find(key)) is not None:
            return Outcome(key=key, machine=machine, path=str(found))
        require_allowed(task, settings.allowed)
        path = _measured(task, shelf, settings.about.findings)
    except (typed.FieldError, UsageError) as error:
        return Outcome(key=key, machine=machine, problem=str(error))
    except PoolbenchError as error:
        return Outcome(key=key, machine=machine, problem=str(error), may_pass=True)
    return Outcome(key=key, machine=machine, path=str(path), seconds=time.monotonic() - begin)


def _measured(task: FleetTask, shelf: Shelf, findings: tuple[str, ...]) -> Path:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return measure_task(task, shelf, findings=findings)
        except RunLockedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
