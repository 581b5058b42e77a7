"""A sequential test of one layer's times against its own frozen baseline.

Times of single calls have heavy tails, and what slows one slows the next. So the test looks at medians of blocks of
calls, in logarithms. The first blocks are the baseline; its median and the spread of its blocks are frozen. From then
on a sum is kept of how far each block lies above the baseline by more than a slack, never below 0 (Page's CUSUM); a
block counts for no more than ``most``. The sum raises an alarm at a bound. The figures were chosen by the false alarms
of a day, by ``docs/tables/drift.py``; docs/decisions/0032-monitor.md has the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from poolbench.analyse.estimate.student import t_quantile

_MAD_TO_SD = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a layer counts as slower.

    ``block`` calls make a median, ``baseline`` blocks the baseline, after ``warm_up`` calls that count for nothing. The
    baseline takes ``baseline_s`` seconds at least, so that what is around it can be told.
    ``slack`` is the slowdown that is tolerated for ever, ``bound`` the sum that raises an alarm, ``most`` what a block
    counts at most; these three are in logarithms of the time. Each is ``spread`` times the spread of the baseline's
    blocks where that is more.
    """

    block: int = 15
    baseline: int = 20
    warm_up: int = 5
    baseline_s: float = 3.0
    slack: float = 0.05
    bound: float = 0.25
    most: float = 0.15
    slack_spreads: float = 1.0
    bound_spreads: float = 12.0
    confidence: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What an alarm found: the logarithm of the time's ratio to the baseline, with its interval."""

    size: float
    low: float
    high: float
    is_back: bool = False


class Cusum:
    """Watches medians of blocks. ``take`` returns a Shift when there is an alarm.

    After an alarm the new level is what a further slowdown is seen against; when times are back at the baseline for
    long enough, that is a shift as well, with ``is_back``.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._first: list[float] = []
        self.centre = math.nan
        self.spread = math.nan
        self._reference = math.nan
        self._above = self._below = 0.0
        self._since_above: list[float] = []
        self._since_below: list[float] = []
        self._slack = self._bound = self._most = math.nan

    def has_baseline(self) -> bool:
        """Whether the baseline is known."""
        return not math.isnan(self.centre)

    def take(self, value: float, *, may_freeze: bool = True) -> Shift | None:
        """Take in the median of a block, as a logarithm of nanoseconds.

        The baseline is frozen when there are enough blocks and ``may_freeze``.
        """
        if not self.has_baseline():
            self._first.append(value)
            if len(self._first) >= self._rule.baseline and may_freeze:
                self._freeze()
            return None
        step = min(value - self._reference, self._most) - self._slack
        self._above, self._since_above = _grown(self._above, self._since_above, step, value)
        if self._above > self._bound:
            return self._alarm(self._since_above, is_back=False)
        if self._reference > self.centre:
            step = min(self._reference - value, self._most) - self._slack
            self._below, self._since_below = _grown(self._below, self._since_below, step, value)
            if self._below > self._bound:
                return self._alarm(self._since_below, is_back=True)
        return None

    def forget(self) -> None:
        """Take back what the last alarm changed: times are seen against the baseline again."""
        self._reference = self.centre

    def ratio(self, value: float) -> float:
        """Return the time over the baseline's, of a block's median."""
        return math.exp(value - self.centre)

    def interval(self, values: Sequence[float]) -> Shift:
        """Return how far ``values`` lie from the baseline, with an interval of both their means' errors."""
        count, centre = len(values), math.fsum(values) / len(values)
        own = self.spread if count < 2 else max(_deviation(values), self.spread)
        # Blocks that follow each other are alike: the interval is that of independent ones, made half as wide again.
        error = 1.5 * math.hypot(own / math.sqrt(count), self.spread / math.sqrt(self._rule.baseline))
        half = t_quantile(max(count - 1, 1), self._rule.confidence) * error if count > 1 else 12.7 * error
        size = centre - self.centre
        return Shift(size=size, low=size - half, high=size + half)

    def _alarm(self, values: Sequence[float], *, is_back: bool) -> Shift | None:
        found = self.interval(values)
        self._above = self._below = 0.0
        self._since_above, self._since_below = [], []
        near = found.size < self._slack
        self._reference = self.centre if near else self.centre + found.size
        if is_back and not near:  # the level was put too high, and times are not back
            return None
        return Shift(size=found.size, low=found.low, high=found.high, is_back=is_back)

    def _freeze(self) -> None:
        rule = self._rule
        self.centre = self._reference = median(self._first)
        self.spread = max(_MAD_TO_SD * median([abs(value - self.centre) for value in self._first]), 1e-4)
        self._slack = max(rule.slack, rule.slack_spreads * self.spread)
        self._bound = max(rule.bound, rule.bound_spreads * self.spread)
        self._most = max(rule.most, 3 * self._slack)
        self._first = []


def _grown(total: float, since: list[float], step: float, value: float) -> tuple[float, list[float]]:
    """Return the sum with ``step`` and the blocks since it last was 0; no more than the latest hundred of them."""
    total = max(total + step, 0.0)
    if not total:
        return 0.0, []
    since.append(value)
    return total, since[-100:]


def _deviation(values: Sequence[float]) -> float:
    centre = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))
