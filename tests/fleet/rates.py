"""What a task costs the parts of a fleet that there is one of: Dask's scheduler, and the submitter's store.

    python -m tests.fleet.rates

The scheduler's is its processor's time over tasks that do nothing, with one worker. The store's is the wall time of
putting a run of 5 KB away, among few machines' folders and among 10,000.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import distributed
import psutil

from poolbench.fleet.shelf import Shelf
from poolbench.store.codec import encode_header, encode_row
from tests.unit.builders import MAX2D, make_header, make_rows

PORT = 8797
TASKS = 4000
RUNS = 100


def nothing(number: int) -> int:
    return number


def scheduler_s() -> float:
    """Return the seconds of its processor that Dask's scheduler takes for a task."""
    address = f"tcp://127.0.0.1:{PORT}"
    words = ["--host", "127.0.0.1", "--port", str(PORT), "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", *words], **quiet)
    joins = [address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--no-dashboard"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", *joins, "--resources", "machine=1"], **quiet
    )
    try:
        with distributed.Client(address, timeout=30, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=30)
            process = psutil.Process(scheduler.pid)
            client.gather(client.map(nothing, range(100), resources={"machine": 1}, pure=False))
            before = sum(process.cpu_times()[:2])
            client.gather(client.map(nothing, range(TASKS), resources={"machine": 1}, pure=False))
            return (sum(process.cpu_times()[:2]) - before) / TASKS
    finally:
        for each in (worker, scheduler):
            each.terminate()
            each.wait()


def store_s(machines: int) -> float:
    """Return the seconds that a run takes to be put away among the folders of so many machines."""
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder))
        for number in range(machines):
            (shelf.results / f"machine-{number}").mkdir()
        header = make_header(["numpy"], [MAX2D])
        rows = make_rows({MAX2D: {"numpy": 1e5}}, launches=4)
        runs = []
        for number in range(RUNS):
            name = f"fleet-{number:016x}"
            own = replace(header, run=name, machine=replace(header.machine, identity=f"machine-{number % machines}"))
            lines = [encode_row(replace(row, run=name, machine=own.machine.key)) for row in rows]
            runs.append((name, encode_header(own) + b"".join(lines)))
        with shelf.alone():
            begin = time.perf_counter()
            for name, data in runs:
                assert shelf.put(name, data)
            return (time.perf_counter() - begin) / RUNS


def main() -> None:
    print(f"Dask's scheduler, processor's time for a task: {1e3 * scheduler_s():.2f} ms")
    for machines in (4, 10_000):
        print(f"the store, a run among {machines:,} machines: {1e3 * store_s(machines):.1f} ms")


if __name__ == "__main__":
    main()
