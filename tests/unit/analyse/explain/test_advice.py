"""Shares and savings from planted times of steps."""

from __future__ import annotations

import pytest

from poolbench.analyse.explain.advice import (
    Launch,
    is_narrow,
    layers,
    measured,
    pooling_share,
    predicted,
    step_time,
)
from poolbench.model.advice import Change, Share

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
    found = predicted(launches(), SITES, plan)
    assert found.both.value == found.calls.value == pytest.approx(0.06 + 0.15) and found.rest is None


def with_rest(rest, *, noise=0.0):
    """The same, where plain steps with ``strided`` everywhere, which saves 0.04 of the calls, save ``rest`` more."""
    found = launches()
    for number, launch in enumerate(found):
        for block in launch.blocks:
            block["plain with strided"] = (1 - 0.04 - rest - noise * (-1) ** number) * block["plain"]
    return found


def test_what_the_rest_of_the_step_surely_loses_is_part_of_the_prediction():
    everywhere = {("a", "max_pool2d"): Change.STRIDED, ("", "avg_pool2d"): Change.STRIDED}
    found = predicted(with_rest(-0.03), SITES, everywhere)
    assert (found.calls.value, found.rest.value, found.both.value) == pytest.approx((0.04, -0.03, 0.01))
    half = predicted(with_rest(-0.03), SITES, {("a", "max_pool2d"): Change.STRIDED})
    assert half.both.value == pytest.approx(0.06 - 0.03 / 2)
    unsure = predicted(with_rest(-0.03, noise=0.1), SITES, everywhere)
    assert unsure.rest is None and unsure.both == unsure.calls


def test_a_narrow_interval_is_of_a_hundredth_of_the_step_or_a_quarter_of_the_saving():
    assert is_narrow(Share(value=0.0, low=-0.01, high=0.01)) and not is_narrow(Share(value=0.02, low=0.0, high=0.04))
    assert is_narrow(Share(value=0.2, low=0.15, high=0.25)) and not is_narrow(Share(value=0.2, low=0.14, high=0.26))
