from __future__ import annotations

import gc
import os

import pytest

from poolbench.measure import clock
from poolbench.measure.clock import Calls, ThreadTime, calibrate, run_slot, thread_times, waited_for_others_ns


class VirtualTime:
    """Stands for the time module: calls advance it."""

    def __init__(self) -> None:
        self.now = 0
        self.calls = 0

    def perf_counter_ns(self) -> int:
        return self.now

    process_time_ns = perf_counter_ns

    def call(self, cost_ns: int):
        def function() -> None:
            self.calls += 1
            self.now += cost_ns

        return function


@pytest.fixture
def time(monkeypatch):
    virtual = VirtualTime()
    monkeypatch.setattr(clock, "time", virtual)
    return virtual


@pytest.mark.parametrize(("cost_ns", "loops"), [(100, 100_000), (1_000, 10_000), (3_000_000, 3), (50_000_000, 1)])
def test_calibration_fills_the_slot(time, cost_ns, loops):
    assert calibrate(Calls([time.call(cost_ns)]), 10_000_000) == loops


def test_one_disturbed_trial_does_not_shorten_the_slots(time):
    calls = 0

    def disturbed_once() -> None:
        nonlocal calls
        calls += 1
        time.now += 20_000_000 if calls == 2 else 1_000_000

    assert calibrate(Calls([disturbed_once]), 10_000_000) == 10


def test_a_slot_times_its_loops_and_not_its_warming(time):
    sample = run_slot(Calls([time.call(1_000)]), loops=7, warm=3)
    assert (sample["loops"], sample["elapsed_ns"], sample["cpu_ns"]) == (7, 7_000, 7_000)
    assert time.calls == 10


def test_cold_calls_take_their_buffers_in_turn_across_slots():
    seen: list[int] = []
    calls = Calls([lambda index=index: seen.append(index) for index in range(3)])
    calls.repeat(2)
    calls.repeat(5)
    assert seen == [0, 1, 2, 0, 1, 2, 0]


def test_the_collector_is_off_during_a_slot_and_as_before_after_it():
    states: list[bool] = []
    run_slot(Calls([lambda: states.append(gc.isenabled())]), loops=1, warm=0)
    assert states == [False]
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("spent", "threads", "waited"),
    [
        # One thread that a stranger keeps off the core for 2 of 5 ms.
        ({"main": (3_000_000, 2_000_000)}, 1, 2_000_000),
        # Two that hand the work to each other: one has the core while the other waits.
        ({"main": (2_000_000, 2_900_000), "pool": (3_000_000, 0)}, 1, 0),
        # The same while a stranger takes 1 ms: what the other cannot have had counts.
        ({"main": (1_000_000, 4_000_000), "pool": (3_000_000, 0)}, 1, 1_000_000),
        # Two that are to run at once.
        ({"main": (4_000_000, 1_000_000), "pool": (3_000_000, 2_000_000)}, 2, 3_000_000),
        ({}, 1, 0),
    ],
)
def test_what_a_thread_waits_for_another_of_its_own_is_no_contamination(spent, threads, waited):
    before = {"main": ThreadTime(7, 5), "ended": ThreadTime(1, 1)}
    after = {
        name: ThreadTime(*(start + more for start, more in zip(before.get(name, (0, 0)), times, strict=True)))
        for name, times in spent.items()
    }
    assert waited_for_others_ns(before, after, threads=threads) == waited


def test_a_process_knows_how_long_its_threads_ran_and_waited():
    before = thread_times()
    if not before:
        pytest.skip("this system does not tell how long threads waited")
    sum(range(2_000_000))
    after = thread_times()
    main = str(os.getpid())
    assert after[main].ran_ns > before[main].ran_ns
    assert after[main].waited_ns >= before[main].waited_ns
