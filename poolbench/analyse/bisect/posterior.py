"""A posterior over the places at which a series may have changed its speed once, or nowhere.

Place 0 is the anchor, whose log ratio is 0 by definition. A reading is the log ratio of a later place to it. Either
nothing changed, or from one place on each workload is off by an amount of its own, which may be none. What the amounts
are is integrated over, so that nothing has to be chosen before the place is known
(``docs/decisions/0037-bisection.md``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was measured of a place on a workload: its log ratio to the anchor, from launches of ``runs`` runs.

    ``error`` is its standard error, of ``degrees`` of freedom.
    """

    workload: str
    place: int
    log_ratio: float
    error: float
    degrees: float
    runs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What is taken for granted. Fixed before anything is measured.

    ``least`` and ``most`` bound the log ratio of a change, which is as likely in each octave between them. ``floor`` is
    by how much a place errs in a run beyond what its launches show: builds and processes lie differently in memory.
    ``correlation`` is how much of their errors the workloads of one run share. ``touched`` is the chance that a change
    concerns a workload, ``unchanged`` that there is none at all. No run is trusted more than ``degrees`` of freedom
    allow, since some are off for reasons of the machine.
    """

    least: float = 0.015
    most: float = 2.0
    floor: float = 0.004
    correlation: float = 0.1
    touched: float = 0.5
    unchanged: float = 0.5
    degrees: float = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """By how much a workload changed: the ratio of the times with its 95 % interval, and the chance that it did."""

    workload: str
    ratio: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """``weights`` has the chance of each place from 1 on to be the first that is changed, ``none`` that none is."""

    weights: Floats
    none: float
    sizes: tuple[Size, ...] = ()

    def between(self, first: int, last: int) -> float:
        """Return the chance that the change is at one of the places ``first`` to ``last``."""
        return float(self.weights[first - 1 : last].sum())

    def changed_by(self, place: int) -> float:
        """Return the chance that ``place`` is changed, given that there is a change."""
        whole = float(self.weights.sum())
        return self.between(1, place) / whole if whole > 0 else 0.0


def believe(
    readings: Sequence[Reading], places: int, assumptions: Assumptions | None = None, *, prior: Floats | None = None
) -> Belief:
    """Return what ``readings`` say of ``places`` (those behind the anchor). ``prior`` are the places' own weights."""
    given = assumptions or Assumptions()
    workloads = sorted({reading.workload for reading in readings})
    even = np.full(places, 1 / places) if prior is None else prior / prior.sum()
    if not workloads:
        return Belief(weights=even * (1 - given.unchanged), none=given.unchanged)
    # Workloads of a run err together: so many of them are worth fewer.
    share = 1 / (1 + given.correlation * (len(workloads) - 1))
    parts = [_Part.of([r for r in readings if r.workload == w], places, given, share) for w in workloads]
    untouched = len(parts) * math.log1p(-given.touched)
    unchanged = sum(part.unchanged for part in parts)
    # A change touches one workload at least: what of the product touches none is taken away.
    product = sum((part.mixed for part in parts), np.zeros(places))
    rest = np.maximum(-np.expm1(np.minimum(untouched + unchanged - product, 0.0)), 1e-300)
    with np.errstate(divide="ignore"):
        changed = (
            np.log(even) + math.log1p(-given.unchanged) + product + np.log(rest) - math.log(-math.expm1(untouched))
        )
    none = math.log(given.unchanged) + unchanged
    top = max(float(changed.max()), none)
    weights, nothing = np.exp(changed - top), math.exp(none - top)
    whole = float(weights.sum()) + nothing
    weights /= whole
    sizes = tuple(part.size(name, weights) for name, part in zip(workloads, parts, strict=True))
    return Belief(weights=weights, none=nothing / whole, sizes=sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One workload: log likelihoods by place, of a change that concerns it (by amount) or may, and of none."""

    amounts: Floats
    by_amount: Floats
    touched: Floats
    mixed: Floats
    chances: Floats
    unchanged: float

    @classmethod
    def of(cls, readings: Sequence[Reading], places: int, given: Assumptions, share: float) -> _Part:
        at = np.array([reading.place for reading in readings])
        values = np.array([reading.log_ratio for reading in readings])
        scales = np.array([math.hypot(each.error, given.floor / math.sqrt(max(each.runs, 1))) for each in readings])
        # That two runs are both off for such reasons is as improbable as it is twice.
        degrees = np.array([min(max(each.degrees, 1.0), given.degrees * max(each.runs, 1)) for each in readings])
        amounts, log_prior = _amounts(values, scales, given)
        before = share * _log_t(values / scales, degrees)
        after = share * _log_t((values[:, None] - amounts) / scales[:, None], degrees[:, None])
        is_after = at[:, None] >= np.arange(1, places + 1)  # by reading and place of the change
        by_amount = (~is_after).T.astype(float) @ before[:, None] + is_after.T.astype(float) @ after + log_prior
        touched = _log_sum(by_amount, axis=1)
        unchanged = float(before.sum())
        mixed = np.logaddexp(math.log(given.touched) + touched, math.log1p(-given.touched) + unchanged)
        chances = np.exp(math.log(given.touched) + touched - mixed)
        return cls(
            amounts=amounts, by_amount=by_amount, touched=touched, mixed=mixed, chances=chances, unchanged=unchanged
        )

    def size(self, name: str, weights: Floats) -> Size:
        """Return by how much the workload changed, over the places as ``weights`` believe in them."""
        places = weights / weights.sum()
        chance = float(places @ self.chances)
        over = places @ np.exp(self.by_amount - self.touched[:, None])
        rising = np.cumsum(over) / over.sum()
        low, middle, high = (math.exp(self.amounts[np.searchsorted(rising, q)]) for q in (0.025, 0.5, 0.975))
        return Size(workload=name, ratio=middle, low=low, high=high, chance=chance)


def _amounts(values: Floats, scales: Floats, given: Assumptions) -> tuple[Floats, Floats]:
    """Return the amounts that a change is summed over, and the logarithms of their weights.

    They lie evenly by octaves, and densely about each reading.
    """
    wide = np.geomspace(given.least, given.most, 120)
    near = (values[:, None] + scales[:, None] * np.linspace(-6, 6, 49)).ravel()
    found = np.concatenate([wide, -wide, near[(np.abs(near) >= given.least) & (np.abs(near) <= given.most)]])
    found = np.unique(found)
    widths = np.empty_like(found)
    for side in (found > 0, found < 0):
        positions = np.log(np.abs(found[side]))
        edges = np.concatenate([positions[:1], (positions[1:] + positions[:-1]) / 2, positions[-1:]])
        widths[side] = np.abs(np.diff(edges))
    return found, np.log(widths / widths.sum())


def _log_t(values: Floats, degrees: Floats) -> Floats:
    """Return the logarithm of Student's density, less what does not depend on the value."""
    result: Floats = -(degrees + 1) / 2 * np.log1p(values**2 / degrees)
    return result


def _log_sum(values: Floats, *, axis: int) -> Floats:
    top = values.max(axis=axis, keepdims=True)
    result: Floats = np.log(np.exp(values - top).sum(axis=axis)) + top.squeeze(axis)
    return result
