"""This library's operators in the place of a model's pooling: the same numbers, and the way back."""

from __future__ import annotations

import copy
import pickle

import pytest

torch = pytest.importorskip("torch")
modules = pytest.importorskip("poolbench.strided.torch_modules", exc_type=ImportError)

from torch import nn  # noqa: E402 - behind the question whether it is there
from torch.nn import functional as F  # noqa: E402

from poolbench import replace_pooling  # noqa: E402
from poolbench.errors import UsageError  # noqa: E402

POOLS = {
    1: (nn.MaxPool1d(3, 2, 1), nn.AvgPool1d(2, ceil_mode=True), nn.AdaptiveMaxPool1d(3), nn.AdaptiveAvgPool1d(2)),
    2: (
        nn.MaxPool2d(3, 2, 1, dilation=1), nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        nn.AdaptiveMaxPool2d((3, None)), nn.AdaptiveAvgPool2d(1),
    ),
    3: (nn.MaxPool3d(2), nn.AvgPool3d(2, divisor_override=3), nn.AdaptiveMaxPool3d(2), nn.AdaptiveAvgPool3d((1, 2, 2))),
}  # fmt: skip


class Sum(nn.Module):
    """All that a rank has, one beside the other, behind something that is trained."""

    def __init__(self, rank):
        super().__init__()
        torch.manual_seed(2)
        self.conv = getattr(nn, f"Conv{rank}d")(4, 4, 1)
        self.pools = nn.ModuleList(copy.deepcopy(POOLS[rank]))

    def forward(self, x):
        x = self.conv(x)
        return sum(pool(x).sum(dim=tuple(range(2, x.dim()))) for pool in self.pools)


class Functions(nn.Module):
    """Calls functions itself, and has a layer that does so too."""

    def __init__(self, inner=None):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        found = F.max_pool2d(x, 2)
        return self.inner(found) if self.inner is not None else F.avg_pool2d(found, 2)


class Averages(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        pooled = F.avg_pool2d(x, 2)
        return self.inner(pooled) if self.inner is not None else F.max_pool2d(pooled, 2)


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.never = nn.MaxPool2d(2)
        self.lp = nn.LPPool2d(2, 2)
        self.scripted = torch.jit.script(nn.MaxPool2d(2))
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        x = F.dropout(self.norm(x), 0.5, self.training)
        pooled, _ = F.max_pool2d(x, 2, return_indices=True)
        return self.lp(x) + self.scripted(x) + pooled + x.mean((2, 3), keepdim=True)


def image(rank=2, *, last=False):
    x = torch.randn(2, 4, *[8] * rank, generator=torch.Generator().manual_seed(3))
    return x.to(memory_format=torch.channels_last) if last else x


def results(model, x):
    model.zero_grad()
    given = x.clone().requires_grad_()
    y = model(given)
    y.pow(2).sum().backward()
    return [y.detach(), given.grad, *(parameter.grad.clone() for parameter in model.parameters())]


def assert_alike(found, wanted):
    for ours, theirs in zip(found, wanted, strict=True):
        # Sums of gradients of both signs: what rounding leaves is a share of the largest.
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.parametrize(("rank", "last"), [(1, False), (2, False), (2, True), (3, False)])
def test_all_modules_are_replaced_and_give_the_same(rank, last):
    model, x = Sum(rank), image(rank, last=last)
    wanted, state = results(model, x), {key: value.clone() for key, value in model.state_dict().items()}
    before = list(model.modules())
    with replace_pooling(model, x) as replacement:
        assert [site.layer for site in replacement.replaced] == [f"pools.{index}" for index in range(4)]
        assert replacement.left == ()
        assert {type(pool).__module__ for pool in model.pools} == {"poolbench.strided.torch_modules"}
        assert all(now is then for now, then in zip(model.modules(), before, strict=True))
        assert list(model.state_dict()) == list(state)
        assert_alike(results(model, x), wanted)
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert_alike(results(twin, x), wanted)
    assert replacement.is_undone
    assert {type(pool).__module__ for pool in model.pools} <= {"torch.nn.modules.pooling"}
    assert all(torch.equal(model.state_dict()[key], value) for key, value in state.items())


def test_channels_last_goes_in_and_comes_out():
    model, x = nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(2)), image(last=True)
    assert len(replace_pooling(model, x).replaced) == 2
    assert model(x).is_contiguous(memory_format=torch.channels_last)
    assert not model(x).is_contiguous()


