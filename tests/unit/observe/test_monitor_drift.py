"""When a layer counts as slower, on series that are made: no clock is read."""

from __future__ import annotations

import math
import random

import pytest

from poolbench.observe.monitor.detection import Detection
from poolbench.observe.monitor.drift import Cusum, Rule
from poolbench.observe.monitor.types import EventKind, LayerCall, Surroundings

QUIET = Surroundings(others_cores=0.1, steal_cores=0.0, frequency_mhz=3000.0)
STEP_NS = 100_000_000


class Layer:
    """Makes calls of one layer, one each 0.1 s, with a noise of 3 %."""

    def __init__(self):
        self.detection = Detection()
        self.random = random.Random(1)
        self.step = 0

    def calls(self, count, *, factor=1.0, around=QUIET, batch=8, disturbed=False):
        events = []
        for _ in range(count):
            self.step += 1
            now = self.step * STEP_NS
            since = Surroundings(
                others_cores=around.others_cores,
                steal_cores=around.steal_cores,
                frequency_mhz=around.frequency_mhz,
                since_ns=now - 10 * STEP_NS,
            )
            call = LayerCall(
                at_s=now / 1e9,
                step=self.step,
                model="m",
                layer="pool",
                function="max_pool2d",
                workload=f"max2d-n{batch}c4-h8w8-k2-f32-nchw",
                shape=(batch, 4, 8, 8),
                elapsed_ns=int(1e6 * factor * math.exp(self.random.gauss(0, 0.03))),
                is_disturbed=disturbed,
            )
            events += self.detection.take(call, since, now)
        return events


def kinds(events):
    return [event.kind for event in events]


def test_a_steady_layer_raises_nothing():
    assert Layer().calls(20_000) == []


def test_a_slowdown_is_a_drift_with_size_and_interval_and_told_once():
    layer = Layer()
    assert layer.calls(600) == []
    (event,) = layer.calls(2000, factor=1.1)
    assert event.kind is EventKind.DRIFT and event.around == ()
    assert event.low < 1.1 < event.high and event.ratio == pytest.approx(1.1, abs=0.02)
    assert 600 < event.step < 900
    assert "Nothing around it changed" in str(event)


def test_a_further_slowdown_is_told_and_so_is_the_recovery():
    layer = Layer()
    layer.calls(600)
    assert kinds(layer.calls(600, factor=1.2)) == [EventKind.DRIFT]
    (further,) = layer.calls(600, factor=1.5)
    assert further.kind is EventKind.DRIFT and further.ratio == pytest.approx(1.5, abs=0.05)
    assert kinds(layer.calls(1000)) == [EventKind.RECOVERED]
    assert layer.calls(1000) == []


def test_a_slowdown_within_the_slack_is_none():
    layer = Layer()
    layer.calls(600)
    assert layer.calls(20_000, factor=1.03) == []


@pytest.mark.parametrize(
    ("around", "said"),
    [
        (Surroundings(others_cores=1.1, steal_cores=0.0, frequency_mhz=3000.0), "Other processes keep 1.1 cores busy"),
        (Surroundings(others_cores=0.1, steal_cores=0.4, frequency_mhz=3000.0), "The host takes 0.40 cores"),
        (Surroundings(others_cores=0.1, steal_cores=0.0, frequency_mhz=2000.0), "run at 2000 MHz"),
    ],
)
def test_what_the_machine_does_is_told_as_such_and_not_as_drift(around, said):
    layer = Layer()
    layer.calls(600)
    (event,) = layer.calls(1500, factor=1.4, around=around)
    assert event.kind is EventKind.DISTURBED and said in event.around[0]
    assert layer.calls(1500) == []


def test_a_layer_that_stays_slow_when_the_neighbour_has_gone_is_a_drift():
    layer = Layer()
    layer.calls(600)
    layer.calls(600, factor=1.2, around=Surroundings(others_cores=1.1, steal_cores=0.0, frequency_mhz=3000.0))
    assert kinds(layer.calls(600, factor=1.2)) == [EventKind.DRIFT]


def test_calls_without_a_core_are_told_as_such():
    layer = Layer()
    layer.calls(600)
    (event,) = layer.calls(600, factor=2.0, disturbed=True)
    assert event.kind is EventKind.DISTURBED and "without a core" in event.around[0]


def test_in_a_fast_loop_a_drift_waits_until_the_machine_has_been_asked():
    layer = Layer()
    layer.calls(600)
    stale = layer.step * STEP_NS - 1
    events = []
    for _ in range(600):
        layer.step += 1
        call = LayerCall(
            at_s=0.0, step=layer.step, model="m", layer="pool", function="max_pool2d", elapsed_ns=1_300_000,
            workload="max2d-n8c4-h8w8-k2-f32-nchw",
        )  # fmt: skip
        events += layer.detection.take(call, Surroundings(others_cores=0.1, since_ns=stale), layer.step * STEP_NS)
    assert events == []
    assert kinds(layer.calls(30, factor=1.3)) == [EventKind.DRIFT]


def test_another_input_has_a_baseline_of_its_own():
    layer = Layer()
    layer.calls(600)
    (event, *rest) = layer.calls(2000, factor=4.0, batch=32)
    assert event.kind is EventKind.CHANGED and "n32" in event.around[0] and "n8" in event.around[0] and rest == []
    assert layer.calls(600) == []


def test_inputs_that_always_change_stay_bounded():
    layer = Layer()
    for batch in range(1, 200):
        layer.calls(1, batch=batch)
    assert sum(len(inputs) for inputs in layer.detection._layers.values()) == 8


def test_a_level_that_was_put_too_high_is_no_recovery():
    test = Cusum(Rule())
    shifts = [test.take(value) for value in [0.0] * 20 + [0.5, 0.5, 0.5] + [0.2] * 50 + [0.0] * 20]
    found = [shift for shift in shifts if shift is not None]
    assert [shift.is_back for shift in found] == [False, True]
    assert found[1].size < 0.05


def test_a_single_block_however_slow_is_no_alarm():
    test = Cusum(Rule())
    assert [test.take(value) for value in [0.0] * 40 + [5.0] + [0.0] * 40] == [None] * 81
