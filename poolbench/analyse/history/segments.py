"""One series cut into segments of constant level, where each point comes with a standard error of its own.

Which way of cutting, and what lost against it, stands in ``docs/decisions/0012-change-points.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poolbench.analyse.estimate.student import t_quantile, t_tail

Floats = NDArray[np.float64]

PRIOR_DEGREES = 16.0
"""What the whole series says of a point's variance counts as so many degrees of freedom, at most: the three launches of
a point alone would give it an interval of ±4.3 standard errors."""

ENVIRONMENT_SD = 0.003
"""What a point's log ratio keeps off its true value, however many launches it has: a fresh environment and fresh
importers lay out code and memory anew."""

INFLATION_PRIOR = 30.0
"""How many differences between neighbours it takes before they count as much as the stated errors do."""

LEAST_GAPS = 5
"""A release that is slow alone makes two of the differences between neighbours; among so many they are not most."""

LOCATION_DEFICIT = 6.63
"""A place is possible while the sum of squares there is larger by no more than this: the 99 % point of χ² with one
degree of freedom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """A series of n points: log ratios, their standard errors, and the degrees of freedom of these, each of shape (n,).

    ``variances`` and ``freedom`` are what is computed with: standard errors moderated by those of the whole series.
    """

    values: Floats
    variances: Floats
    freedom: Floats

    @property
    def count(self) -> int:
        """The number of points."""
        return self.values.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change between the points ``place`` − 1 and ``place``, of ``size`` (a difference of log ratios).

    ``first`` and ``last`` bound the places where it may lie as well. ``error`` is the standard error of its size with
    its ``degrees`` of freedom, ``p_value`` that of there being a change here; ``place_p_value`` is corrected for the
    places that it was chosen from.
    """

    place: int
    first: int
    last: int
    size: float
    error: float
    degrees: float
    p_value: float
    place_p_value: float
    gains: dict[int, float]
    """How much each place between the neighbouring steps would lower the sum of squares."""

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the interval of the size."""
        half = t_quantile(round(self.degrees, 1), confidence) * self.error
        return self.size - half, self.size + half


def observations(values: Sequence[float], errors: Sequence[float], degrees: Sequence[float]) -> Observations:
    """Return a series with moderated errors. All three are of one length; errors are positive and finite.

    A standard error of n launches is the launches' spread over √n; the spread is shrunk towards that of the series.
    """
    free = np.maximum(np.asarray(degrees, dtype=np.float64), 1.0)
    launches = free + 1.0
    spread = np.asarray(errors, dtype=np.float64) ** 2 * launches
    prior = min(PRIOR_DEGREES, float(free.sum() - free.max()))
    common = float((free * spread).sum() / free.sum())
    moderated = (prior * common + free * spread) / (prior + free)
    return Observations(
        values=np.asarray(values, dtype=np.float64),
        variances=moderated / launches + ENVIRONMENT_SD**2,
        freedom=free + prior,
    )


def inflated(series: Sequence[Observations]) -> tuple[Observations, ...]:
    """Return ``series`` with larger variances where neighbours differ by more than the stated errors explain.

    A few steps do not count as noise, since the typical difference is looked at, and that of all series together: what
    moves a point beside its launches' noise moves it on every workload. Of fewer than five gaps a step or two are most:
    there the stated errors stand.
    """
    parts = [np.abs(np.diff(one.values)) / np.sqrt(one.variances[1:] + one.variances[:-1]) for one in series]
    differences = np.concatenate([np.zeros(0), *parts])
    if max((part.size for part in parts), default=0) < LEAST_GAPS:
        return tuple(series)
    seen = float((np.median(differences) / 0.6745) ** 2)
    factor = (INFLATION_PRIOR + differences.size * seen) / (INFLATION_PRIOR + differences.size)
    factor = max(factor, 1.0)
    return tuple(
        Observations(values=one.values, variances=one.variances * factor, freedom=one.freedom) for one in series
    )


def find_steps(series: Observations, *, error_rate: float) -> list[Step]:
    """Return the steps of a series, in order of place.

    ``error_rate`` is the chance that a series without any is cut.
    """
    if series.count < 2:
        return []
    places = optimal_places(series, penalty(series, error_rate))
    while places:
        steps = measure_steps(series, places)
        weakest = max(steps, key=lambda step: step.place_p_value)
        if weakest.place_p_value < error_rate:
            return steps
        places = [place for place in places if place != weakest.place]
    return []


def penalty(series: Observations, error_rate: float) -> float:
    """Return by how much a further segment must lower the sum of squares: the square of the critical t value."""
    share = error_rate / (series.count - 1)
    return float(t_quantile(round(float(series.freedom.mean())), 1 - share) ** 2)


def optimal_places(series: Observations, penalty: float) -> list[int]:
    """Return where segments begin, without the first, such that squares plus ``penalty`` per segment are least.

    Exact, by dynamic programming over all segmentations: O(n²).
    """
    weight = 1 / series.variances
    total = np.concatenate(([0.0], np.cumsum(weight)))
    first = np.concatenate(([0.0], np.cumsum(weight * series.values)))
    second = np.concatenate(([0.0], np.cumsum(weight * series.values**2)))
    best = np.zeros(series.count + 1)
    best[0] = -penalty
    origin = np.zeros(series.count + 1, dtype=np.intp)
    for end in range(1, series.count + 1):
        squares = second[end] - second[:end] - (first[end] - first[:end]) ** 2 / (total[end] - total[:end])
        costs = best[:end] + squares + penalty
        origin[end] = int(np.argmin(costs))
        best[end] = costs[origin[end]]
    places: list[int] = []
    end = series.count
    while origin[end] > 0:
        end = int(origin[end])
        places.append(end)
    return places[::-1]


def measure_steps(series: Observations, places: Sequence[int]) -> list[Step]:
    """Return the steps at ``places`` (ascending), each between the segments beside it."""
    edges = [0, *places, series.count]
    return [_step(series, *edges[number : number + 3]) for number in range(len(places))]


def contrast(series: Observations, begin: int, place: int, end: int) -> tuple[float, float, float]:
    """Return the points [place, end) against [begin, place): the difference of levels, its error, and freedom."""
    size, variance, share = 0.0, 0.0, 0.0
    for sign, part in ((-1.0, slice(begin, place)), (1.0, slice(place, end))):
        weight = 1 / series.variances[part]
        weight = weight / weight.sum()
        size += sign * float((weight * series.values[part]).sum())
        parts = weight**2 * series.variances[part]
        variance += float(parts.sum())
        share += float((parts**2 / series.freedom[part]).sum())
    return size, math.sqrt(variance), variance**2 / share  # freedom: Satterthwaite's


def _step(series: Observations, begin: int, place: int, end: int) -> Step:
    size, error, degrees = contrast(series, begin, place, end)
    p_value = 2 * t_tail(abs(size) / error, degrees)
    gains = {}
    for other in range(begin + 1, end):
        other_size, other_error, _ = contrast(series, begin, other, end)
        gains[other] = (other_size / other_error) ** 2 if other_size * size > 0 else 0.0
    possible = [other for other, gain in gains.items() if gain > gains[place] - LOCATION_DEFICIT] or [place]
    return Step(
        place=place,
        first=min(possible),
        last=max(possible),
        size=size,
        error=error,
        degrees=degrees,
        p_value=p_value,
        place_p_value=min(p_value * (series.count - 1), 1.0),
        gains=gains,
    )
