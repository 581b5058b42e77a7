"""One step of a model: which gradients are taken, and of what."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402 - behind the question whether it is there
from torch.nn import functional as F  # noqa: E402

from poolbench.model.workload import Pass  # noqa: E402
from poolbench.observe.inputs import parse_input  # noqa: E402
from poolbench.observe.torch_run import run_torch  # noqa: E402


def ids(model, *inputs, pass_=Pass.TRAINING):
    report = run_torch("planted", model, [parse_input(text) for text in inputs], pass_)
    ids.report = report
    return {seen.id or seen.reason: count for seen, count in report.sightings.items()}


class Model(nn.Module):
    """Pools before anything is trained, and behind it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)

    def forward(self, x):
        assert self.training == torch.is_grad_enabled()
        return {"first": [F.max_pool2d(self.conv(F.avg_pool2d(x, 2)), 2)], "words": "none"}


def test_what_comes_before_all_that_is_trained_has_no_gradient():
    assert ids(Model(), "1x2x8x8") == {
        "avg2d-n1c2-h8w8-k2-f32-nchw": 1,
        "max2d-n1c2-h4w4-k2-f32-nchw.train": 1,
    }
    assert ids(Model(), "1x2x8x8", pass_=Pass.FORWARD) == {
        "avg2d-n1c2-h8w8-k2-f32-nchw": 1,
        "max2d-n1c2-h4w4-k2-f32-nchw": 1,
    }


def test_where_nothing_is_trained_the_inputs_get_the_gradient():
    assert ids(lambda x: F.max_pool2d(x, 2), "1x2x8x8") == {"max2d-n1c2-h8w8-k2-f32-nchw.train": 1}


def test_a_function_that_goes_backward_is_a_step_itself():
    model = Model()

    def step(x):
        loss = model(x)["first"][0].pow(2).mean()
        loss.backward()
        return loss

    assert ids(step, "1x2x8x8") == ids(model, "1x2x8x8")
    assert ids.report.problem == ""


def test_what_has_no_gradient_at_all_is_told():
    assert ids(lambda x: F.max_pool2d(x.detach(), 2), "1x2x8x8") == {"max2d-n1c2-h8w8-k2-f32-nchw": 1}
    assert ids.report.notes == ["Nothing that planted returns has a gradient, so none was taken."]


def test_a_failure_is_a_sentence_beside_what_was_seen():
    def fails(x):
        return F.max_pool2d(F.avg_pool2d(x, 2), 99)

    assert ids(fails, "1x2x8x8") == {"avg2d-n1c2-h8w8-k2-f32-nchw": 1}
    assert ids.report.problem.startswith("planted failed: RuntimeError: ")
    assert "(test_torch_run.py, line " in ids.report.problem