def test_functions_are_rerouted_in_the_layer_that_calls_them(monkeypatch):
    seen = []
    plain = {name: modules.FUNCTIONS[name] for name in ("max_pool2d", "avg_pool2d")}
    for name, function in plain.items():
        monkeypatch.setitem(
            modules.FUNCTIONS, name, lambda *a, _f=function, _n=name, **k: (seen.append(_n), _f(*a, **k))[1]
        )
    model = Functions()
    wanted = model(image())
    replacement = replace_pooling(model, image())
    seen.clear()
    torch.testing.assert_close(model(image()), wanted)
    assert seen == ["max_pool2d", "avg_pool2d"]
    torch.testing.assert_close(pickle.loads(pickle.dumps(model))(image()), wanted)
    F.max_pool2d(image(), 2)  # beside the model nothing has changed
    replacement.undo()
    seen.clear()
    model(image())
    assert seen == [] and "forward" not in vars(model)


def test_a_layer_that_is_left_alone_stays_so_inside_of_one_that_is_not(monkeypatch):
    plain = modules.FUNCTIONS["avg_pool2d"]
    # Wrong where the inner layer calls it, on a plane of 4×4, and right around it.
    wrong = lambda x, *a, **k: plain(x, *a, **k) + (x.shape[-1] == 4)  # noqa: E731
    monkeypatch.setitem(modules.FUNCTIONS, "avg_pool2d", wrong)
    model = Averages(Averages(None))
    wanted = model(image())
    replacement = replace_pooling(model, image())
    assert [(site.layer, site.function) for site in replacement.replaced] == [
        ("", "avg_pool2d"),
        ("inner", "max_pool2d"),
    ]
    (left,) = replacement.left
    assert (left.site.layer, left.site.function) == ("inner", "avg_pool2d")
    assert "differs from PyTorch's by" in left.reason
    torch.testing.assert_close(model(image()), wanted)


def test_what_is_left_alone_is_said_and_nothing_else_changes():
    model = Odd().train()
    running, random = model.norm.running_mean.clone(), torch.get_rng_state()
    replacement = replace_pooling(model, image())
    assert torch.equal(model.norm.running_mean, running)
    assert torch.equal(torch.get_rng_state(), random)
    assert [site.function for site in replacement.replaced] == ["max_pool2d_with_indices"]
    reasons = {left.site.layer: left.reason for left in replacement.left}
    assert set(reasons) == {"never", "lp", "scripted", ""}
    for layer, words in (("never", "did not run"), ("lp", "No operator"), ("scripted", "scripted"), ("", "mean")):
        assert words in reasons[layer]
    assert "left alone: lp (lp_pool2d): No operator" in str(replacement)
    torch.manual_seed(5)
    replaced = model(image())
    replacement.undo()
    torch.manual_seed(5)
    torch.testing.assert_close(model(image()), replaced)


@pytest.mark.parametrize("x", [torch.zeros(1, 2, 4, 4, device="meta"), torch.ones(1, 2, 4, 4, dtype=torch.complex64)])
def test_a_tensor_that_is_not_served_is_a_reason(x):
    replacement = replace_pooling(nn.Sequential(nn.AdaptiveAvgPool2d(1)), x)
    assert replacement.replaced == ()
    assert "meta" in replacement.left[0].reason or "complex64" in replacement.left[0].reason


def test_later_inputs_of_other_kinds_go_to_pytorch():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.MaxPool2d(1))
    replace_pooling(model, image())
    assert model(image().to("meta")).device.type == "meta"
    with pytest.raises(NotImplementedError, match=r"Complex"):
        model(image().to(torch.complex64))


def test_a_wider_tolerance_is_the_user_s(monkeypatch):
    exact = modules.FUNCTIONS["avg_pool2d"]
    monkeypatch.setitem(modules.FUNCTIONS, "avg_pool2d", lambda *a, **k: exact(*a, **k) * 1.001)
    model = nn.Sequential(nn.AvgPool2d(2))
    assert len(replace_pooling(model, image()).left) == 1
    assert len(replace_pooling(model, image(), tolerance=0.01).replaced) == 1


def test_mistakes_are_sentences():
    with pytest.raises(UsageError, match=r"no torch\.nn\.Module"):
        replace_pooling(lambda x: x, image())
    with pytest.raises(UsageError, match="fails on these inputs"):
        replace_pooling(nn.Sequential(nn.Conv2d(3, 3, 1)), image())
