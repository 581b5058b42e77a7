"""Otava's part of ``change_points.py``, run by an interpreter that has apache-otava and otava-test-data.

``make`` prints the test data's series as JSON; ``find`` reads a list of series and prints where Otava sees changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import otava_test_data as data
from otava.analysis import compute_change_points

LENGTH = 50
"""What the package calls typical. Its levels are about 100, and so sigma is in per cent."""

SIGMA = 2.0


def cases(seed: int) -> Iterator[tuple[str, data.TimeSeries, bool]]:
    """Yield each pattern, and whether its change points are changes of level."""
    yield "normal noise of 5 %", data.noise_normal(LENGTH, seed=seed), True
    yield "uniform noise, 90 to 110", data.noise_uniform(LENGTH, seed=seed), True
    yield "one outlier, +50 %", data.outlier(LENGTH, sigma=SIGMA, seed=seed), False
    yield "bands of 100 and 105", data.banding(LENGTH, sigma=SIGMA, seed=seed), False
    yield "variance 2 to 10", data.variance_change(LENGTH, seed=seed), False
    yield "phase of a wave", data.phase_change(LENGTH, sigma=SIGMA, seed=seed), False
    for after in (103.0, 105.0, 110.0, 120.0):
        step = data.step_function(LENGTH, value_after=after, sigma=SIGMA, seed=seed)
        yield f"step of {after - 100:.0f} %", step, True
    yield "+30 % for ten points", data.regression_fix(LENGTH, sigma=SIGMA, seed=seed), True
    yield "several steps", data.multiple_changes(LENGTH, sigma=SIGMA, seed=seed), True


def make(series: int) -> list[dict[str, object]]:
    """Return ``series`` of each case; what does not change the level has no change to be found."""
    return [
        {
            "case": name,
            "values": [float(value) for value in made.data],
            "changes": [int(change.index) for change in made.change_points] if is_level else [],
        }
        for seed in range(series)
        for name, made, is_level in cases(seed)
    ]


def main() -> None:
    """Do what the first argument says."""
    if sys.argv[1] == "make":
        print(json.dumps(make(int(sys.argv[2]))))
        return
    found = []
    for values in json.load(sys.stdin):
        strong, _ = compute_change_points(values, max_pvalue=float(sys.argv[2]))
        found.append([int(change.index) for change in strong])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
