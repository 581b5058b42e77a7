"""Changes in a series of single readings: one number a point, and nothing about its error.

Other tools' histories are like this. The error is then taken from how much points differ, of which a few steps are too
few to count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from poolbench.analyse.history.changes import ERROR_RATE
from poolbench.analyse.history.segments import ENVIRONMENT_SD, Floats, Observations, Step, find_steps
from poolbench.errors import UsageError

LEAST_READINGS = 6
"""Of fewer, one step is too large a share of the differences between neighbours."""

READINGS_PER_DEGREE = 3.0
"""A median of absolute differences knows a variance as well as a third as many independent readings. Of simulated
normal noise it takes 2.8 readings a degree for 20 points, 3.1 for 50 and 3.2 for 100."""

MOST_APART, POINTS_PER_APART = 4, 8
"""Of points that follow a wave neighbours differ too little to tell the noise about a level. Four apart a step still is
in few of the differences, where there are eight times as many points."""

NEAR = 16
"""Differences between neighbours that say how much points scatter about here, where that is more than elsewhere."""


def single_readings(values: Sequence[float]) -> Observations:
    """Return a series of positive ``values``, of shape (n,), as log ratios with their errors.

    Raises UsageError for fewer than six, and for what has no logarithm.
    """
    readings = np.asarray(values, dtype=np.float64)
    if readings.size < LEAST_READINGS:
        raise UsageError(f"There are {readings.size} readings: changes are looked for in {LEAST_READINGS} or more.")
    if not (np.isfinite(readings).all() and (readings > 0).all()):
        raise UsageError("A reading is not a positive number: changes are looked for in ratios.")
    logs = np.log(readings)
    apart = min(MOST_APART, max(readings.size // POINTS_PER_APART, 1))
    spread = max(float(_spread(logs[apart:] - logs[:-apart])), ENVIRONMENT_SD)
    degrees = max((readings.size - 1) / READINGS_PER_DEGREE, 1.0)
    return Observations(
        values=logs,
        variances=np.maximum(spread, _near_spread(logs)) ** 2,
        freedom=np.full(readings.size, degrees),
    )


def single_steps(values: Sequence[float], *, error_rate: float = ERROR_RATE) -> list[Step]:
    """Return where ``values`` change, in order; ``error_rate`` as in ``find_steps``.

    A level that holds for one point is left out, at an end as well: without a second run nothing tells it from a
    disturbed reading. So a change is seen with its second point at the earliest.
    """
    series = single_readings(values)
    kept = np.arange(series.count)
    while kept.size >= LEAST_READINGS:
        rest = replace(
            series, values=series.values[kept], variances=series.variances[kept], freedom=series.freedom[kept]
        )
        steps = find_steps(rest, error_rate=error_rate)
        edges = np.array([0, *(step.place for step in steps), kept.size])
        alone = edges[:-1][np.diff(edges) == 1]
        if not alone.size:
            return [_placed(step, kept) for step in steps]
        kept = np.delete(kept, alone)
    return []


def _spread(differences: Floats) -> Floats:
    """Return the standard deviation of a point, by the typical difference of two along the last axis."""
    return np.asarray(np.median(np.abs(differences), axis=-1) / 0.6745 / 2**0.5)


def _near_spread(logs: Floats) -> Floats:
    """Return the standard deviation about each point, by the NEAR differences around it, of shape (n,)."""
    differences = np.diff(logs)
    width = min(NEAR, differences.size)
    windows = _spread(np.lib.stride_tricks.sliding_window_view(differences, width))
    return np.asarray(windows[np.clip(np.arange(logs.size) - width // 2, 0, windows.size - 1)])


def _placed(step: Step, kept: NDArray[np.intp]) -> Step:
    """Return a step of the ``kept`` points as one of all of them."""
    gains = {int(kept[place]): gain for place, gain in step.gains.items()}
    first, place, last = (int(kept[each]) for each in (step.first, step.place, step.last))
    return replace(step, first=first, place=place, last=last, gains=gains)
