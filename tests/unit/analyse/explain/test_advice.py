"""Shares and savings from planted times of steps."""

from __future__ import annotations

import pytest

from poolbench.analyse.explain.advice import Launch, layers, measured, pooling_share, predicted, step_time
from poolbench.model.advice import Change

SITES = [
    {"layer": "a", "function": "max_pool2d", "calls": 1, "is_module": True,
     "refusals": {"strided": "", "channels_last": "Its input lies so already."}},
    {"layer": "", "function": "avg_pool2d", "calls": 2, "is_module": False,
     "refusals": {"strided": "", "channels_last": ""}},
]  # fmt: skip


def launches(*, noise=0.0):
    """Five processes, each as fast as it likes. Of a step a takes 10 % and would 4; the function 20, and 22 or 5."""
    found = []
    for number in range(5):
        scale = 1000.0 * (1 + number)
        block = {
            "plain": scale,
            "as_is": {"0": 0.1 * scale, "1": 0.2 * scale},
            "strided": {"0": (0.04 + noise * (-1) ** number) * scale, "1": 0.22 * scale},
            "channels_last": {"1": 0.05 * scale},
            "changed": 0.8 * scale,
        }
        odd = {**block, "as_is": {"0": 9 * scale, "1": 9 * scale}, "changed": 9 * scale}  # a disturbed block
        found.append(Launch([block, block, odd]))
    return found


def test_shares_are_of_the_plain_step_of_the_same_block():
    assert pooling_share(launches()).value == pytest.approx(0.3)
    assert measured(launches()).value == pytest.approx(0.2)
    assert step_time(launches()).low < 3000 < step_time(launches()).high


def test_the_dearest_layer_comes_first_with_what_surely_saves_most():
    function, module = layers(launches(), SITES, {("a", "max_pool2d"): ["max2d-n1c1-h4w4-k2-f32-nchw"]})
    assert (function.name, module.name) == ("the model (avg_pool2d)", "a")
    assert (function.change, module.change) == (Change.CHANNELS_LAST, Change.STRIDED)
    assert function.saving.value == pytest.approx(0.15)
    assert [option.saving.value for option in function.options] == pytest.approx([0.15, -0.02])
    assert module.options[1].saving is None and module.options[1].reason
    assert module.workloads == ("max2d-n1c1-h4w4-k2-f32-nchw",)


def test_what_is_not_sure_is_not_advised():
    _, module = layers(launches(noise=0.3), SITES, {})
    assert module.change is None and module.options[0].saving.low < 0


def test_a_plan_s_prediction_is_the_sum_of_its_layers():
    plan = {("a", "max_pool2d"): Change.STRIDED, ("", "avg_pool2d"): Change.CHANNELS_LAST}
    assert predicted(launches(), SITES, plan).value == pytest.approx(0.06 + 0.15)
