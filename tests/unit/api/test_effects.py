"""From cells of a run to what an alternative costs; a model's step by kind; means over seeds."""

from __future__ import annotations

import math

import pytest

from poolbench.api.digits import mean_over_seeds
from poolbench.api.effects import budget_s, places_of
from poolbench.api.kinds import costs_by_kind
from poolbench.errors import UsageError
from poolbench.model.effects import LayerKind
from poolbench.model.workload import Pass


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
