"""From cells of a run to what an alternative costs; a model's step by kind; means over seeds."""

from __future__ import annotations

import math

import pytest

from poolbench.api import effects as api
from poolbench.api.digits import mean_over_seeds
from poolbench.api.effects import budget_s, places_of
from poolbench.api.kinds import costs_by_kind
from poolbench.errors import UsageError
from poolbench.model.capture import Capture, CapturedCall, Place
from poolbench.model.effects import LayerKind, Saving
from poolbench.model.ids import parse_id
from poolbench.model.workload import Pass
from poolbench.observe.effects.replacements import saving_ahead


def test_layers_are_named_as_workloads_are():
    (place,) = places_of(["max2d-n1c4-h8w8-k2-f32-nchw"])
    assert place.saving.activations == 192
    assert budget_s([place], "torch") == 40
    assert budget_s([place], "torch", 7.0) == 7


def test_a_training_pass_is_refused():
    with pytest.raises(UsageError, match="effects times forward passes: name max2d-n1c4-h8w8-k2-f32-nchw instead"):
        places_of(["max2d-n1c4-h8w8-k2-f32-nchw.train"])


def test_an_interval_over_seeds_is_student_s():
    found = mean_over_seeds([0.90, 0.92, 0.94])
    half = 4.302653 * 0.02 / math.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((0.92, 0.92 - half, 0.92 + half), rel=1e-4)
    assert mean_over_seeds([1.0, 1.0]).high == 1
    assert mean_over_seeds([0.5]).low == 0


def test_what_no_operator_takes_stands_beside_the_kinds():
    rounds = [
        {"plain": 80, "profiled": 100, "times": {"pooling": 30, "rest": 45}, "bytes": {"pooling": 8, "rest": 4}}
    ] * 3
    found = costs_by_kind(rounds, target="m", pass_=Pass.FORWARD, inputs=["1x1"], version="2")
    assert {cost.kind: (round(cost.time.value), cost.share, cost.bytes) for cost in found.kinds} == {
        LayerKind.POOLING: (30, 0.3, 8),
        LayerKind.REST: (45, 0.45, 4),
        LayerKind.BETWEEN: (25, 0.25, 0),
    }
    assert (round(found.step.value), round(found.profiled.value), found.covered, found.rounds) == (80, 100, 0.75, 3)


def a_call(identity, *layers, reason=""):
    workload = parse_id(identity)
    return CapturedCall(
        workload=workload, name=f"Net.{layers[0]}", pass_=Pass.FORWARD, shape=workload.input_shape, strides=None,
        gradient_strides=None, dtype="float32", device="cpu", threads=1, reason=reason,
        places=tuple(Place(layer=layer, function="pool", count=1) for layer in layers),
    )  # fmt: skip


@pytest.fixture
def planted(monkeypatch):
    """A model with three calls, one of which nothing measures; what the first one saves was counted."""
    halving, whole = "max2d-n1c4-h8w8-k2-f32-nchw", "avg2d-n1c4-h4w4-a1-f32-nchw"
    calls = (a_call(halving, "pool1", "pool2"), a_call(whole, "gap"), a_call(halving, "odd", reason="Nobody can."))
    counted = Saving(activations=7, bytes=28, operations=9, scope="behind it, to the end of the model")

    def plant(calls=calls, why=""):
        found = Capture(target="m:Net", framework="torch", version="2", pass_=Pass.FORWARD, inputs=(), calls=calls)
        monkeypatch.setattr(api, "capture_target", lambda *_, **__: found)
        monkeypatch.setattr(api, "_savings", lambda *_: ({halving: counted, whole: counted}, why))

    return plant


def test_a_model_s_layers_have_what_was_counted_and_global_ones_what_a_dense_layer_takes(planted):
    planted()
    (first, last), notes = api.places_in("m:Net", ["1x1x8x8"])
    assert (first.layer, first.count, first.saving.activations) == ("pool1", 2, 7)
    assert first.notes == ("It stands for 2 layers.",)
    assert last.saving == saving_ahead(last.workload)
    assert notes == ("Net.odd is left out. Nobody can.",)


def test_what_was_not_counted_is_said(planted):
    planted(why="It does not run without data.")
    _, notes = api.places_in("m:Net", ["1x1x8x8"])
    assert notes[0].endswith("by arithmetic. It does not run without data.")


def test_a_model_without_pooling_is_refused(planted):
    planted(calls=())
    with pytest.raises(UsageError, match="m:Net makes no pooling call that could be measured"):
        api.places_in("m:Net", ["1x1x8x8"])
