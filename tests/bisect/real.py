"""Real bisections: packages, or copies of this repository, of which one commit is slower.

    python -m tests.bisect.real [--kernel] [--count 10] [--planted 8] [--seed 1] [--folder FOLDER]

On a machine that does nothing else. Each makes a repository of its own, outside of this one, from
``examples/numpy_pooling``: 19 commits that change nothing that is called, and one at a random place with work added to
the function, of a size that was found by timing it. With ``--kernel`` it is a clone of this repository, with five
commits to the kernel's sources of which one does some units of work twice (``kernel.py``); the first build takes
minutes.

``poolbench bisect`` is then run on it as its owner would, the first time with an empty cache of environments. A line of
a table is printed after each, and the counts at the end, or at Ctrl-C. Ends with 1 where an answer was wrong, or a
bisection ended without one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bisect import kernel, series
from tests.bisect.series import Series, find_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is bisected: ``make`` writes a repository into a folder. Seconds are of a probe, and of all of them."""

    subject: str
    workload: str
    probe_s: int
    budget_s: int
    planted: str
    make: Callable[[Path], Series]


def of_package(percent: float, rng: random.Random) -> Kind:
    """Return the NumPy package. With builds of some 6 s, a bisection takes about 100 s."""
    step = find_step(percent)
    return Kind(
        subject=series.SUBJECT,
        workload=series.WORKLOAD,
        probe_s=7,
        budget_s=60,
        planted=f"{100 * (step.ratio - 1):+.1f} % planted, timed in turns in one process",
        make=partial(series.make, step=step, commits=20, rng=rng),
    )


def of_kernel(percent: float, rng: random.Random) -> Kind:
    """Return this repository's kernel."""
    return Kind(
        subject=kernel.SUBJECT,
        workload=kernel.WORKLOAD,
        probe_s=10,
        budget_s=80,
        planted=f"{percent:g} % of the units of max pooling done again",
        make=partial(kernel.make, percent=percent, commits=6, rng=rng),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a bisection answered: ``first`` to ``last`` are places of commits, both None where it found no difference.

    ``is_sure`` tells whether the asked probability was reached; ``ratio`` is the size found.
    """

    first: int | None
    last: int | None
    is_sure: bool
    chance: float
    ratio: float | None
    probes: int
    seconds: float

    def judge(self, slow: int) -> str:
        """Return "right", "range" (which holds the commit), "wrong" or "not found"."""
        if self.first is None or self.last is None:
            return "not found"
        if not self.first <= slow <= self.last:
            return "wrong"
        return "right" if self.first == self.last else "range"


def main() -> int:
    """Run the bisections that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", action="store_true", help="this repository's kernel in place of a package")
    parser.add_argument("--count", type=int, default=10, help="how many bisections")
    parser.add_argument("--planted", type=float, default=8.0, help="per cent by which one commit is slower")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="for repositories, cache and results; kept, where given")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    verdicts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="poolbench-bisections-") as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        try:
            kind = (of_kernel if options.kernel else of_package)(options.planted, rng)
            print(f"{kind.subject} on {kind.workload}: {kind.planted}\n")
            print("| bisection | planted at | answer | | chance | size found | probes | seconds |")
            print("|---:|---:|---|---|---:|---:|---:|---:|", flush=True)
            for number in range(1, options.count + 1):
                place = folder / f"bisection-{number}"
                made = kind.make(place / "repository")
                outcome = _bisect(kind, place, made, cache=folder / "environments")
                verdict = "failed" if isinstance(outcome, int) else outcome.judge(made.slow)
                verdicts[verdict] += 1
                print(_line(number, made, outcome, verdict), flush=True)
        except KeyboardInterrupt:
            print("\nInterrupted: what is printed stands.")
    counts = ", ".join(f"{verdicts[name]} {name}" for name in ("right", "range", "not found", "wrong", "failed"))
    print(f"\n{verdicts.total()} of {options.count} bisections: {counts}")
    return int(verdicts["wrong"] + verdicts["failed"] > 0)


def _bisect(kind: Kind, folder: Path, made: Series, *, cache: Path) -> Outcome | int:
    """Run ``poolbench bisect`` in the repository of ``folder``; return its answer, or a failure's exit code."""
    begin = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "poolbench", "bisect", kind.subject, "--repo", str(folder / "repository")),
            *("--good", made.commits[0], "--bad", made.commits[-1], "-w", kind.workload),
            *("--probe", str(kind.probe_s), "--budget", str(kind.budget_s)),
            *("--results", str(folder / "results"), "--quiet", "--json"),
        ],
        cwd=folder,
        env={**os.environ, "POOLBENCH_ENVIRONMENTS": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.returncode  # its sentence is on stderr
    document = json.loads(done.stdout)
    places = [_place(made, commit["label"]) for commit in document["commits"]]
    runs = {reading["point"]: reading["runs"] for reading in document["readings"]}
    return Outcome(
        first=min(places, default=None),
        last=max(places, default=None),
        is_sure=document["sure"],
        chance=document["chance"],
        ratio=next((size["ratio"] for size in document["sizes"]), None),
        probes=sum(runs.values()),
        seconds=time.monotonic() - begin,
    )


def _place(made: Series, label: str) -> int:
    return next(place for place, commit in enumerate(made.commits) if commit.startswith(label))


def _line(number: int, made: Series, outcome: Outcome | int, verdict: str) -> str:
    if isinstance(outcome, int):
        return f"| {number} | {made.slow + 1} | ended with {outcome} | {verdict} | | | | |"
    if outcome.first is None:
        answer = "no difference"
    elif outcome.first == outcome.last:
        answer = f"commit {outcome.first + 1}"
    else:
        answer = f"commits {outcome.first + 1} to {(outcome.last or 0) + 1}"
    size = "–" if outcome.ratio is None else f"{100 * (outcome.ratio - 1):+.1f} %"
    sure = "" if outcome.is_sure else ", not sure"
    return (
        f"| {number} | {made.slow + 1} | {answer} | {verdict}{sure} | {100 * outcome.chance:.1f} % | {size} | "
        f"{outcome.probes} | {outcome.seconds:.0f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
