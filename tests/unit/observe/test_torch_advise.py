"""Timing pooling where it stands, and changing a model and back; clocks are counters here."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("poolbench.strided.torch_modules", exc_type=ImportError)

from torch import nn  # noqa: E402 - behind the question whether it is there
from torch.nn import functional as F  # noqa: E402

from poolbench.model.advice import Change  # noqa: E402
from poolbench.model.workload import Pass  # noqa: E402
from poolbench.observe import torch_blocks  # noqa: E402
from poolbench.observe.adviser import Adviser  # noqa: E402
from poolbench.observe.inputs import parse_input  # noqa: E402
from poolbench.observe.torch_advise import examine  # noqa: E402
from poolbench.observe.torch_changes import Changes, changed  # noqa: E402
from poolbench.observe.torch_sites import visiting  # noqa: E402
from poolbench.observe.torch_step import Step  # noqa: E402

ALL = (Change.STRIDED, Change.CHANNELS_LAST, Change.CHANNELS_FIRST, Change.BF16)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(2, 4, 1), nn.MaxPool2d(2)

    def forward(self, x):
        x = self.pool(self.conv(x))
        return F.avg_pool2d(x, 2).mean((2, 3))


class Elsewhere(nn.Module):
    def forward(self, x):
        return F.avg_pool2d(x[..., None, None] + torch.ones(2, 2), 2)


def step_of(model=None, pass_=Pass.FORWARD, shape="1x2x8x8"):
    return Step(model or Net(), [parse_input(shape)], pass_)


def test_each_change_is_tried_where_it_applies():
    found = examine(step_of(), ALL)
    assert list(found.calls) == [("pool", "max_pool2d"), ("", "avg_pool2d"), ("", "mean")]
    assert {change for key, change in found.reasons if key == ("pool", "max_pool2d")} == {Change.CHANNELS_FIRST}
    assert {change for key, change in found.reasons if key == ("", "mean")} == set(ALL)
    assert found.callers[("", "avg_pool2d")] is Net.forward.__code__


@pytest.mark.parametrize("change", [*ALL[:2], Change.BF16])
def test_a_change_of_a_model_is_put_in_and_taken_out(change, monkeypatch):
    step = step_of(pass_=Pass.TRAINING)
    wanted = step.take().detach()
    callers = examine(step, ()).callers
    plan = [(("pool", "max_pool2d"), change), (("", "avg_pool2d"), change)]
    functions = []
    monkeypatch.setattr(
        "poolbench.observe.torch_changes.changed",
        lambda c, name, f: (functions.append(name), changed(c, name, f))[1],
    )
    plain = F.avg_pool2d
    changes = Changes(step.model, plan, callers)
    changes.put_in()
    assert F.avg_pool2d is not plain
    torch.testing.assert_close(step.take().detach(), wanted, rtol=0.02, atol=0.02)
    changes.take_out()
    assert F.avg_pool2d is plain and type(step.model.pool) is nn.MaxPool2d and "forward" not in vars(step.model.pool)
    assert set(functions) == {"avg_pool2d"} | (set() if change is Change.STRIDED else {"max_pool2d"})


@pytest.mark.parametrize("change", ALL[:2])
def test_the_changed_function_is_what_runs(change, monkeypatch):
    step = step_of()
    callers = examine(step, ()).callers
    monkeypatch.setattr(
        "poolbench.observe.torch_changes.changed", lambda c, name, f: lambda x, *a, **k: f(x, *a, **k) * 0
    )
    changes = Changes(step.model, [(("", "avg_pool2d"), change)], callers)
    changes.put_in()
    assert float(step.take().abs().sum()) == 0
    changes.take_out()
    assert float(step.take().abs().sum()) > 0
    assert float(F.avg_pool2d(torch.ones(1, 1, 2, 2), 2)) == 1


@pytest.mark.parametrize("change", ALL[:2])
def test_what_is_written_elsewhere_and_not_to_change_stays_as_it_is(change, monkeypatch):
    step = step_of(nn.Sequential(Net(), Elsewhere()))
    callers = examine(step, ()).callers
    monkeypatch.setattr(
        "poolbench.observe.torch_changes.changed", lambda c, name, f: lambda x, *a, **k: f(x, *a, **k) * 0
    )
    changes = Changes(step.model, [(("0", "avg_pool2d"), change)], callers)
    changes.put_in()
    assert float(step.take().abs().sum()) == 4  # of zeros, plus one each
    assert float(F.avg_pool2d(torch.ones(1, 1, 2, 2), 2)) == 1
    changes.take_out()


def test_each_site_is_compiled_in_a_code_of_its_own(monkeypatch):
    given = []
    monkeypatch.setattr(torch, "compile", lambda function, **settings: (given.append(function), function)[1])
    first, second = (changed(Change.COMPILE, "max_pool2d", F.max_pool2d) for _ in range(2))
    image = torch.rand(1, 2, 4, 4)
    assert torch.equal(first(image, 2), second(image, kernel_size=2))
    assert given[0].__code__ is not given[1].__code__  # PyTorch stops at eight shapes of one code


@pytest.mark.parametrize(("pass_", "ticks"), [(Pass.FORWARD, 1), (Pass.TRAINING, 2)])
def test_a_call_s_time_has_its_part_of_the_backward_pass(monkeypatch, pass_, ticks):
    step = step_of(pass_=pass_)
    ticking = itertools.count()
    monkeypatch.setattr(torch_blocks.time, "perf_counter_ns", lambda: next(ticking))
    clock = torch_blocks.CallClock()
    with visiting(clock.visit):
        step.take()
    assert clock.spent_ns == {("pool", "max_pool2d"): ticks, ("", "avg_pool2d"): ticks, ("", "mean"): ticks}


@pytest.mark.parametrize(("step_ns", "count", "taken"), [(1e6, 4, 5), (1e6, 1, 2), (5e7, 1, 1)])
def test_a_short_step_is_taken_once_before_it_is_timed(monkeypatch, step_ns, count, taken):
    now, steps = [0.0], []
    monkeypatch.setattr(torch_blocks.time, "perf_counter_ns", lambda: now[0])

    def take():
        steps.append(now[0])
        now[0] += step_ns

    assert torch_blocks.time_steps(take, count) == step_ns and len(steps) == taken


def test_turns_are_palindromes():
    order = []

    def slot(variant, count):
        order.append((variant, count))
        return 1e9

    blocks = torch_blocks.in_turns(["plain", "a", "b"], slot, 0.0)
    assert len(blocks) == 3 and blocks[0] == {"plain": 1e9, "a": 1e9, "b": 1e9}
    assert [variant for variant, _ in order[-6:]] == ["plain", "a", "b", "b", "a", "plain"]


def test_gradients_of_the_step_before_are_let_go():
    step = step_of(pass_=Pass.TRAINING)
    step.take()
    first = step.model.conv.weight.grad.clone()
    step.take()
    torch.testing.assert_close(step.model.conv.weight.grad, first)


def test_a_server_answers_with_sites_and_blocks(tmp_path, monkeypatch):
    (tmp_path / "planted_net.py").write_text(
        "from torch import nn\nmodel = nn.Sequential(nn.MaxPool2d(2))\n"
        "def fails(x):\n    raise ValueError('on purpose')\n"
    )
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    request = {
        "target": "planted_net:model", "inputs": ["1x2x8x8"], "pass": "forward", "threads": 1, "seconds": 0.05,
        "changes": ["strided", "channels_first"], "plan": [["0", "max_pool2d", "strided"]], "whole": False,
    }  # fmt: skip
    try:
        reply = Adviser().handle({"op": "steps", **request})
        (site,) = reply["sites"]
        assert (site["layer"], site["calls"], site["is_module"]) == ("0", 1, True)
        assert site["refusals"] == {"strided": "", "channels_first": "Its input lies so already."}
        assert {key for key in reply["blocks"][0]} == {"plain", "as_is", "strided", "plain with strided"}
        assert set(reply["blocks"][0]["strided"]) == {"0"}
        assert set(Adviser().handle({"op": "trial", **request})["blocks"][0]) == {"plain", "changed"}
        assert set(Adviser().handle({"op": "trial", **request, "whole": True})["blocks"][0]) == {"plain", "changed"}
        failed = Adviser().handle({"op": "steps", **request, "target": "planted_net:fails"})
        assert failed == {"problem": "planted_net:fails failed: ValueError: on purpose (planted_net.py, line 4)."}
    finally:
        torch.set_num_threads(threads)
