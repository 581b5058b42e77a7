"""Where to measure next, and what can be answered: a commit, a range, or that no difference was found."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from poolbench.analyse.bisect.posterior import Assumptions, Belief, Reading, believe

CONFIDENCE = 0.95

OPEN = 0.1
"""While the chance that nothing changed is between this and being sure of it, the last place is measured again."""


class Answer(StrEnum):
    """What a bisection found."""

    COMMIT = "commit"
    RANGE = "range"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The places ``first`` to ``last`` hold the change with ``chance``; both are 0 where none was found.

    ``is_sure`` says that the asked probability was reached; where it was not, a range is the shortest that has it, and
    with no difference found ``chance`` is that of none. ``is_one_step`` is False where the readings do not fit a single
    change.
    """

    answer: Answer
    first: int
    last: int
    chance: float
    is_sure: bool
    belief: Belief
    is_one_step: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Places 0 (the anchor) to ``last``. ``skipped`` cannot be measured, ``repeats`` are the build before them."""

    last: int
    skipped: frozenset[int] = frozenset()
    repeats: frozenset[int] = frozenset()

    @property
    def measurable(self) -> list[int]:
        """The places behind the anchor at which something can be read."""
        return [p for p in range(1, self.last + 1) if p not in self.skipped and p not in self.repeats]

    @property
    def classes(self) -> list[tuple[int, int]]:
        """The stretches that no reading can tell apart inside: each ends with a place that can be measured."""
        begin, found = 1, []
        for place in self.measurable:
            while begin in self.repeats and begin < place:
                begin += 1  # a mere repetition changes nothing
            found.append((begin, place))
            begin = place + 1
        return found


def belief(readings: Sequence[Reading], series: Series, assumptions: Assumptions | None = None) -> Belief:
    """Return what is believed of the places of ``series``; one that repeats the build before it changes nothing."""
    import numpy as np

    prior = np.array([0.0 if place in series.repeats else 1.0 for place in range(1, series.last + 1)])
    return believe(readings, series.last, assumptions, prior=prior)


def next_place(believed: Belief, series: Series, seen: Collection[int], confidence: float = CONFIDENCE) -> int | None:
    """Return the place that is to be measured next, None where enough is known.

    ``seen`` holds each place as often as it was measured.
    """
    places = series.measurable
    if not places:
        return None
    counts = {place: sum(each == place for each in seen) for place in places}
    last = places[-1]
    if counts[last] == 0:
        return last
    chance = _best(believed, series)[2]
    if believed.none >= confidence or chance >= confidence:
        return None
    elsewhere = believed.between(1, series.last) - chance
    if believed.none > min(OPEN, elsewhere):
        return last
    return min(places, key=lambda place: (round(abs(believed.changed_by(place) - 0.5), 3), counts[place], place))


def finding(believed: Belief, series: Series, readings: Sequence[Reading], confidence: float = CONFIDENCE) -> Finding:
    """Return what can be answered now."""
    first, last, chance = _best(believed, series)
    if chance >= confidence:
        answer = Answer.COMMIT if _candidates(series, first, last) == 1 else Answer.RANGE
        is_one = _fits(believed, readings, last)
        return Finding(
            answer=answer, first=first, last=last, chance=chance, is_sure=True, belief=believed, is_one_step=is_one
        )
    is_seen = any(reading.place == series.measurable[-1] for reading in readings) if series.measurable else False
    if not is_seen or believed.none > OPEN:
        return Finding(
            answer=Answer.NONE,
            first=0,
            last=0,
            chance=believed.none,
            is_sure=is_seen and believed.none >= confidence,
            belief=believed,
        )
    first, last, chance = _shortest(believed, series, confidence)
    is_one = _fits(believed, readings, last)
    return Finding(
        answer=Answer.RANGE, first=first, last=last, chance=chance, is_sure=False, belief=believed, is_one_step=is_one
    )


def _best(believed: Belief, series: Series) -> tuple[int, int, float]:
    found = [(first, last, believed.between(first, last)) for first, last in series.classes]
    return max(found, key=lambda each: each[2], default=(0, 0, 0.0))


def _shortest(believed: Belief, series: Series, confidence: float) -> tuple[int, int, float]:
    """Return the fewest neighbouring stretches that hold the change with ``confidence``, given that there is one."""
    stretches = series.classes
    whole = believed.between(1, series.last)
    for count in range(1, len(stretches) + 1):
        runs = [(stretches[i][0], stretches[i + count - 1][1]) for i in range(len(stretches) - count + 1)]
        first, last = max(runs, key=lambda each: believed.between(*each))
        if believed.between(first, last) >= confidence * whole:
            return first, last, believed.between(first, last)
    return 1, series.last, whole


def _candidates(series: Series, first: int, last: int) -> int:
    return sum(place not in series.repeats for place in range(first, last + 1))


def _fits(believed: Belief, readings: Sequence[Reading], changed_from: int) -> bool:
    """Whether no more is left than noise when one change at ``changed_from`` is taken away."""
    floor = Assumptions().floor
    left = []
    for reading in readings:
        size = next(each for each in believed.sizes if each.workload == reading.workload)
        expected = math.log(size.ratio) if reading.place >= changed_from and size.chance > 0.5 else 0.0
        left.append(((reading.log_ratio - expected) / math.hypot(reading.error, floor)) ** 2)
    return sum(min(each, 50.0) for each in left) < len(left) + 5 * math.sqrt(2 * len(left)) + 5
