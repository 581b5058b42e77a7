from dataclasses import replace
from pathlib import Path

import pytest

from poolbench.fleet.across import across
from poolbench.store.reading import StoredRun
from tests.unit.builders import AVG2D, MAX2D, make_header, make_rows


def run(machine, times, seed=1):
    header = make_header(["numpy", "torch", "limit"], list(times))
    header = replace(header, machine=replace(header.machine, identity=machine))
    rows = [replace(row, machine=machine) for row in make_rows(times, launches=6, seed=seed)]
    return StoredRun(path=Path(machine), header=header, rows=tuple(rows))


def times(numpy, torch, limit=1e5, factor=1.0):
    return {
        MAX2D: {"numpy": factor * numpy, "torch": factor * torch, "limit": factor * limit},
        AVG2D: {"numpy": factor * 2e5, "torch": factor * 4e5, "limit": factor * limit},
    }


def test_a_ranking_that_turns_is_told_where_both_sides_are_sure():
    found = across([run("one", times(2e5, 4e5)), run("two", times(4e5, 2e5))])
    (turn,) = found.turns
    assert (turn.first, turn.faster_on, turn.second, turn.slower_on) == ("numpy", "one", "torch", "two")
    assert {place.machine: place.fastest for place in found.places[MAX2D]} == {"one": "numpy", "two": "torch"}
    assert not across([run("one", times(2e5, 4e5)), run("two", times(2.02e5, 2e5))]).turns  # two cannot tell them apart


def test_what_a_subject_takes_of_the_limit_has_an_interval_over_machines():
    found = across([run(f"m{n}", times(2e5, 4e5, factor=1 + n), seed=n) for n in range(4)])
    numpy = next(standing for standing in found.standings if standing.subject == "numpy")
    assert numpy.workloads == 2
    assert numpy.over.value == pytest.approx(2.0, rel=0.02)
    assert numpy.over.low < 2.0 < numpy.over.high
    two = across([run(f"m{n}", times(2e5, 4e5)) for n in range(2)])
    assert {standing.over for standing in two.standings} == {None}


def test_a_machine_that_differs_from_its_own_kind_is_told():
    runs = [run(f"m{n}", times(2e5, 4e5), seed=n) for n in range(3)]
    assert across(runs).sick == ()
    (sick,) = across([*runs, run("slow", times(2e5, 4e5, factor=1.3))]).sick
    assert (sick.machine, sick.cells) == ("slow", 4)
    assert sick.ratio == pytest.approx(1.3, rel=0.05)
    assert across([runs[0], run("slow", times(2e5, 4e5, factor=1.3))]).sick == ()  # of two, which one?
