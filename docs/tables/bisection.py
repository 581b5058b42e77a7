"""Print how often a bisection is right: ``python docs/tables/bisection.py PROBES.csv [--series 1000] [--commits 64]``.

Simulated series of commits, with one step at a random place, are bisected by the code that ``poolbench bisect`` runs.
What a probe of a place says is that place's true value and the noise of a stored probe, drawn at random, whose launches
are drawn anew with replacement. The stored probes are of pairs of equal builds, so that what a build or a process is
off by is in them.

    python docs/tables/bisection.py --from RUN.jsonl ANCHOR      # prints such a CSV: each subject against ANCHOR
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from poolbench.analyse.bisect.choice import Answer, Finding, Series, belief, finding, next_place
from poolbench.analyse.bisect.posterior import Reading
from poolbench.analyse.estimate.ledger import Ledger, estimates
from poolbench.analyse.estimate.location import LEAST_LAUNCHES, locate, standard_error
from poolbench.store.reading import read_run

COLUMNS = ("run", "workload", "subject", "launch", "log_ratio")


def stored(path: Path, anchor: str) -> Iterator[tuple[object, ...]]:
    """Yield the launches of a run's subjects against ``anchor``, as the CSV has them."""
    run = read_run(path)
    ledger = Ledger(run.rows, run.header.method.rejection)
    for workload in ledger.workloads():
        for subject in map(str, run.header.subjects):
            if subject not in (anchor, "limit"):
                for launch, value in estimates(ledger.pairs(workload, subject, anchor)):
                    yield (run.header.run, workload, subject, launch, f"{value:.6f}")


def read_probes(path: Path) -> list[np.ndarray]:
    """Return the launches' log ratios of each stored probe."""
    probes: dict[tuple[str, ...], list[float]] = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            probes[line["run"], line["workload"], line["subject"]].append(float(line["log_ratio"]))
    return [np.array(values) for values in probes.values() if len(values) >= LEAST_LAUNCHES + 1]


def probe(probes: Sequence[np.ndarray], shift: float, random: np.random.Generator) -> np.ndarray:
    """Return the launches of one new probe of a place that is off by ``shift``."""
    own = probes[random.integers(len(probes))]
    sign = random.choice((-1.0, 1.0))  # which of two equal builds is the anchor is nobody's choice
    return shift + sign * random.choice(own, len(own))


def reading(place: int, launches: Sequence[np.ndarray]) -> Reading:
    """Return what all probes of a place say together, as ``build_history`` puts them together."""
    location = locate(np.concatenate(launches))
    return Reading(
        workload="simulated",
        place=place,
        log_ratio=location.centre,
        error=float(standard_error(location.influence)),
        degrees=location.degrees,
        runs=len(launches),
    )


def bisected(
    probes: Sequence[np.ndarray], commits: int, step_at: int, step: float, most: int, random: np.random.Generator
) -> tuple[Finding, int]:
    """Bisect one series whose commits from ``step_at`` on are off by ``step``; 0 for none. Return the points, too."""
    series = Series(last=commits)
    found: dict[int, list[np.ndarray]] = {}
    seen: list[int] = []
    while True:
        readings = [reading(place, launches) for place, launches in sorted(found.items())]
        believed = belief(readings, series)
        place = next_place(believed, series, seen) if len(seen) < most else None
        if place is None:
            return finding(believed, series, readings), len(seen)
        seen.append(place)
        shift = step if step_at and place >= step_at else 0.0
        found.setdefault(place, []).append(probe(probes, shift, random))


def main() -> None:
    """Print the shares, or the CSV."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--from", dest="is_from", action="store_true")
    parser.add_argument("--centre", action="store_true", help="The builds differ: take the launches' noise alone.")
    parser.add_argument("--scale", type=float, default=1.0, help="So many times the stored noise.")
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--commits", type=int, default=64)
    parser.add_argument("--most", type=int, default=24, help="So many points at most.")
    parser.add_argument("--steps", type=float, nargs="+", default=[0.05, 0.1, 0.03, 0.0])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.is_from:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        for path in given.files[:-1]:
            writer.writerows(stored(Path(path), given.files[-1]))
        return
    probes = [each for path in given.files for each in read_probes(Path(path))]
    if given.centre:
        probes = [each - locate(each).centre for each in probes]
    probes = [given.scale * each for each in probes]
    off = [abs(float(np.median(each))) for each in probes]
    errors = [float(standard_error(locate(each).influence)) for each in probes]
    print(
        f"{len(probes)} stored probes of {statistics.median(map(len, probes)):.0f} launches: off by "
        f"{100 * statistics.median(off):.2f} % (largest {100 * max(off):.2f}), standard error "
        f"{100 * statistics.median(errors):.2f} % (largest {100 * max(errors):.2f}), medians"
    )
    print(f"{given.commits} commits, {given.series} series, at most {given.most} points\n")
    print("step    right   wrong   range   not found   points: median   95 %")
    for step in given.steps:
        random = np.random.default_rng(given.seed)
        counts: Counter[str] = Counter()
        points = []
        for _ in range(given.series):
            at = int(random.integers(1, given.commits + 1)) if step else 0
            size = float(np.log1p(step)) * float(random.choice((-1, 1)))
            result, taken = bisected(probes, given.commits, at, size, given.most, random)
            points.append(taken)
            counts[outcome(result, at)] += 1
        shares = [100 * counts[name] / given.series for name in ("right", "wrong", "range", "none")]
        print(
            f"{100 * step:3.0f} %  {shares[0]:5.1f} %  {shares[1]:4.1f} %  {shares[2]:4.1f} %     {shares[3]:5.1f} %"
            f"              {statistics.median(points):4.0f}   {np.quantile(points, 0.95):4.0f}"
        )


def outcome(result: Finding, at: int) -> str:
    """Return what became of a series: a wrong range is wrong, and any claim where nothing changed."""
    if result.answer is Answer.NONE:
        return "none"
    if not result.first <= at <= result.last:
        return "wrong"
    return "right" if result.answer is Answer.COMMIT else "range"


if __name__ == "__main__":
    main()
