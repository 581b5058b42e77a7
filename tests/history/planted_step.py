"""Series of ten revisions of the kernel, with a step of 5 % planted at a random place or with none.

    python -m tests.history.planted_step [--tries 10] [--identical 10] [--seconds 60] [--seed 1] [--folder FOLDER]

From the top of the repository, on a machine that does nothing else. Each series is ten commits in a clone of its own,
which ``poolbench history strided --revs`` measures there as a user would. The revisions differ in a comment, so that
each is a build of its own, and from the planted place on ``max_pool2d`` does every twentieth call twice: 5 % of its own
work, where a part of a batch would cost what the caches make of it. All of them count their calls, which costs 1 to 2 %
itself. Of the C++ nothing changes, so that it is compiled once; the same contents in another series are the same build.

Prints a line per series and ends with 1 where fewer than nine in ten steps were found at their revision alone, or where
a change was reported in a series without one.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from poolbench.environments.git import variables

REVISIONS = 10
WORKLOAD = "max2d-n1c32-h56w56-k3s2p1"
CHANGED = "poolbench/strided/functional.py"
NEEDED_SHARE = 0.9

COUNTED = '''

import functools

_whole_max_pool2d = max_pool2d
_calls = 0


@functools.wraps(_whole_max_pool2d)  # callers bind arguments by its signature
def max_pool2d(*arguments, **options):
    """Pool, and where the remainder is one that comes, pool every twentieth input twice."""
    global _calls
    _calls += 1
    if _calls % 20 == {remainder}:
        _whole_max_pool2d(*arguments, **options)
    return _whole_max_pool2d(*arguments, **options)
'''
NEVER, ONCE_IN_TWENTY = 20, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What ``poolbench history`` reported: the places of the revisions that changes lead to, and their ratios."""

    places: tuple[int, ...]
    ratios: tuple[float, ...]
    confirmed: tuple[bool, ...]
    error: float
    seconds: float


def main() -> int:
    """Measure the series that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=10, help="series with a step")
    parser.add_argument("--identical", type=int, default=10, help="series without one")
    parser.add_argument("--seconds", type=float, default=60.0, help="budget of a series")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="for clone and results; kept, while a temporary one is removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poolbench-planted-") as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        clone, base = _clone(folder / "clone")
        rng = random.Random(options.seed)
        found = 0
        for number in range(1, options.tries + 1):
            place = rng.randrange(1, REVISIONS)
            outcome = _try(clone, base, place, folder / f"step-{number}", options.seconds)
            is_found = outcome.places == (place,)
            found += is_found
            _say(f"step {number}", f"planted at revision {place}", outcome, "found" if is_found else "MISSED")
        false_alarms = 0
        for number in range(1, options.identical + 1):
            outcome = _try(clone, base, REVISIONS, folder / f"identical-{number}", options.seconds)
            false_alarms += bool(outcome.places)
            _say(f"identical {number}", "nothing planted", outcome, "FALSE ALARM" if outcome.places else "none")
    print(f"{found} of {options.tries} steps found, {false_alarms} false alarms in {options.identical} series")
    return int(found < NEEDED_SHARE * options.tries or false_alarms > 0)


def _say(name: str, planted: str, outcome: Outcome, verdict: str) -> None:
    reports = ", ".join(
        f"revision {place} × {ratio:.3f}{'' if is_confirmed else ' (in one run)'}"
        for place, ratio, is_confirmed in zip(outcome.places, outcome.ratios, outcome.confirmed, strict=True)
    )
    print(
        f"{name}: {planted}; reported {reports or 'no change'}; {verdict} "
        f"(error of a point {100 * outcome.error:.2f} %, {outcome.seconds:.0f} s)",
        flush=True,
    )


def _clone(clone: Path) -> tuple[Path, str]:
    """Return a clone of this repository, and its last commit."""
    top = Path(_git(Path.cwd(), "rev-parse", "--show-toplevel"))
    if not clone.exists():
        _git(top, "clone", "--quiet", "--shared", str(top), str(clone))
    _git(clone, "config", "user.name", "planted")
    _git(clone, "config", "user.email", "planted@example.invalid")
    return clone, _git(top, "rev-parse", "HEAD")


def _try(clone: Path, base: str, place: int, results: Path, seconds: float) -> Outcome:
    """Commit a series that is slower from ``place`` on, and measure it from a working tree without it."""
    _git(clone, "checkout", "--quiet", "--detach", base)
    original = (clone / CHANGED).read_text(encoding="utf-8")
    commits = []
    for revision in range(REVISIONS):
        counted = COUNTED.format(remainder=ONCE_IN_TWENTY if revision >= place else NEVER)
        (clone / CHANGED).write_text(f"{original}\n# revision {revision}\n{counted}", encoding="utf-8")
        _git(clone, "commit", "--quiet", "--all", "--no-verify", "-m", f"revision {revision}")
        commits.append(_git(clone, "rev-parse", "HEAD"))
    _git(clone, "checkout", "--quiet", "--detach", base)
    begin = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "poolbench", "history", "strided", "--repo", str(clone)),
            *("--revs", f"{commits[0]}..{commits[-1]}", "-w", WORKLOAD),
            *("--budget", str(seconds), "--results", str(results), "--json"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"poolbench history ended with {done.returncode}:\n{done.stdout}")
    document = json.loads(done.stdout)
    labels = [point["point"] for point in document["points"]]
    errors = sorted(cell["error"] for cell in document["cells"] if cell["error"] is not None)
    return Outcome(
        places=tuple(labels.index(change["after"]) for change in document["changes"]),
        ratios=tuple(change["ratio"]["value"] for change in document["changes"]),
        confirmed=tuple(change["confirmed"] for change in document["changes"]),
        error=errors[len(errors) // 2],
        seconds=time.monotonic() - begin,
    )


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, env=variables(), capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
