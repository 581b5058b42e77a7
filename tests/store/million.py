"""How the database takes years of runs: ``python -m tests.store.million STEP FOLDER [--samples N]``.

The steps, each to be run in this order and each within minutes on one core (``import`` goes on where it was ended):

    make      writes a store of 10,000,000 samples from 50 machines: real runs again, under other names, seeded
    import    makes the database
    update    adds one run, and brings the database up to date
    ask       three usual questions: in a process of their own each, and inside of DuckDB alone
    pandas    the second question by pandas over the JSON lines of some of the runs
    kill      ends an update of ten runs with kill -9 at 20 random moments; the next one must give the same answers
    report    prints the figures of all steps as Markdown

Figures are kept in FOLDER/figures.json. No test: they are those of the machine at that moment.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from poolbench.store.codec import decode_line

RESULTS = Path(__file__).parents[2] / "results"
MACHINES = 50
SEED = 1
MONTHS = 24
LEAST_SAMPLES_A_ROW = 10
"""Runs with fewer are mostly what surrounds samples: ten million would be gigabytes more of the same."""

QUESTIONS = {
    "who is fastest how often, by machine": (
        "SELECT machine, subject, count(*) AS wins FROM cells WHERE is_fastest GROUP BY ALL ORDER BY ALL"
    ),
    "median and 95th percentile of all samples, by layer and subject": (
        "SELECT name, subject, round(quantile_cont(call_ns, 0.5), 3) AS median, "
        "round(quantile_cont(call_ns, 0.95), 3) AS p95, count(*) AS samples FROM samples WHERE NOT rejected "
        "GROUP BY ALL ORDER BY ALL"
    ),
    "the history of one layer and subject on one machine": (
        "SELECT started_at, median_ns, times_limit, previous_run FROM history WHERE machine = 'machine-07' AND "
        "name = 'resnet50_stem' AND subject = 'torch' ORDER BY ALL"
    ),
}
PANDAS_FILES = 50
PANDAS = """
import sys, pandas, poolbench
frame = pandas.concat([poolbench.load_results(path) for path in sys.argv[1:]])
clean = frame[frame["rejected"] == False]
grouped = clean.groupby(["name", "subject"], observed=True)["call_ns"]
print(len(frame), len(grouped.quantile([0.5, 0.95])))
"""


def made_run(
    lines: list[bytes], name: str, machine: int, started_at: datetime, chance: random.Random
) -> Iterator[bytes]:
    """Yield a real run's lines as those of another run, on another machine that is a little faster or slower."""
    factor = (0.7 + 0.6 * machine / MACHINES) * chance.lognormvariate(0, 0.01)
    key, when = f"machine-{machine:02}", started_at.isoformat()
    header = json.loads(lines[0])
    hardware = {**header["machine"]["hardware"], "memory_gib": 8 + machine}
    header |= {"run": name, "started_at": when, "schema": 6, "dirty": False}
    header["machine"] = {**header["machine"], "hardware": hardware, "identity": key}
    yield _line(header)
    for line in lines[1:]:
        row = json.loads(line)
        row |= {"run": name, "machine": key, "started_at": when, "schema": 6, "dirty": False}
        samples = row["samples"]
        for column in ("elapsed_ns", "cpu_ns"):
            samples[column] = [round(value * factor * chance.lognormvariate(0, 0.003)) for value in samples[column]]
        yield _line(row)


def make(store: Path, samples: int, machines: int, *, first: int = 0, seed: int = SEED) -> int:
    """Write runs until there are so many samples; return how many there are. ``first`` numbers the first run."""
    chance = random.Random(seed)
    sources = list(_real_runs())
    made = number = 0
    while made < samples:
        lines, count = sources[number % len(sources)]
        machine = number % machines
        moment = datetime.fromisoformat("2024-01-01T00:00:00+00:00") + timedelta(
            days=chance.uniform(0, 30.4 * MONTHS), seconds=number
        )
        name = f"{moment:%Y%m%d-%H%M%S}-{first + number:04x}"
        path = store / f"machine-{machine:02}" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(made_run(lines, name, machine, moment, chance)))
        made += count
        number += 1
    return made


def _real_runs() -> Iterator[tuple[list[bytes], int]]:
    for path in sorted(RESULTS.glob("*/*.jsonl")):
        lines = path.read_bytes().splitlines()
        rows = [json.loads(line) for line in lines[1:]]
        count = sum(len(row["samples"]["loops"]) for row in rows)
        if count >= LEAST_SAMPLES_A_ROW * len(rows):
            decode_line(lines[0])  # a real run, that this version reads
            yield lines, count


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def command(store: Path, sql: str) -> list[str]:
    """Return the command that asks ``sql`` of the runs in ``store``."""
    return [sys.executable, "-m", "poolbench", "query", sql, "--csv", "--results", str(store)]


def environment(databases: Path) -> dict[str, str]:
    """Return the environment in which databases lie in ``databases``."""
    return {**os.environ, "POOLBENCH_DATABASES": str(databases)}


def answers(store: Path, databases: Path, questions: Iterable[str] = tuple(QUESTIONS.values())) -> list[str]:
    """Return what the questions are answered, after what it takes to bring the database up to date."""
    return [
        subprocess.run(
            command(store, sql), env=environment(databases), capture_output=True, text=True, check=True
        ).stdout
        for sql in questions
    ]


