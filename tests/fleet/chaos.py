"""A fleet that is harmed on purpose: what it stores is what an undisturbed one stores, but for times.

    python -m tests.fleet.chaos [--tasks 200] [--folder FOLDER [--judge]]

Four workers, each in a network namespace of its own where this user can make them (else processes on loopback), with a
machine's name, lock and results of its own. While the plan is measured, two workers are killed (kill -9: of one the
process that joined Dask, of the other all of it, after which another is started in its place), one is frozen for a
minute, the scheduler is killed and started again, and the submitter is interrupted and started again. Then:

- each task's run is there once, and each row of it once;
- no two slots of one machine overlap, by the time stamps of the rows, whichever task they are of;
- the rows are those of the same plan on one machine without a scheduler, which goes on meanwhile, but for times and for
  where they were taken.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from poolbench.fleet.plan import read_plan
from poolbench.fleet.shelf import IN_HAND, Shelf
from poolbench.store.reading import StoredRun, read_run
from tests.fleet.network import WORKER_TTL, Fleet, Network, family, part, send, wait_until

MACHINES = 4
FROZEN_S = 60.0
LONGEST_S = 840.0

PLAN = """
launches = 1
repetitions = {repetitions}
[[sweep]]
workloads = [{workloads}]
subjects = ["numpy:windows"]
"""
WORKLOADS = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where everything is kept; it must not exist")
    parser.add_argument("--judge", action="store_true", help="only look at what an earlier call kept in FOLDER")
    arguments = parser.parse_args()
    if arguments.judge:
        tasks = read_plan(arguments.folder / "plan.toml").tasks
        return _judged(arguments.folder, [task.key for task in tasks])
    with tempfile.TemporaryDirectory(prefix="poolbench-chaos-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=arguments.folder is None)
        plan = folder / "plan.toml"
        ids = [f'"max2d-n1c{channels}-h8w8-k2-f32-nchw"' for channels in range(1, WORKLOADS + 1)]
        plan.write_text(PLAN.format(repetitions=-(-arguments.tasks // WORKLOADS), workloads=", ".join(ids)))
        tasks = read_plan(plan).tasks
        with Network(MACHINES) as network:
            places = "network namespaces" if network.is_apart else "processes on loopback (no namespaces can be had)"
            print(f"{len(tasks)} tasks, {MACHINES} workers in {places}")
            begin = time.monotonic()
            alone = subprocess.Popen(
                [
                    *(sys.executable, "-m", "poolbench", "fleet", "run", str(plan), "--quiet"),
                    *("--results", str(folder / "undisturbed")),
                ],
                env={**os.environ, "POOLBENCH_MACHINE": "alone", "POOLBENCH_LOCK_DIR": str(folder / "locks")},
                stdout=subprocess.DEVNULL,
            )
            _disturbed(Fleet(network, folder, plan), len(tasks))
            print(f"  disturbed: {time.monotonic() - begin:.0f} s", flush=True)
            code = alone.wait()
            print(f"  undisturbed, without a scheduler: code {code}, {time.monotonic() - begin:.0f} s")
        return _judged(folder, [task.key for task in tasks])


def _judged(folder: Path, keys: list[str]) -> int:
    problems = list(_problems(folder, keys))
    for problem in problems:
        print(f"  WRONG: {problem}")
    return 1 if problems else 0


def _disturbed(fleet: Fleet, count: int) -> None:
    results = fleet.folder / "results"
    shelf = Shelf(results)

    def when(share: float, what: str) -> None:
        wait_until(lambda: len(shelf.keys()) >= share * count, f"{share:.0%} of the tasks, before {what}", LONGEST_S)
        print(f"  {len(shelf.keys()):4} stored: {what}", flush=True)

    try:
        scheduler = fleet.scheduler()
        workers = [fleet.worker(number) for number in range(MACHINES)]
        submitter = fleet.submitter(results)
        when(0.1, "the Dask process of worker 0 is killed (kill -9); its supervisor starts another")
        if joined := part(workers[0], "dask_worker"):
            joined.kill()
        when(0.15, "worker 1 is killed whole (kill -9), and replaced")
        send(family(workers[1]), signal.SIGKILL)
        workers[1].wait()
        workers[1] = fleet.worker(1)
        when(0.25, f"worker 2 is frozen for {FROZEN_S:.0f} s; the scheduler gives it up after {WORKER_TTL}")
        frozen, since = family(workers[2]), time.monotonic()
        send(frozen, signal.SIGSTOP)
        when(0.4, "the submitter is interrupted (Ctrl-C), and started again")
        submitter.send_signal(signal.SIGINT)
        code = submitter.wait(60)
        print(f"       the submitter ended with code {code}")
        submitter = fleet.submitter(results)
        when(0.55, "the scheduler is killed, and started again")
        scheduler.kill()
        scheduler.wait()
        scheduler = fleet.scheduler()
        if not shelf.lacking(read_plan(fleet.plan).tasks):
            raise AssertionError("all was done before the frozen worker came back: give more tasks")
        time.sleep(max(FROZEN_S - (time.monotonic() - since), 0.0))
        send(frozen, signal.SIGCONT)
        print(f"  {len(shelf.keys()):4} stored: worker 2 goes on")
        code = submitter.wait(LONGEST_S)
        print(f"  {len(shelf.keys()):4} stored: the submitter ended with code {code}")
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)
    finally:
        fleet.end()


def _problems(folder: Path, keys: list[str]) -> Iterator[str]:
    runs = list(_runs(folder / "results"))
    quiet = {run.header.run: run for run in _runs(folder / "undisturbed")}
    found = Counter(run.header.run for run in runs)
    rows = Counter((run.header.run, row.key) for run in runs for row in run.rows)
    yield from (f"the task {key} is stored {found[key]} times" for key in keys if found[key] != 1)
    yield from (f"a row is stored {number} times: {row}" for row, number in rows.items() if number != 1)
    yield from (warning for run in runs for warning in run.warnings)
    machines = Counter(run.header.machine.key for run in runs)
    print(f"  runs: {len(runs)} of {len(keys)}, on {dict(sorted(machines.items()))}; rows: {sum(rows.values())}")
    yield from _overlaps(folder)
    different = [run.header.run for run in runs if _content(run) != _content(quiet[run.header.run])]
    yield from (f"the rows of {key} are not those of the undisturbed run" for key in different)
    print(f"  equal to the undisturbed run but for times and places: {len(runs) - len(different)} of {len(quiet)} runs")


def _overlaps(folder: Path) -> Iterator[str]:
    """Yield where two tasks ran at a time on one machine, by all that was measured there, delivered or not."""
    spans: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for number in range(MACHINES):
        place = folder / f"machine-{number}"
        for path in [*place.glob("*/fleet-*.jsonl"), *(place / IN_HAND).glob("*/fleet-*.jsonl")]:
            run = read_run(path)
            if run.rows:
                begin = min(datetime.fromisoformat(row.started_at).timestamp() for row in run.rows)
                spans[run.header.machine.key].append((begin, begin + sum(row.seconds for row in run.rows), path.stem))
    pairs = 0
    for machine, entries in spans.items():
        entries.sort()
        for before, after in itertools.pairwise(entries):
            pairs += 1
            if after[0] < before[1]:
                yield f"on {machine}, {after[2]} began {before[1] - after[0]:.3f} s before {before[2]} ended"
    print(f"  neighbours in time on one machine: {pairs}, of which none may overlap")


def _runs(results: Path) -> Iterator[StoredRun]:
    for path in sorted(results.glob("*/fleet-*.jsonl")):
        yield read_run(path)


def _content(run: StoredRun) -> object:
    """Return what of a run does not depend on when and where it was measured.

    The limit's ``variant`` is the loop that was the fastest: that follows from times.
    """
    header = run.header
    return (
        (header.run, header.method, header.subjects, header.workloads, header.budget_s),
        (header.fleet.kind, header.fleet.repetition) if header.fleet else None,
        [
            (
                *(row.key, row.importer, row.status, row.note, row.layout, row.contract, row.verification),
                {name: fact for name, fact in row.facts.items() if name != "variant"},
            )
            for row in sorted(run.rows, key=lambda row: row.key)
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
