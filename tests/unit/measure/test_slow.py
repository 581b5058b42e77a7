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
from poolbench.model.method import LayoutPolicy, Method


class Machine:
    """A CPU clock that whole calls and parts drive; a part's first call in a slot costs more than those after it."""

    def __init__(self, part_ns: int = 0, first_ns: int = 0, read_ns: int = 0) -> None:
        self.now = 0
        self.called: list[str] = []
        self.part_ns, self.first_ns, self.read_ns = part_ns, first_ns, read_ns

    def read(self) -> int:
        self.now += self.read_ns
        return self.now

    def whole(self) -> None:
        self.now += 1000
        self.called.append("whole")

    def part(self) -> None:
        self.now += self.first_ns if self.called[-1] == "whole" else self.part_ns
        self.called.append("part")

    def run(self, factor: float, loops: int, slots: int, owed: float = 0.0) -> float:
        """Return the CPU time of so many slots over that of the plain calls in them."""
        part = self.part if self.part_ns else None
        share = self.first_ns / 1000 if part else 1.0
        calls = Calls([self.whole], Surplus(factor, part, share=share, owed=owed, cpu_ns=self.read))
        for _ in range(slots):
            calls.plan(loops)
            begin_ns = self.now
            calls.measured(loops)
            calls.settle(loops, begin_ns)
        return self.now / (1000 * loops * slots)


def test_whole_calls_as_far_as_they_go():
    machine = Machine(part_ns=50, first_ns=50)
    machine.run(1.05, loops=100, slots=1)
    assert machine.called == ["whole"] * 105


def test_the_rest_is_parts_as_far_as_they_go_and_what_remains_is_carried_over():
    machine = Machine(part_ns=10, first_ns=30)
    machine.run(1.05, loops=1, slots=2)
    assert machine.called == ["whole", "part", "whole", "part", "part"]


@pytest.mark.parametrize(("factor", "loops"), [(1.02, 1), (1.05, 1), (1.05, 21), (1.1, 3), (1.2, 1)])
@pytest.mark.parametrize(("part_ns", "first_ns"), [(15, 15), (40, 110), (300, 700), (0, 0)])
def test_the_factor_is_exact_whatever_a_part_costs(factor, loops, part_ns, first_ns):
    assert Machine(part_ns, first_ns).run(factor, loops, slots=2000) == pytest.approx(factor, abs=0.001)


@pytest.mark.parametrize(("factor", "loops", "part_ns"), [(1.02, 1, 16), (1.05, 1, 0), (1.1, 3, 60), (1.1, 3, 700)])
def test_on_average_over_launches_of_one_slot_the_factor_is_exact(factor, loops, part_ns):
    ratios = []
    for step in range(1000):
        phase = (step + 0.5) / 1000
        owed = phase * part_ns / 1000 if part_ns else phase
        ratios.append(Machine(part_ns, part_ns).run(factor, loops, slots=1, owed=owed))
    assert fmean(ratios) == pytest.approx(factor, rel=1e-4)


@pytest.mark.parametrize("loops", [30, 75])
def test_reading_the_clock_is_paid_but_for_the_end_of_the_calls(loops):
    read_ns = 200
    ratio = Machine(part_ns=40, first_ns=110, read_ns=read_ns).run(1.05, loops, slots=2000)
    assert ratio == pytest.approx(1.05 + read_ns / (1000 * loops), abs=0.001)


def test_a_slot_without_parts_reads_no_clock():
    machine = Machine(part_ns=400, first_ns=400, read_ns=10**6)
    machine.run(1.05, loops=1, slots=7)
    assert machine.now == 7000


def test_one_part_that_lost_its_core_does_not_stand_for_those_after_it():
    machine = Machine(part_ns=20, first_ns=20)
    calls = Calls([machine.whole], surplus := Surplus(1.05, machine.part, share=0.02, cpu_ns=machine.read))
    machine.first_ns = 5000
    for slot in range(200):
        calls.plan(1)
        begin_ns = machine.now
        calls.measured(1)
        calls.settle(1, begin_ns)
        machine.first_ns = 20
        if slot == 0:
            assert surplus.owed < -4.8
    assert -0.01 < surplus.owed < 0.05


def test_a_slot_says_its_nominal_loops_and_does_more():
    machine = Machine(part_ns=50, first_ns=50)
    slowed = Surplus(1.05, machine.part, share=0.05, cpu_ns=lambda: machine.now)
    slot = run_slot(Calls([machine.whole], slowed), loops=21, warm=3)
    assert slot["loops"] == 21
    assert machine.called.count("whole") == 3 + 22
    assert machine.called.count("part") == 1


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


@pytest.mark.parametrize("rule", LayoutPolicy)
@pytest.mark.parametrize("own", [None, *LayoutPolicy])
def test_a_subject_s_own_layout_is_what_its_backend_is_told(own: LayoutPolicy | None, rule: LayoutPolicy) -> None:
    told = []

    class Watched(Fake):
        def prepare(self, workload, source):
            told.append(source.layout)
            return super().prepare(workload, source)

    worker = Worker(Watched())
    with InputStore(seed=1) as inputs:

        class Direct:
            def ask(self, op, **content):
                return worker.handle({"op": op, **content})

        Opening(method=Method(layout=rule), inputs=inputs).open(
            Direct(), parse_id("max2d-n1c4-h8w8-k2"), "fake", checks=("random",), threads=1, layout=own
        )
    worker.close()
    assert set(told) == {own or rule}
