"""A quantity that was measured, and how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A positive quantity, such as a ratio of times, with its interval (0 to infinity where it is unknown)."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the interval's length on the log scale: 0.02 is ±2 %. Infinite where the interval is unbounded."""
        if self.low <= 0 or not math.isfinite(self.high):
            return math.inf
        return math.log(self.high / self.low) / 2
