"""A subject that is slowed on purpose: how much more it does in a slot."""

from __future__ import annotations

from statistics import fmean

import pytest

from poolbench.backends.fake import Fake
from poolbench.measure.clock import Calls, Surplus, part_planes, run_slot
from poolbench.measure.inputs import InputStore
from poolbench.measure.opening import Opening
from poolbench.measure.worker import Worker
from poolbench.model.ids import parse_id
from poolbench.model.method import Method


def nothing() -> None:
    pass


def surplus(factor: float, share: float, phase: float = 0.0) -> Surplus:
    return Surplus(factor, nothing, share, phase)


def test_whole_calls_as_far_as_they_go():
    assert surplus(1.05, 0.25).take(100) == (5, 0)
    assert surplus(1.2, 0.25).take(5) == (1, 0)


def test_the_rest_is_parts_of_a_call_and_what_they_cannot_say_is_carried():
    slowed = surplus(1.05, 0.05)
    assert slowed.take(1) == (0, 1)
    coarse = surplus(1.05, 0.04)
    assert [coarse.take(1)[1] for _ in range(4)] == [1, 1, 1, 2]


@pytest.mark.parametrize(("factor", "share", "loops"), [(1.02, 0.0156, 1), (1.05, 0.0, 1), (1.1, 0.9, 3)])
def test_on_average_over_launches_of_one_slot_the_factor_is_exact(factor, share, loops):
    done = []
    for step in range(1000):
        whole, parts = surplus(factor, share, (step + 0.5) / 1000).take(loops)
        done.append(loops + whole + parts * share)
    assert fmean(done) == pytest.approx(loops * factor, rel=1e-4)


def test_a_slot_says_its_nominal_loops_and_does_more():
    called: list[str] = []
    slowed = Surplus(1.05, lambda: called.append("part"), 0.05, 0.0)
    slot = run_slot(Calls([lambda: called.append("whole")], slowed), loops=21, warm=3)
    assert slot["loops"] == 21
    assert called.count("whole") == 3 + 22
    assert called.count("part") == 1


@pytest.mark.parametrize(
    ("batch", "channels", "share", "planes"),
    [(32, 3, 0.25, (8, 3)), (1, 64, 0.05, (1, 3)), (4, 64, 0.01, (1, 3)), (1, 1, 0.05, None), (1, 8, 3.0, (1, 2))],
)
def test_a_part_is_a_slice_of_the_batch_or_of_the_channels(batch, channels, share, planes):
    assert part_planes(batch, channels, share) == planes


def test_a_worker_that_is_asked_to_prepares_a_part_of_the_batch():
    sizes: list[tuple[int, int]] = []

    class Watched(Fake):
        def prepare(self, workload, source):
            sizes.append((workload.batch, workload.channels))
            assert source.array.shape[:2] == sizes[-1]
            return super().prepare(workload, source)

    workload = parse_id("max2d-n1c40-h8w8-k2")
    worker = Worker(Watched())
    with InputStore(seed=1) as inputs:
        opening = Opening(method=Method(), inputs=inputs)

        class Direct:
            def ask(self, op, **content):
                return worker.handle({"op": op, **content})

        opening.open(Direct(), workload, "fake", checks=("random",), threads=1, slow=1.1)
        slot = worker.handle({"op": "slot", "loops": 1, "warm": 0})
    assert sizes == [(1, 40), (1, 4)]
    assert slot["loops"] == 1
    worker.close()
