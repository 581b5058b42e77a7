"""Print how often drift is alarmed, falsely and rightly: ``python docs/tables/drift.py [SERIES [SEED]]``.

A series is a day of one layer at the default sampling: a step takes 100 ms, one in two hundred is sampled, which makes
4,320 calls. Its noise is drawn from stored runs: launches of rows whose slots held few calls, each less its own median,
strung together with their order kept within. On top of that the level walks slowly and comes back to the mean, with a
standard deviation of LEVEL_SD, which is assumed. Slowed series are 10 % slower from a random call on. The detector is
the monitor's own, fed with medians of its blocks.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poolbench.errors import PoolbenchError
from poolbench.model.sample import RejectionRule
from poolbench.observe.monitor.drift import Cusum, Rule
from poolbench.store.reading import read_run

RESULTS = Path(__file__).parents[2] / "results"
CALLS = 4_320
MOST_LOOPS = 8
"""Slots with more calls than this are averages, quieter than single calls."""

LEAST_SAMPLES = 8
LEVEL_SD = 0.01
LEVEL_CALLS = 400
"""The level's standard deviation, and how many calls it takes to forget where it was."""

SLOWED = 1.10
Floats = NDArray[np.float64]


def noise() -> list[Floats]:
    """Return launches of stored runs as logarithms less their median; slots without a core left out as in a run."""
    found, rule = [], RejectionRule()
    for path in sorted(RESULTS.glob("*/*.jsonl")):
        try:
            rows = read_run(path).rows
        except PoolbenchError:
            continue  # what is no result file of a run has no noise to give
        for row in rows:
            kept = [sample for sample in row.samples if not rule.rejects(sample)]
            if len(kept) >= LEAST_SAMPLES and row.loops <= MOST_LOOPS and row.subject != "limit":
                values = np.log([sample.call_ns for sample in kept])
                found.append(values - np.median(values))
    return found


def series(launches: Sequence[Floats], rng: np.random.Generator, calls: int = CALLS) -> Floats:
    """Return a steady series of logarithms of times: one layer's noise for a day."""
    # A layer's launches are of one noisiness: those whose spread is nearest to that of one drawn at random.
    spreads = np.array([np.median(np.abs(each)) for each in launches])
    drawn = spreads[rng.integers(len(launches))]
    near = np.argsort(np.abs(np.log((spreads + 1e-6) / (drawn + 1e-6))))[: max(len(launches) // 10, 5)]
    parts, count = [], 0
    while count < calls:
        part = launches[near[rng.integers(len(near))]]
        parts.append(part)
        count += len(part)
    return np.concatenate(parts)[:calls] + _level(rng, calls)


def _level(rng: np.random.Generator, calls: int) -> Floats:
    keep = math.exp(-1 / LEVEL_CALLS)
    steps = rng.normal(0, LEVEL_SD * math.sqrt(1 - keep * keep), calls)
    level = np.empty(calls)
    at = rng.normal(0, LEVEL_SD)
    for place, step in enumerate(steps):
        at = keep * at + step
        level[place] = at
    return level


def alarms(values: Floats, rule: Rule) -> list[tuple[int, float]]:
    """Return the alarms of slower times: the call, and the size that was told."""
    blocks = len(values) // rule.block
    medians = np.median(values[: blocks * rule.block].reshape(blocks, rule.block), axis=1)
    test, found = Cusum(rule), []
    for place, value in enumerate(medians.tolist()):
        shift = test.take(value)
        if shift is not None and not shift.is_back:
            found.append(((place + 1) * rule.block, math.exp(shift.size)))
    return found


def main(count: int, seed: int) -> None:
    """Print both rates for the rule in use and for those beside it."""
    launches = noise()
    spreads = [1.4826 * float(np.median(np.abs(each))) for each in launches]
    low, middle, high = np.quantile(spreads, [0.1, 0.5, 0.9])
    print(f"{len(launches)} launches; spread of their calls {low:.1%}, {middle:.1%}, {high:.1%} (deciles 1, 5 and 9)")
    rng = np.random.default_rng(seed)
    begin = time.process_time()
    steady = [series(launches, rng) for _ in range(count)]
    slowed = []
    for values in (series(launches, rng) for _ in range(200)):
        from_call = int(rng.integers(CALLS // 4, CALLS * 3 // 4))
        slowed.append((from_call, values + math.log(SLOWED) * (np.arange(CALLS) >= from_call)))
    print(f"\n| rule | false alarms in {count} days | slowed by 10 %: found of 200 | told as | after calls |")
    print("|---|---:|---:|---:|---:|")
    default = Rule()
    for rule in (
        default,
        Rule(bound=default.bound / 2),
        Rule(bound=default.bound * 2),
        Rule(slack=0.03),
        Rule(slack_spreads=1.5),
        Rule(slack_spreads=0, bound_spreads=0),
        Rule(most=1.0),
        Rule(block=5),
        Rule(block=25),
    ):
        false = sum(len(alarms(values, rule)) for values in steady)
        first = [(start, *alarm) for start, values in slowed for alarm in alarms(values, rule)[:1]]
        hits = [(call - start, size) for start, call, size in first if call >= start]
        size = np.median([size for _, size in hits]) if hits else math.nan
        after = np.median([calls for calls, _ in hits]) if hits else math.nan
        print(f"| {_name(rule, default)} | {false} | {len(hits)} | {size - 1:+.1%} | {after:.0f} |")
    print(f"\n{time.process_time() - begin:.0f} s of CPU time")


def _name(rule: Rule, default: Rule) -> str:
    """Return what is otherwise than in the rule in use."""
    names = [name for name in Rule.__dataclass_fields__ if getattr(rule, name) != getattr(default, name)]
    return ", ".join(f"{name} {getattr(rule, name):g}" for name in names) or "**in use**"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
