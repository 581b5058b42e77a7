from pathlib import Path

from poolbench.fleet.placement import replay
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
