"""The process of a worker that joins Dask: it has one thread, and one machine to give away.

``poolbench.fleet.supervisor`` executes ``main``, with a pipe for stdin: its first line is the worker's settings, and
when the pipe closes the process ends, since nobody would start it again. What Dask runs here is ``measure``, ``held``
and ``fetch``, all of this package: what they are given is data.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import dask
import distributed
from distributed.core import Status

from poolbench.fleet.measurer import Measurer
from poolbench.fleet.outcome import ABOUT, About, Outcome, WorkerSettings
from poolbench.fleet.shelf import Shelf
from poolbench.store import typed

QUIET = {
    # What Dask does of itself takes a core from what is measured: a sample of its stack each 10 ms, and the like.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "10m",
    "distributed.worker.resources": {},
}

GRACE_S = 20.0
"""How long the task in hand may go on after SIGTERM. Clouds give 30 seconds, of which its delivery needs some."""

DELIVERY_S = 6.0
JOIN_S = 20.0
"""How long a scheduler is waited for before the process ends, and is started again."""


class _Measuring(distributed.WorkerPlugin):  # type: ignore[misc]  # Dask is not followed by mypy
    """Holds what measures, and where its runs lie, for the tasks that Dask runs in this process."""

    name = "poolbench"

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.measurer = Measurer(settings)


def measure(record: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Measure the task of ``record`` on this machine; return the record of its outcome, and its run's file."""
    plugin = distributed.get_worker().plugins[_Measuring.name]
    outcome = plugin.measurer.measure(record)
    data = Path(outcome.path).read_bytes() if outcome.path else b""
    return typed.dump(Outcome, outcome), data


async def held(dask_worker: Any) -> list[str]:
    """Return the keys of the tasks whose runs lie on this machine: some may never have reached who asked for them."""
    return sorted(Shelf(Path(dask_worker.plugins[_Measuring.name].settings.results)).keys())


async def fetch(keys: list[str], dask_worker: Any) -> dict[str, bytes]:
    """Return the runs of ``keys`` that lie on this machine, by key."""
    shelf = Shelf(Path(dask_worker.plugins[_Measuring.name].settings.results))
    return {key: path.read_bytes() for key in keys if (path := shelf.find(key)) is not None}


async def _serve(settings: WorkerSettings, scratch: str) -> None:
    plugin = _Measuring(settings)
    about = json.dumps(typed.dump(About, settings.about))
    worker = distributed.Worker(
        settings.address,
        host=settings.host,
        nthreads=1,
        # A frozen worker that comes back joins anew while the scheduler may still know it: names are not used twice.
        name=f"{settings.about.machine}-{os.getpid()}-{time.time_ns():x}",
        resources=settings.about.resources(),
        startup_information={ABOUT: lambda _: about},
        plugins=(plugin,),
        memory_limit=0,
        local_directory=scratch,
        death_timeout=JOIN_S,
        silence_logs=logging.WARNING,
        heartbeat_interval="5s",
    )
    async with worker:
        ending = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
        finished = asyncio.create_task(worker.finished())
        asked = asyncio.create_task(ending.wait())
        await asyncio.wait({finished, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not finished.done():
            await _leave(worker, plugin.measurer)


async def _leave(worker: Any, measurer: Measurer) -> None:
    """Take no more work, let the task in hand end where it does so in time, and have its run delivered."""
    worker.status = Status.paused
    deadline = time.monotonic() + GRACE_S
    while measurer.is_busy and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    if measurer.is_busy:
        measurer.interrupt()
    with contextlib.suppress(Exception):  # nobody may be there to take it: the run lies on the disk
        await asyncio.wait_for(worker.close_gracefully(), DELIVERY_S)


def _end_with_supervisor() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    """Join the scheduler, and work until it ends, or SIGTERM comes."""
    settings = typed.load(WorkerSettings, json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="poolbench-fleet-") as scratch, dask.config.set(QUIET):
        code = 0
        try:
            asyncio.run(_serve(settings, scratch))
        except (OSError, TimeoutError) as error:
            print(f"poolbench: the scheduler at {settings.address} cannot be joined: {error}", file=sys.stderr)
            code = 1
    os._exit(code)  # Dask's thread may still wait for a task
