"""Real bisections of a plain NumPy package with one slower commit among twenty.

    python -m tests.bisect.real [--count 10] [--planted 8] [--seed 1] [--folder FOLDER]

On a machine that does nothing else. Each makes a repository of its own, outside of this one, from
``examples/numpy_pooling``: 19 commits that change nothing that is called, and one at a random place with work added to
the function, of a size that was found by timing it. ``poolbench bisect`` then runs there as its owner would start it,
the first time with an empty cache of environments. A line of a table is printed after each, and the counts at the end,
or at Ctrl-C. Ends with 1 where an answer was wrong, or a bisection ended without one.
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
from dataclasses import dataclass
from pathlib import Path

from tests.bisect.series import SUBJECT, WORKLOAD, Series, find_step, make

COMMITS = 20
PROBE_S, BUDGET_S = 7, 60
"""With builds of some 6 s, about 100 s a bisection."""


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
            step = find_step(options.planted)
            print(f"{WORKLOAD}: {100 * (step.ratio - 1):+.1f} % planted, timed in turns in one process\n")
            print("| bisection | planted at | answer | | chance | size found | probes | seconds |")
            print("|---:|---:|---|---|---:|---:|---:|---:|", flush=True)
            for number in range(1, options.count + 1):
                place = folder / f"bisection-{number}"
                series = make(place / "repository", step, commits=COMMITS, rng=rng)
                outcome = _bisect(place, series, cache=folder / "environments")
                verdict = "failed" if isinstance(outcome, int) else outcome.judge(series.slow)
                verdicts[verdict] += 1
                print(_line(number, series, outcome, verdict), flush=True)
        except KeyboardInterrupt:
            print("\nInterrupted: what is printed stands.")
    counts = ", ".join(f"{verdicts[name]} {name}" for name in ("right", "range", "not found", "wrong", "failed"))
    print(f"\n{verdicts.total()} of {options.count} bisections: {counts}")
    return int(verdicts["wrong"] + verdicts["failed"] > 0)


def _bisect(folder: Path, series: Series, *, cache: Path) -> Outcome | int:
    """Run ``poolbench bisect`` in the repository of ``folder``; return its answer, or a failure's exit code."""
    begin = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "poolbench", "bisect", SUBJECT, "--good", series.commits[0]),
            *("--bad", series.commits[-1], "-w", WORKLOAD, "--probe", str(PROBE_S), "--budget", str(BUDGET_S)),
            *("--results", str(folder / "results"), "--quiet", "--json"),
        ],
        cwd=folder / "repository",
        env={**os.environ, "POOLBENCH_ENVIRONMENTS": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.returncode  # its sentence is on stderr
    document = json.loads(done.stdout)
    places = [_place(series, commit["label"]) for commit in document["commits"]]
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


def _place(series: Series, label: str) -> int:
    return next(place for place, commit in enumerate(series.commits) if commit.startswith(label))


def _line(number: int, series: Series, outcome: Outcome | int, verdict: str) -> str:
    if isinstance(outcome, int):
        return f"| {number} | {series.slow + 1} | ended with {outcome} | {verdict} | | | | |"
    if outcome.first is None:
        answer = "no difference"
    elif outcome.first == outcome.last:
        answer = f"commit {outcome.first + 1}"
    else:
        answer = f"commits {outcome.first + 1} to {(outcome.last or 0) + 1}"
    size = "–" if outcome.ratio is None else f"{100 * (outcome.ratio - 1):+.1f} %"
    sure = "" if outcome.is_sure else ", not sure"
    return (
        f"| {number} | {series.slow + 1} | {answer} | {verdict}{sure} | {100 * outcome.chance:.1f} % | {size} | "
        f"{outcome.probes} | {outcome.seconds:.0f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
