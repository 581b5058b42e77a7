"""PyTorch's calls as they are seen: what counts, what does not, and what is left behind."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402 - behind the question whether it is there
from torch.nn import functional as F  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import poolbench  # noqa: E402
from poolbench.catalogue.load import read_catalogue  # noqa: E402
from poolbench.errors import UsageError  # noqa: E402
from poolbench.model.workload import Pass  # noqa: E402

X = torch.rand(2, 8, 12, 12)
LINE = torch.rand(2, 8, 12)
VOLUME = torch.rand(2, 4, 6, 6, 6)


def ids(calls):
    return {call.workload.id if call.workload else call.reason: call.count for call in calls}


def watched(function, *args):
    with poolbench.capture() as calls:
        function(*args)
    return calls


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: F.max_pool1d(LINE, 3, 2, 1), "max1d-n2c8-w12-k3s2p1-f32-ncw"),
        (lambda: F.max_pool2d(X, 3, padding=1, dilation=2), "max2d-n2c8-h12w12-k3p1d2-f32-nchw"),
        (lambda: torch.max_pool2d(X, (2, 3)), "max2d-n2c8-h12w12-k2x3-f32-nchw"),
        (lambda: F.max_pool3d(VOLUME, 2, ceil_mode=True), "max3d-n2c4-d6h6w6-k2-ceil-f32-ncdhw"),
        (lambda: F.avg_pool1d(LINE, 4), "avg1d-n2c8-w12-k4-f32-ncw"),
        (lambda: F.avg_pool2d(X, 3, 1, 1), "avg2d-n2c8-h12w12-k3s1p1-f32-nchw"),
        (lambda: F.avg_pool2d(X, 3, 1, 1, False, False), "avg2d-n2c8-h12w12-k3s1p1-xpad-f32-nchw"),
        (lambda: F.avg_pool2d(X, 2, count_include_pad=False), "avg2d-n2c8-h12w12-k2-f32-nchw"),
        (lambda: F.avg_pool3d(VOLUME, 2, divisor_override=5), "avg3d-n2c4-d6h6w6-k2-div5-f32-ncdhw"),
        (lambda: F.adaptive_avg_pool1d(LINE, 5), "avg1d-n2c8-w12-a5-f32-ncw"),
        (lambda: nn.AdaptiveAvgPool2d((None, 1))(X), "avg2d-n2c8-h12w12-a12x1-f32-nchw"),
        (lambda: F.adaptive_max_pool3d(VOLUME, 1), "max3d-n2c4-d6h6w6-a1-f32-ncdhw"),
        (lambda: F.max_pool2d(X[0], 2), "max2d-n1c8-h12w12-k2-f32-nchw"),
        (lambda: F.max_pool2d(X[:, :5], 2), "max2d-n2c5-h12w12-k2-f32-nchw.c8"),
        (lambda: F.max_pool2d(X.contiguous(memory_format=torch.channels_last), 2), "max2d-n2c8-h12w12-k2-f32-nhwc"),
        (lambda: F.max_pool2d(X.to(torch.bfloat16), 2), "max2d-n2c8-h12w12-k2-bf16-nchw"),
        (lambda: F.interpolate(X, size=4, mode="area"), "avg2d-n2c8-h12w12-a4-f32-nchw"),
        (lambda: torch.ops.aten.avg_pool2d.default(X, [2, 2]), "avg2d-n2c8-h12w12-k2-f32-nchw"),
        (lambda: X.mean((2, 3)), "avg2d-n2c8-h12w12-a1-f32-nchw"),
        (lambda: torch.mean(X, dim=[-1, -2], keepdim=True), "avg2d-n2c8-h12w12-a1-f32-nchw"),
        (lambda: torch.amax(VOLUME, (2, 3, 4)), "max3d-n2c4-d6h6w6-a1-f32-ncdhw"),
        (lambda: X.permute(0, 2, 3, 1).contiguous().mean((1, 2)), "avg2d-n2c8-h12w12-a1-f32-nhwc"),
        (lambda: X.mean(3).mean(2), "avg2d-n2c8-h12w12-a1-f32-nchw"),
        (lambda: X.mean(2, keepdim=True).mean(3, keepdim=True), "avg2d-n2c8-h12w12-a1-f32-nchw"),
        (lambda: X.max(2)[0].amax(-1), "max2d-n2c8-h12w12-a1-f32-nchw"),
        (lambda: VOLUME.mean((2, 3)).mean(2), "avg3d-n2c4-d6h6w6-a1-f32-ncdhw"),
        (lambda: X[:, :5].mean(3).mean(2), "avg2d-n2c5-h12w12-a1-f32-nchw.c8"),
    ],
)
def test_a_call_is_its_workload(function, expected):
    assert ids(watched(function)) == {expected: 1}


def test_adaptive_pooling_to_one_is_what_it_is_called_and_no_mean():
    calls = watched(lambda: (F.adaptive_avg_pool2d(X, 1), X.mean((2, 3))))
    (call,) = calls
    assert {place.function: place.is_reduction for place in call.places} == {"adaptive_avg_pool2d": False, "mean": True}
    assert (call.count, call.reductions) == (2, 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda: torch.rand(2, 9, 8).mean(1),  # over tokens
        lambda: torch.rand(2, 9, 8).mean(-1),  # over features, as a norm does
        lambda: LINE.transpose(1, 2).max(1),
        lambda: X.mean(1),
        lambda: X.mean(),
        lambda: X.sum((2, 3)),
        lambda: (X.mean(3), X.mean(2)),
        lambda: X.mean(3).mean(1),
        lambda: X.mean(3).amax(2),
        lambda: X.mean(2, keepdim=True).mean(2),
        lambda: F.layer_norm(X, (12, 12)),
        lambda: F.group_norm(X, 2),
        lambda: torch.max(X, X),
    ],
)
def test_what_pools_nothing_is_not_counted(function):
    assert ids(watched(function)) == {}


def test_three_axes_are_a_sequence_behind_a_convolution():
    convolution = nn.Conv1d(8, 4, 3)

    def model(x):
        x = torch.relu(convolution(x))
        return x.max(2)[0], x.mean(1), x.transpose(1, 2).mean(-1), x.transpose(1, 2).mean(1)

    with torch.no_grad():
        calls = watched(model, LINE)
    assert ids(calls) == {"max1d-n2c4-w10-a1-f32-ncw": 1}


def test_flattened_planes_are_a_sequence():
    convolution = nn.Conv2d(8, 4, 1)
    with torch.no_grad():
        calls = watched(lambda: convolution(X).flatten(2).mean(-1))
    assert ids(calls) == {"avg1d-n2c4-w144-a1-f32-ncw": 1}


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda: F.fractional_max_pool2d(X, 2, output_size=3), "Fractional"),
        (lambda: F.lp_pool2d(X, 2, 2), "LP pooling"),
        (lambda: F.max_pool2d(X, 2, return_indices=True), "indices"),
        (lambda: nn.MaxUnpool2d(2)(*F.max_pool2d(X, 2, return_indices=True)), "Unpooling"),
        (lambda: X.to(torch.complex64).mean((2, 3)), "complex64"),
    ],
)
def test_what_nothing_measures_has_a_reason(function, reason):
    refused = [call for call in watched(function) if not call.is_supported]
    assert any(reason in call.reason for call in refused)
    assert all(call.workload is None for call in refused)


def test_a_type_that_an_id_says_and_nothing_computes_has_an_id_and_a_reason():
    (call,) = watched(lambda: F.avg_pool2d(torch.ones(1, 2, 4, 4, dtype=torch.int64), 2))
    assert call.workload.id == "avg2d-n1c2-h4w4-k2-i64-nchw"
    assert call.is_supported


def test_a_step_of_training_counts_forward_and_backward_as_one():
    x = X.clone().requires_grad_()

    def step():
        joined = torch.cat([F.max_pool2d(x, 2), F.avg_pool2d(x, 2)], 1)
        joined.backward(torch.ones_like(joined))
        F.max_pool2d(x, 3)  # whose gradient nobody asks for
        F.max_pool2d(X, 3)  # which has none

    assert ids(watched(step)) == {
        "max2d-n2c8-h12w12-k2-f32-nchw.train.gc16": 1,
        "avg2d-n2c8-h12w12-k2-f32-nchw.train.gc16": 1,
        "max2d-n2c8-h12w12-k3-f32-nchw.trainfwd": 1,
        "max2d-n2c8-h12w12-k3-f32-nchw": 1,
    }


def test_a_gradient_that_repeats_elements_is_told():
    x = X.clone().requires_grad_()
    (call,) = watched(lambda: F.max_pool2d(x, 2).sum().backward())
    assert call.workload.id == "max2d-n2c8-h12w12-k2-f32-nchw.train"
    assert call.gradient_strides == (0, 0, 0, 0)
    assert "repeats" in call.note


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_recomputed_activations_are_seen(use_reentrant):
    x = X.clone().requires_grad_()

    def model(x):
        return F.adaptive_avg_pool2d(F.max_pool2d(x, 2) * 2, 1) ** 2

    def step():
        checkpoint(model, x, use_reentrant=use_reentrant).sum().backward()

    calls = watched(step)
    by_kind = {}
    for call in calls:
        kind = call.workload.spec.kind.value
        by_kind[kind] = by_kind.get(kind, 0) + call.count
    assert by_kind == {"max": 2, "avg": 2}
    assert sum(call.count for call in calls if call.pass_ is Pass.TRAINING) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_modules_are_seen_below_python():
    model = torch.jit.script(nn.Sequential(nn.Conv2d(8, 4, 1), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)))
    with torch.no_grad():
        calls = watched(model, X)
    assert ids(calls) == {"max2d-n2c4-h12w12-k2-f32-nchw": 1, "avg2d-n2c4-h6w6-a1-f32-nchw": 1}
    assert ids(watched(lambda: model(X).sum().backward())) == {
        "max2d-n2c4-h12w12-k2-f32-nchw.train": 1,
        "avg2d-n2c4-h6w6-a1-f32-nchw.train": 1,
    }


def test_formulas_of_gradients_pool_nothing():
    x = X.clone().requires_grad_()
    assert ids(watched(lambda: x.var((2, 3)).sum().backward())) == {}


def test_layers_have_the_path_by_which_the_model_holds_them():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), nn.Sequential(nn.MaxPool2d(2))])

        def forward(self, x):
            x = self.blocks[0](x) + self.blocks[1](x)
            return F.avg_pool2d(x, 2)

    maximum, average = watched(Model(), X)
    assert [(place.layer, place.count) for place in maximum.places] == [("blocks.0.1", 1), ("blocks.1.0", 1)]
    assert [place.layer for place in average.places] == [""]
    assert maximum.workload.origin.model == "Model"
    assert maximum.workload.weight == 2
    assert (maximum.name, average.name) == ("Model.blocks.0.1", "Model.avg_pool2d")


def test_the_process_is_as_it_was():
    backward = torch.autograd._engine_run_backward
    hooks = [len(h) for h in (nn.modules.module._global_forward_hooks, nn.modules.module._global_forward_pre_hooks)]
    with pytest.raises(RuntimeError), poolbench.capture() as calls:
        nn.Sequential(nn.MaxPool2d(2), nn.Linear(5, 5))(X)
    assert ids(calls) == {"max2d-n2c8-h12w12-k2-f32-nchw": 1}
    assert torch.autograd._engine_run_backward is backward
    assert [
        len(h) for h in (nn.modules.module._global_forward_hooks, nn.modules.module._global_forward_pre_hooks)
    ] == hooks
    F.max_pool2d(X, 3)
    assert len(calls) == 1


def test_the_file_leads_back_to_the_workloads(tmp_path):
    x = X[:, :5].clone().requires_grad_()

    def step():
        joined = torch.cat([F.max_pool2d(x, 2), F.max_pool2d(x, 2), x.mean((2, 3), keepdim=True).expand(2, 5, 6, 6)], 1)
        joined.backward(torch.ones_like(joined))
        F.lp_pool2d(x, 2, 2)

    calls = watched(step)
    calls.write(tmp_path / "folder/mine.txt")
    read = read_catalogue(tmp_path / "folder/mine.txt")
    assert read == list(calls.workloads)
    assert [(w.id, w.weight, "reduction" in w.tags) for w in read] == [
        ("max2d-n2c5-h12w12-k2-f32-nchw.train.gc15", 2, False),
        ("avg2d-n2c5-h12w12-a1-f32-nchw.train", 1, True),
    ]
    assert "# left out, 1 a step: lp_pool2d" in (tmp_path / "folder/mine.txt").read_text()


def test_calls_are_known_behind_the_context(tmp_path):
    with poolbench.capture() as calls, pytest.raises(UsageError, match="has ended"):
        len(calls)
    with pytest.raises(UsageError, match="makes no pooling call"):
        calls.write(tmp_path / "none.txt")
    assert not list(tmp_path.iterdir())


def test_what_pytorch_refuses_it_says_itself():
    with pytest.raises(TypeError, match="kernel_size"), poolbench.capture() as calls:
        F.max_pool2d(X)
    assert len(calls) == 0


def test_blocked_memory_has_no_strides():
    (call,) = watched(lambda: F.max_pool2d(X.to_mkldnn(), 2))
    assert (call.workload.id, call.strides, call.note) == ("max2d-n2c8-h12w12-k2-f32-nchw", None, "")


def test_types_of_16_bits_under_autocast():
    def step():
        with torch.no_grad(), torch.autocast("cpu"):
            return F.max_pool2d(nn.Conv2d(8, 4, 1)(X), 2)

    assert ids(watched(step)) == {"max2d-n2c4-h12w12-k2-bf16-nchw": 1}


@pytest.mark.filterwarnings("ignore:Using `torch.compile")
def test_compiled_models_run_as_they_are_written():
    model = torch.compile(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))
    (call,) = watched(model, X)
    assert (call.workload.id, call.places[0].layer) == ("max2d-n2c8-h12w12-k2-f32-nchw", "1")
