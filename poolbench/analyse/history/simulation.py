"""How often changes are found, and found where there is none: by simulation, for several ways of looking.

A point of a simulated series is a run: launches with heavy tails (Student's t with four degrees of freedom), and an
offset of its own that no number of launches averages out. docs/decisions/0012-change-points.md tells what came of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from poolbench.analyse.estimate.location import huber, standard_error
from poolbench.analyse.history.changes import ERROR_RATE
from poolbench.analyse.history.segments import ENVIRONMENT_SD, Floats, find_steps, inflated, observations
from poolbench.store.asv import detect_steps

TAIL_DEGREES = 4
"""Launches are distributed like Student's t with so many degrees of freedom, scaled to their standard deviation."""

OUTLIER = 0.04
OUTLIER_SHARE = 0.05
DRIFT = 0.01
STEPS = (0.02, 0.03, 0.05, 0.1)

SETTINGS = (
    (4, 0.005, 8),
    (4, 0.01, 5),
    (10, 0.005, 8),
    (10, 0.01, 3),
    (10, 0.01, 5),
    (10, 0.01, 12),
    (10, 0.02, 5),
    (30, 0.01, 5),
)
"""Number of points, standard error of a point, launches behind it."""

ASV = "asv's detect_steps"
PELT = "ruptures' Pelt"
OWN = "own"
CONFIRMED = "own, measured again"
"""A step counts only if it is still there when the points beside it have been measured a second time."""

PELT_PENALTY = 4.0
"""In units of log n, on values over their typical standard error: twice the criterion of Schwarz for a mean and a
place, which reports a change in every second series without one."""

MOST_ASV_TRIALS = 50
"""asv's search takes up to a quarter of a second for a series; the others take a few milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is planted: a ``step`` at a random place, a ``drift`` over the whole series, a share of ``outliers``."""

    name: str
    step: float = 0.0
    drift: float = 0.0
    outliers: float = 0.0


SCENARIOS = (
    Scenario(name="identical"),
    Scenario(name="drift", drift=DRIFT),
    Scenario(name="outliers", outliers=OUTLIER_SHARE),
    *(Scenario(name=f"step {step:.0%}", step=step) for step in STEPS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often, of ``trials``, a change was reported (without a step), or the planted step alone and in its place."""

    points: int
    error: float
    launches: int
    scenario: Scenario
    method: str
    hits: int
    trials: int

    @property
    def share(self) -> float:
        """The rate."""
        return self.hits / self.trials


@dataclass(slots=True)
class World:
    """Draws the launches of one series' points; a point that is drawn again is another run of the same truth."""

    rng: np.random.Generator
    truth: Floats
    launch_sd: float
    launches: int
    outliers: float

    def run(self, point: int) -> Floats:
        """Return the launches of one run of a point: log ratios, of shape (launches,)."""
        scale = self.launch_sd / math.sqrt(TAIL_DEGREES / (TAIL_DEGREES - 2))
        values = self.truth[point] + scale * self.rng.standard_t(TAIL_DEGREES, self.launches)
        values += self.rng.normal(0.0, ENVIRONMENT_SD)
        if self.rng.random() < self.outliers:
            values += self.rng.choice((-OUTLIER, OUTLIER))
        return np.asarray(values)


Method = Callable[[World, list[Floats]], list[int]]


def simulate(
    *,
    trials: int,
    seed: int,
    settings: Sequence[tuple[int, float, int]] = SETTINGS,
    scenarios: Sequence[Scenario] = SCENARIOS,
    methods: Sequence[str] = (),
) -> Iterator[Rate]:
    """Yield the rates of every setting, scenario and method; each series is shown to all methods.

    ``methods`` are by default all whose packages are installed.
    """
    chosen = {name: _METHODS[name] for name in methods or available_methods()}
    for number, (points, error, launches) in enumerate(settings):
        for index, scenario in enumerate(scenarios):
            rng = np.random.default_rng((seed, number, index))
            hits, tried = dict.fromkeys(chosen, 0), dict.fromkeys(chosen, 0)
            for trial in range(trials):
                world, place = draw(rng, scenario, points, error, launches)
                runs = [world.run(point) for point in range(points)]
                for name, method in chosen.items():
                    if name == ASV and trial >= MOST_ASV_TRIALS:
                        continue
                    tried[name] += 1
                    places = method(world, runs)
                    hits[name] += places == [place] if scenario.step else bool(places)
            for name, count in hits.items():
                yield Rate(
                    points=points, error=error, launches=launches, scenario=scenario,
                    method=name, hits=count, trials=tried[name],
                )  # fmt: skip


def available_methods() -> list[str]:
    """Return the methods that can be tried here."""
    needs = {ASV: "asv", PELT: "ruptures"}
    return [name for name in _METHODS if name not in needs or find_spec(needs[name]) is not None]


def draw(rng: np.random.Generator, scenario: Scenario, points: int, error: float, launches: int) -> tuple[World, int]:
    """Return a world of so many ``points`` and the place of its step; without a step the place means nothing."""
    place = int(rng.integers(1, points))
    truth = scenario.drift * np.linspace(-0.5, 0.5, points)
    truth = truth + np.where(np.arange(points) >= place, math.log1p(scenario.step), 0.0)
    world = World(
        rng=rng, truth=truth, launch_sd=error * math.sqrt(launches), launches=launches, outliers=scenario.outliers
    )
    return world, place


def reduced(runs: Sequence[Floats]) -> tuple[list[float], list[float], list[float]]:
    """Return each point's log ratio, its standard error and that one's degrees of freedom."""
    parts = [huber(values) for values in runs]
    errors = [float(standard_error(influence)) for _, influence, _, _ in parts]
    return [float(part[0]) for part in parts], errors, [float(part[3]) for part in parts]


def _own(world: World, runs: list[Floats]) -> list[int]:
    (series,) = inflated([observations(*reduced(runs))])
    return [step.place for step in find_steps(series, error_rate=ERROR_RATE)]


def _confirmed(world: World, runs: list[Floats]) -> list[int]:
    again = list(runs)
    seen: set[int] = set()
    while (places := _own(world, again)) and (beside := {p for place in places for p in (place - 1, place)} - seen):
        for point in sorted(beside):
            again[point] = np.concatenate((again[point], world.run(point)))
        seen |= beside
    return places


def _pelt(world: World, runs: list[Floats]) -> list[int]:
    import ruptures

    values, errors, _ = reduced(runs)
    scaled = np.asarray(values) / math.sqrt(float(np.median(np.square(errors))) + ENVIRONMENT_SD**2)
    search = ruptures.Pelt(model="l2", min_size=1, jump=1).fit(scaled.reshape(-1, 1))
    return [int(place) for place in search.predict(pen=PELT_PENALTY * math.log(len(values)))[:-1]]


def _asv(world: World, runs: list[Floats]) -> list[int]:
    values, errors, _ = reduced(runs)
    return [step.begin for step in detect_steps(values, [error**-2 for error in errors])[1:]]


_METHODS: dict[str, Method] = {OWN: _own, CONFIRMED: _confirmed, PELT: _pelt, ASV: _asv}
