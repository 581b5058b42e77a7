"""Student's t distribution and exact bounds of a share, so that the project needs no SciPy for a few functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache


def t_tail(t: float, degrees: float) -> float:
    """Return the probability of more than ``t`` (≥ 0): half the regularised incomplete beta function.

    Relative accuracy is better than 1e-9 for degrees of freedom from 1 to 1000. Rule: Abramowitz and Stegun, 26.7.1.
    """
    if math.isinf(t):
        return 0.0
    square = t * t
    if square < degrees:  # the complement: beside the degrees a small t would be rounded away
        return 0.5 - 0.5 * _regularised_beta(0.5, degrees / 2, square / (degrees + square))
    return 0.5 * _regularised_beta(degrees / 2, 0.5, degrees / (degrees + square))


@lru_cache(maxsize=4096)
def t_quantile(degrees: float, confidence: float) -> float:
    """Return the ``t`` within which, to both sides of 0, the given share of the distribution lies."""
    target = (1 - confidence) / 2
    low, high = 0.0, 1.0
    while t_tail(high, degrees) > target:
        low, high = high, 2 * high
    for _ in range(60):  # halves the bracket below double precision
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, degrees) > target else (low, middle)
    return high


def share_bounds(found: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Clopper and Pearson's bounds of a share of which ``found`` in ``of`` trials were seen.

    Each bound by itself holds with ``confidence``: the true share lies below the upper one so surely.
    """
    if of == 0:
        return 0.0, 1.0
    error = 1 - confidence
    # At most `found` hits have the probability I_{1-p}(of - found, found + 1), at least `found` I_p(found, of-found+1).
    low = 0.0 if found == 0 else _solve(lambda p: _regularised_beta(found, of - found + 1, p) - error)
    high = 1.0 if found == of else _solve(lambda p: error - _regularised_beta(of - found, found + 1, 1 - p))
    return low, high


def _solve(rising: Callable[[float], float]) -> float:
    """Return where a function that rises from below 0 to above 0 between 0 and 1 is 0."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def _regularised_beta(a: float, b: float, x: float) -> float:
    """Return I_x(a, b) by its continued fraction (Abramowitz and Stegun, 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast only below this
        return 1 - _regularised_beta(b, a, 1 - x)
    scale = a * math.log(x) + b * math.log1p(-x) - (math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b))
    return math.exp(scale) / a / _continued_fraction(a, b, x)


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Evaluate 1 + d1/(1 + d2/(1 + …)) from its tail; 200 terms are far more than double precision needs here."""
    value = 1.0
    for term in range(200, 0, -1):
        half, odd = divmod(term, 2)
        if odd:
            d = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            d = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        value = 1.0 + d / value
    return value