def killed_updates(
    store: Path,
    databases: Path,
    moments: int,
    *,
    questions: Iterable[str] = tuple(QUESTIONS.values()),
    seed: int = SEED,
    tell: Callable[[str], object] = print,
) -> None:
    """End an update with kill -9 at random moments, each time from the same database, which lacks runs of ``store``.

    Raises AssertionError where the next update does not give the answers of a database that was never disturbed.
    """
    chance = random.Random(seed)
    undisturbed, trial = databases.with_name("undisturbed"), databases.with_name("trial")
    _copy(databases, undisturbed)
    begin = time.monotonic()
    _update(store, undisturbed).wait()
    lasts_s = time.monotonic() - begin
    expected = answers(store, undisturbed, questions)
    killed = 0
    while killed < moments:
        _copy(databases, trial)
        moment_s = chance.uniform(0.0, lasts_s)
        process = _update(store, trial)
        try:
            process.wait(moment_s)
            state, lasts_s = "had ended, and does not count", moment_s  # the first one was slower than they are
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            state, killed = "killed", killed + 1
        left = sum(path.suffix == ".writing" for path in trial.rglob("*"))
        assert answers(store, trial, questions) == expected, f"after {moment_s:.2f} s: other answers"
        leftovers = [path.name for path in trial.rglob("*.writing")]
        assert not leftovers, leftovers
        tell(f"{killed:3}  after {moment_s:5.2f} of {lasts_s:.2f} s: {state}, {left} half-written; answers equal")
    shutil.rmtree(trial)
    shutil.rmtree(undisturbed)


def _update(store: Path, databases: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(store, "SELECT count(*) FROM samples"), env=environment(databases), stdout=subprocess.DEVNULL
    )


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def measured(words: list[str], databases: Path) -> dict[str, float | str]:
    """Run a command, and return its seconds, CPU seconds, peak memory in MB and output."""
    code = (
        "import resource, subprocess, sys, time; begin = time.monotonic(); "
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True); used = "
        "resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(done.stdout[-300:] + done.stderr[-2000:], file=sys.stderr); "
        "print(time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, done.returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment(databases), capture_output=True, text=True, check=True
    )
    seconds, cpu_s, peak_mb, code_ = map(float, done.stdout.split())
    assert code_ == 0, done.stderr
    return {"seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_mb, "output": done.stderr.strip()}


def size_mb(folder: Path) -> float:
    """Return the megabytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def step(name: str, folder: Path, samples: int) -> dict[str, Any]:
    """Carry out one step, and return its figures."""
    store, databases = folder / "results", folder / "databases"
    count = "SELECT count(*) AS samples, count(DISTINCT machine) AS machines FROM samples"
    if name == "make":
        begin = time.monotonic()
        made = make(store, samples, MACHINES)
        files = sum(1 for _ in store.glob("*/*.jsonl"))
        return {"samples": made, "runs": files, "json_mb": size_mb(store), "seconds": time.monotonic() - begin}
    if name == "import":
        return {**measured(command(store, count), databases), "database_mb": size_mb(databases)}
    if name == "update":
        make(store, 1, 1, first=0xF000, seed=2)
        return measured(command(store, count), databases)
    if name == "ask":
        return {question: {**measured(command(store, sql), databases), "inside_s": _inside(store, databases, sql)}
                for question, sql in QUESTIONS.items()}  # fmt: skip
    if name == "pandas":
        files = sorted(map(str, store.glob("*/*.jsonl")))[:PANDAS_FILES]
        found = measured([sys.executable, "-c", PANDAS, *files], databases)
        return {**found, "files": len(files)}
    if name == "kill":
        answers(store, databases)
        make(store, 100_000, 10, first=0xE000, seed=3)
        killed_updates(store, databases, 20)
        return {"moments": 20}
    raise SystemExit(f"{name} is no step.")


def _inside(store: Path, databases: Path, sql: str) -> float:
    """Return the seconds of the question alone, once the database is up to date and its views are there."""
    os.environ["POOLBENCH_DATABASES"] = str(databases)
    from poolbench import __version__
    from poolbench.store.database.manifest import read_manifest
    from poolbench.store.database.place import place_of
    from poolbench.store.database.reader import answer

    place = place_of(store)
    manifest, _ = read_manifest(place, __version__)
    begin = time.monotonic()
    answer(place, manifest, sql).close()
    return time.monotonic() - begin


def report(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    print("| step | seconds | CPU s | peak MB |\n|---|---:|---:|---:|")
    for name, found in figures.items():
        for label, each in found.items() if name == "ask" else [(name, found)]:
            if "cpu_s" in each:
                print(f"| {label} | {each['seconds']:.1f} | {each['cpu_s']:.1f} | {each['peak_mb']:.0f} |")
    print(json.dumps({name: {key: value for key, value in found.items() if key != "output"}
                      for name, found in figures.items()}, indent=1))  # fmt: skip


def main() -> None:
    """Carry out the step that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=10_000_000)
    given = parser.parse_args()
    path = given.folder / "figures.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    if given.step == "report":
        report(figures)
        return
    found = step(given.step, given.folder, given.samples)
    given.folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**figures, given.step: found}, indent=1))
    print(json.dumps(found, indent=1), f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB")


if __name__ == "__main__":
    main()
