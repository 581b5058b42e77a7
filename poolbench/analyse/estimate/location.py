"""The location of a few launch estimates with its interval: a Huber estimate with a t interval.

Why this one, and what lost against it, stands in ``docs/decisions/0003-interval.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poolbench.analyse.estimate.student import t_quantile, t_tail

Floats = NDArray[np.float64]

TUNING = 1.5
"""Launches further than this many scales from the centre count as if they lay there."""

ALLOWANCE = 0.05
"""Widens every interval by this share of the scale, however many launches there are: launches that are disturbed to
one side move any location by an amount that does not average out."""

LEAST_LAUNCHES = 3
"""Below this the interval is unbounded: two launches say next to nothing of their spread."""

_MAD_TO_SD = 1.4826  # for normal data
# The median absolute deviation of few normal values is too small on average by these factors (by simulation).
_SMALL_SAMPLE = {3: 1.9, 4: 1.36, 5: 1.21, 6: 1.2, 7: 1.14, 8: 1.13, 9: 1.1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A centre with its interval, in the unit of the values.

    ``p_value`` is of the hypothesis that the centre is 0. ``influence`` holds what each value contributes to the
    estimate's error (they sum to 0), ``allowance`` the part of the half-width that does not shrink with more values;
    with ``degrees`` of freedom they let several locations be averaged (``average``).
    """

    centre: float
    low: float
    high: float
    p_value: float
    influence: Floats
    allowance: float
    degrees: float

    @property
    def half_width(self) -> float:
        """Half the length of the interval; infinite where there were too few values."""
        return (self.high - self.low) / 2


def locate(values: Sequence[float] | Floats, confidence: float = 0.95) -> Location:
    """Return the location of ``values`` (at least one), such as one log ratio per launch.

    With fewer than three values the interval is unbounded and the p-value 1.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size < LEAST_LAUNCHES:
        return Location(
            centre=float(np.median(array)),
            low=-math.inf,
            high=math.inf,
            p_value=1.0,
            influence=np.zeros_like(array),
            allowance=math.inf,
            degrees=0.0,
        )
    centre, influence, allowance, degrees = huber(array)
    error = standard_error(influence)
    return _bounded(float(centre), influence, float(allowance), float(degrees), float(error), confidence)


def average(locations: Sequence[tuple[Location, Sequence[int]]], confidence: float = 0.95) -> Location:
    """Return the mean of several locations, each with the launches that its values came from: see ``combine``."""
    return combine(locations, [1 / len(locations)] * len(locations), confidence)


def combine(
    locations: Sequence[tuple[Location, Sequence[int]]], weights: Sequence[float], confidence: float = 0.95
) -> Location:
    """Return the sum of several locations, each times its weight and with the launches that its values came from.

    Launches are the clusters: what one launch contributes to all locations is added up before it is squared, so that
    errors which a launch shares between workloads count in full, and a launch may be missing from some of them.
    """
    launches = sorted({launch for _, members in locations for launch in members})
    place = {launch: index for index, launch in enumerate(launches)}
    influence = np.zeros(len(launches))
    for (location, members), weight in zip(locations, weights, strict=True):
        for launch, value in zip(members, location.influence, strict=True):
            influence[place[launch]] += weight * value
    centre = sum(weight * location.centre for (location, _), weight in zip(locations, weights, strict=True))
    allowance = sum(abs(weight) * location.allowance for (location, _), weight in zip(locations, weights, strict=True))
    # A location of no launches is exact: a subject against itself.
    degrees = min(location.degrees for location, _ in locations)
    if degrees < 1 or not math.isfinite(allowance):
        return Location(
            centre=centre, low=-math.inf, high=math.inf, p_value=1.0,
            influence=influence, allowance=math.inf, degrees=0.0,
        )  # fmt: skip
    fewest = min((len(members) for _, members in locations if members), default=2)
    error = float(np.sqrt((influence**2).sum() * fewest / (fewest - 1)))
    return _bounded(centre, influence, allowance, degrees, error, confidence)


def huber(values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return centre, influence of each value, allowance and degrees of freedom, along the last axis (n ≥ 3).

    Huber's M-estimate of location with the median absolute deviation as its scale. Where that is 0 (at least half of
    the values equal), the standard deviation takes its place.
    """
    count = values.shape[-1]
    median = np.median(values, axis=-1, keepdims=True)
    deviation = _MAD_TO_SD * np.median(np.abs(values - median), axis=-1, keepdims=True)
    spread = values.std(axis=-1, ddof=1, keepdims=True)
    # Rounding alone makes equal values differ in the last places: such a deviation is none.
    deviation = np.where(deviation > 1e-12 * (1 + np.abs(median)), deviation, spread)
    bound = TUNING * deviation * _SMALL_SAMPLE.get(count, count / (count - 0.8))
    centre = median
    for _ in range(30):
        residual = values - centre
        inside = np.maximum((np.abs(residual) < bound).mean(axis=-1, keepdims=True), 0.3)
        step = np.clip(residual, -bound, bound).mean(axis=-1, keepdims=True) / inside
        centre = centre + step
        if np.all(np.abs(step) <= 1e-9 * bound + 1e-15):
            break
    residual = values - centre
    is_inside = np.abs(residual) <= bound
    inside = np.maximum(is_inside.mean(axis=-1, keepdims=True), 1 / count)
    correction = 1 + (1 - inside) / (count * np.maximum(inside, 0.1))  # Huber's, for small samples
    influence = correction * np.clip(residual, -bound, bound) / (inside * count)
    degrees = np.maximum(is_inside.sum(axis=-1) - 1.0, 1.0)
    return centre[..., 0], influence, ALLOWANCE * deviation[..., 0], degrees


def standard_error(influence: Floats) -> Floats:
    """Return the standard error of a location from its influences along the last axis."""
    count = influence.shape[-1]
    error: Floats = np.sqrt((influence**2).sum(axis=-1) * count / (count - 1))
    return error


def error_of_clusters(influence: Floats, clusters: Sequence[int]) -> float:
    """Return the standard error of a location whose values come in clusters; 0 where there is one cluster alone.

    What the values of a cluster have in common does not average out within it, so their influences are added up before
    they are squared.
    """
    names, place = np.unique(np.asarray(clusters), return_inverse=True)
    count = names.size
    if count < 2:
        return 0.0
    sums = np.bincount(place, weights=influence, minlength=count)
    return float(np.sqrt((sums**2).sum() * count / (count - 1)))


def _bounded(
    centre: float, influence: Floats, allowance: float, degrees: float, error: float, confidence: float
) -> Location:
    half = t_quantile(degrees, confidence) * error + allowance
    surplus = max(abs(centre) - allowance, 0.0)
    ratio = surplus / error if error > 0 else math.inf if surplus > 0 else 0.0
    return Location(
        centre=centre, low=centre - half, high=centre + half, p_value=2 * t_tail(ratio, degrees),
        influence=influence, allowance=allowance, degrees=degrees,
    )  # fmt: skip
