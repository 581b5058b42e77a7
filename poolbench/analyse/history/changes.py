"""Changes in a series: at which point which workloads became faster or slower, and by how much.

Each workload's series is cut by itself (``segments``), and so is that of their geometric mean, which shows what moves
all of them a little. Steps of several workloads that may be one and the same are put at the place that fits them all;
the other workloads are then asked at that place alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from poolbench.analyse.estimate.paired import holm
from poolbench.analyse.estimate.student import t_quantile, t_tail
from poolbench.analyse.history.segments import (
    LOCATION_DEFICIT,
    Observations,
    Step,
    contrast,
    find_steps,
    inflated,
    observations,
)

ERROR_RATE = 0.02
"""The nominal chance of a change in a whole table in which nothing changes. The measured one is below a half of it,
since correcting for the places of a step assumes that they were independent (docs/decisions/0012-change-points.md)."""

TOUCHED_ERROR = 0.01
"""The chance that one workload too many is named at a change."""

NORMAL_99 = 2.326
"""The 99 % point of the normal distribution."""

MEAN = "geometric mean"
"""The name of the series of the workloads' mean."""


class Direction(StrEnum):
    """What happened to the times."""

    FASTER = "faster"
    SLOWER = "slower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A workload's series. ``points`` are the places of its observations in the whole series, ascending.

    ``values`` are log ratios, ``errors`` their standard errors with ``degrees`` of freedom, all of one length.
    """

    points: tuple[int, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    degrees: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a change did to one workload: its time after, over that before, with its interval."""

    workload: str
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change between the points ``before`` and ``after`` of the series (places in it).

    It lies surely behind ``earliest`` and not behind ``latest``. ``ratio`` with its interval is the mean over the
    workloads that it touches (``effects``); ``p_value`` is corrected for all places and workloads that were looked at.
    """

    before: int
    after: int
    earliest: int
    latest: int
    direction: Direction
    ratio: float
    low: float
    high: float
    p_value: float
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """A step of one workload, in places of the whole series: it lies in one of the gaps behind these points."""

    workload: str
    step: Step
    gains: dict[int, float]


def find_changes(
    tracks: Mapping[str, Track],
    *,
    mean: Track | None = None,
    confidence: float = 0.95,
    error_rate: float = ERROR_RATE,
) -> list[Change]:
    """Return the changes in a series, in order. ``mean`` is the track of the workloads' geometric mean.

    Workloads with fewer than two observations say nothing.
    """
    named = {name: track for name, track in tracks.items() if len(track.points) > 1}
    if mean is not None and len(mean.points) > 1 and len(named) > 1:
        named[MEAN] = mean
    if not named:
        return []
    series = dict(
        zip(
            named,
            inflated([observations(track.values, track.errors, track.degrees) for track in named.values()]),
            strict=True,
        )
    )
    steps = {name: find_steps(one, error_rate=error_rate / len(named)) for name, one in series.items()}
    found = [
        _Found(workload=name, step=step, gains=_gains(step, named[name].points))
        for name, of_one in steps.items()
        for step in of_one
    ]
    changes: list[Change] = []
    while found:
        strongest = min(found, key=lambda one: one.step.p_value)
        together = _together(strongest, found)
        gap = _best_gap(together)
        found = [one for one in found if one not in together]
        change = _change(gap, together, named, series, steps, confidence)
        if not any(
            (one.before, one.after) == (change.before, change.after) and one.direction is change.direction
            for one in changes
        ):
            changes.append(change)
    return sorted(changes, key=lambda one: (one.before, one.direction))


def _gains(step: Step, points: Sequence[int]) -> dict[int, float]:
    """Return the gain of each possible gap: the gap g lies between the points g and g + 1 of the whole series."""
    gains = {}
    for place in range(step.first, step.last + 1):
        if place != step.place and step.gains.get(place, 0.0) <= step.gains[step.place] - LOCATION_DEFICIT:
            continue
        for gap in range(points[place - 1], points[place]):  # a point that this workload lacks leaves several
            gains[gap] = step.gains.get(place, 0.0)
    return gains


def _together(strongest: _Found, found: Sequence[_Found]) -> list[_Found]:
    """Return the steps in one direction that may be the same as the strongest: some gap is possible for them all."""
    together = [strongest]
    for one in sorted(found, key=lambda one: one.step.p_value):
        is_same_way = one.step.size * strongest.step.size > 0
        if one is not strongest and is_same_way and one.workload not in {each.workload for each in together}:
            wider = [*together, one]
            gains = _joint_gains(wider)
            apart = sum(max(each.gains.values()) for each in wider)
            if gains and max(gains.values()) > apart - joint_deficit(len(wider)):
                together = wider
    return together


def joint_deficit(steps: int) -> float:
    """Return how much larger the sum of squares may be where ``steps`` share a place: the 99 % point of χ², about.

    By Wilson and Hilferty (1931); for one it is LOCATION_DEFICIT.
    """
    part = 2 / (9 * steps)
    return max(steps * (1 - part + NORMAL_99 * math.sqrt(part)) ** 3, LOCATION_DEFICIT)


def _joint_gains(together: Sequence[_Found]) -> dict[int, float]:
    """Return the summed gain of each gap that is possible for all."""
    common = set.intersection(*(set(one.gains) for one in together))
    return {gap: sum(one.gains[gap] for one in together) for gap in sorted(common)}


def _best_gap(together: Sequence[_Found]) -> int:
    gains = _joint_gains(together)
    return max(gains, key=lambda gap: gains[gap])


def _change(
    gap: int,
    together: Sequence[_Found],
    tracks: Mapping[str, Track],
    series: Mapping[str, Observations],
    steps: Mapping[str, Sequence[Step]],
    confidence: float,
) -> Change:
    sign = math.copysign(1.0, together[0].step.size)
    asked: dict[str, tuple[float, float, float]] = {}
    for name, track in tracks.items():
        place = sum(point <= gap for point in track.points)
        if name == MEAN or not 0 < place < len(track.points):
            continue
        others = [step.place for step in steps[name] if not step.first <= place <= step.last]
        begin = max((other for other in others if other < place), default=0)
        end = min((other for other in others if other > place), default=len(track.points))
        asked[name] = contrast(series[name], begin, place, end)
    adjusted = holm({name: 2 * t_tail(abs(size) / error, degrees) for name, (size, error, degrees) in asked.items()})
    itself = {one.workload for one in together}
    touched = {
        name: asked[name]
        for name in asked
        if asked[name][0] * sign > 0 and (adjusted[name] < TOUCHED_ERROR or name in itself)
    }
    # Errors may be shared by all workloads, as a run's environment is: no root of their number divides them.
    parts = list(touched.values()) or [(one.step.size, one.step.error, one.step.degrees) for one in together]
    size, error = (sum(part[index] for part in parts) / len(parts) for index in (0, 1))
    half = t_quantile(round(min(part[2] for part in parts), 1), confidence) * error
    common = _joint_gains(together)
    known = sorted({point for one in together for point in tracks[one.workload].points})
    return Change(
        before=max(point for point in known if point <= gap),
        after=min(point for point in known if point > gap),
        earliest=max(point for point in known if point <= min(common)),
        latest=min(point for point in known if point > max(common)),
        direction=Direction.SLOWER if sign > 0 else Direction.FASTER,
        ratio=math.exp(size),
        low=math.exp(size - half),
        high=math.exp(size + half),
        p_value=min(min(one.step.place_p_value for one in together) * len(tracks), 1.0),
        effects=tuple(_effect(name, *touched[name], confidence) for name in touched),
    )


def _effect(workload: str, size: float, error: float, degrees: float, confidence: float) -> Effect:
    half = t_quantile(round(degrees, 1), confidence) * error
    return Effect(workload=workload, ratio=math.exp(size), low=math.exp(size - half), high=math.exp(size + half))
