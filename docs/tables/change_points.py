"""Print which changes poolbench, asv and Apache Otava find in the same series.

    python docs/tables/change_points.py --otava FOLDER [--series 50] [--seed 1]

FOLDER is a virtual environment with apache-otava and otava-test-data; it is made where there is none. The series are
those of otava-test-data, one number a point, and simulated histories of poolbench, of which poolbench knows the
launches and the others the values (asv the errors as well).

A change is detected where one is reported at most two points beside it. What is reported elsewhere is false. The delay
is how many points there are after the change when it is first detected, as points are added one by one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poolbench.analyse.history.changes import ERROR_RATE
from poolbench.analyse.history.segments import Floats, find_steps, inflated, observations
from poolbench.analyse.history.simulation import Scenario, draw, reduced
from poolbench.analyse.history.single import LEAST_READINGS, single_steps
from poolbench.store.asv import detect_steps

NEAR = 2
MOST_DELAY = 15
PEER = Path(__file__).with_name("change_points_peer.py")
SETTINGS = ((10, 0.01, 5), (30, 0.01, 5))
SCENARIOS = (
    Scenario(name="no change"),
    Scenario(name="drift of 1 %", drift=0.01),
    Scenario(name="outliers of 4 %", outliers=0.05),
    *(Scenario(name=f"step of {step:.0%}", step=step) for step in (0.03, 0.05, 0.1)),
)
PACKAGES = ("apache-otava==0.8.0", "otava-test-data==0.1.9", "numpy==2.2.0", "scipy==1.16.3")
"""Otava's search needs no more of what Otava depends on."""
OTAVA_LEVELS = (0.001, ERROR_RATE)
"""Otava's usual p-value, and the error rate that poolbench's search has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One series: ``values`` are positive, ``changes`` the true places, ``runs`` the launches where they are known."""

    name: str
    values: tuple[float, ...]
    changes: tuple[int, ...]
    runs: tuple[Floats, ...] = ()

    def until(self, end: int) -> Case:
        """Return the first ``end`` points."""
        seen = tuple(place for place in self.changes if place < end)
        return Case(name=self.name, values=self.values[:end], changes=seen, runs=self.runs[:end])


Search = Callable[[Sequence[Case]], list[list[int]]]


def own(cases: Sequence[Case]) -> list[list[int]]:
    """Return what poolbench finds: by the launches' errors, or where there are none, by the neighbours'."""
    found = []
    for case in cases:
        if case.runs:
            (series,) = inflated([observations(*reduced(case.runs))])
            found.append([step.place for step in find_steps(series, error_rate=ERROR_RATE)])
        else:
            enough = len(case.values) >= LEAST_READINGS
            found.append([step.place for step in single_steps(case.values)] if enough else [])
    return found


def asv(cases: Sequence[Case]) -> list[list[int]]:
    """Return what asv finds, with the errors as weights where they are known."""
    found = []
    for case in cases:
        weights = [error**-2 for error in reduced(case.runs)[1]] if case.runs else None
        found.append([step.begin for step in detect_steps(case.values, weights)[1:]])
    return found


def otava(python: Path, level: float) -> Search:
    """Return Otava's search at a p-value."""

    def search(cases: Sequence[Case]) -> list[list[int]]:
        text = json.dumps([case.values for case in cases])
        done = subprocess.run(
            [python, PEER, "find", str(level)], input=text, capture_output=True, text=True, check=True
        )
        return [[int(place) for place in places] for places in json.loads(done.stdout)]

    return search


def environment(folder: Path) -> Path:
    """Return the interpreter of the environment in ``folder``, made where there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "apache-otava==0.8.0", "otava-test-data==0.1.9"], check=True
        )
    return python


def simulated(series: int, seed: int) -> list[Case]:
    """Return ``series`` histories of each scenario and setting."""
    cases = []
    for number, (points, error, launches) in enumerate(SETTINGS):
        for index, scenario in enumerate(SCENARIOS):
            rng = np.random.default_rng((seed, number, index))
            for _ in range(series):
                world, place = draw(rng, scenario, points, error, launches)
                runs = tuple(world.run(point) for point in range(points))
                values = tuple(float(value) for value in np.exp(reduced(runs)[0]))
                changes = (place,) if scenario.step else ()
                cases.append(Case(name=f"{scenario.name}, {points} points", values=values, changes=changes, runs=runs))
    return cases


def hit(change: int, places: Sequence[int]) -> bool:
    """Whether ``change`` is among the reported ``places``."""
    return any(abs(place - change) <= NEAR for place in places)


def delays(cases: Sequence[Case], search: Search) -> list[int | None]:
    """Return after how many points the first change of each case that has one is detected; None for never."""
    tried = [
        (number, end - case.changes[0], case.until(end))
        for number, case in enumerate(cases)
        if case.changes
        for end in range(case.changes[0] + 1, min(case.changes[0] + MOST_DELAY, len(case.values)) + 1)
    ]
    first: dict[int, int] = {}
    for (number, delay, part), places in zip(tried, search([part for *_, part in tried]), strict=True):
        if hit(part.changes[0], places):
            first.setdefault(number, delay)
    return [first.get(number) for number, case in enumerate(cases) if case.changes]


def line(method: str, cases: Sequence[Case], search: Search) -> str:
    """Return one line of the table: a method on the series of one name."""
    found = search(cases)
    changes = [(change, places) for case, places in zip(cases, found, strict=True) for change in case.changes]
    false = [[p for p in places if not hit(p, case.changes)] for case, places in zip(cases, found, strict=True)]
    share = f"{sum(hit(*each) for each in changes) / len(changes):.0%}" if changes else "–"
    times = delays(cases, search) if changes else []
    # One that is never detected is later than all that are: so the median stands, or there is none.
    middle = statistics.median_low([MOST_DELAY + 1 if time is None else time for time in times]) if times else 0
    delay = "–" if not times else f"> {MOST_DELAY}" if middle > MOST_DELAY else str(middle)
    return f"| {cases[0].name} | {method} | {share} | {sum(map(bool, false)) / len(cases):.0%} | {delay} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--otava", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--series", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    python = environment(options.otava)
    made = subprocess.run([python, PEER, "make", str(options.series)], capture_output=True, text=True, check=True)
    cases = [
        Case(name=one["case"], values=tuple(one["values"]), changes=tuple(one["changes"]))
        for one in json.loads(made.stdout)
    ] + simulated(options.series, options.seed)
    methods: dict[str, Search] = {"poolbench": own, "asv": asv}
    methods |= {f"Otava, p {level:g}": otava(python, level) for level in OTAVA_LEVELS}
    print("| series | method | detected | series with a false one | delay, median |\n|---|---|---:|---:|---:|")
    for name in dict.fromkeys(case.name for case in cases):
        for method, search in methods.items():
            print(line(method, [case for case in cases if case.name == name], search))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
