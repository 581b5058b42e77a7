from dataclasses import replace
from pathlib import Path

import pytest

from poolbench.fleet.placement import replay
from poolbench.fleet.shelf import Shelf
from poolbench.fleet.sparing import known_cells
from poolbench.model.fleet import FleetTask
from poolbench.store.codec import encode_header, encode_row
from poolbench.store.reading import StoredRun
from tests.unit.builders import AVG2D, MAX2D, Noise, make_header, make_rows

CLEAR, CLOSE = {"numpy": 1e5, "torch": 3e5}, {"numpy": 1e5, "torch": 1.02e5}


def played(times, launches=16):
    rows = make_rows(times, launches=launches, noise=Noise(launch_sd=0.02), seed=3)
    return replay(StoredRun(path=Path("run"), header=make_header(["numpy", "torch"], list(times)), rows=tuple(rows)))


def test_what_is_known_early_gives_its_launches_to_what_is_not():
    found = played({MAX2D: CLEAR, AVG2D: CLOSE})
    assert (found.workloads, found.verdicts) == (2, 2)
    last = found.savings[-1]
    assert last.placed.known == last.sweep.known
    assert last.placed.launches < last.sweep.launches
    assert 0 < last.saved < 1
    assert last.placed.wrong == 0


def test_nothing_is_played_where_there_are_too_few_launches():
    assert played({MAX2D: CLEAR}, launches=2).savings == ()


def stored(shelf, task, times, launches):
    rows = make_rows({MAX2D: times}, launches=launches, noise=Noise(launch_sd=0.1), seed=task.repetition)
    header = replace(make_header(["numpy", "torch"], [MAX2D]), run=task.key)
    lines = [encode_row(replace(row, run=task.key, machine=header.machine.key)) for row in rows]
    shelf.put(task.key, encode_header(header) + b"".join(lines))


@pytest.mark.parametrize(("times", "is_spared"), [(CLEAR, True), (CLOSE, False)])
def test_a_repetition_is_spared_where_those_before_tell_all(tmp_path, times, is_spared):
    shelf = Shelf(tmp_path)
    tasks = [FleetTask(workloads=(MAX2D,), subjects=("numpy", "torch"), repetition=number) for number in range(3)]
    spares = known_cells(shelf)
    assert not spares(tasks[0]) and not spares(tasks[1])  # nothing is known yet
    stored(shelf, tasks[0], times, launches=2)
    assert not spares(tasks[1])  # two launches have no interval
    stored(shelf, tasks[1], times, launches=4)
    assert spares(tasks[2]) is is_spared
    assert not spares(replace(tasks[2], kind="arm"))  # which is a cell of its own
