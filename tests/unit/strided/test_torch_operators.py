"""``poolbench.strided.torch``: what PyTorch's functions give, to PyTorch's transformations too."""

from __future__ import annotations

import functools
import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from poolbench.strided import torch as pooling
from poolbench.strided.torch_operators import FAMILIES, longest_window


@pytest.fixture(params=["operators", "accelerated"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test by the operators alone, and by the compiled way where that can be built here."""
    if request.param == "operators":
        monkeypatch.setattr(pooling, "_fast", None)
    elif accelerated() is None:
        pytest.skip("there is no C++ compiler for the accelerated way")


@functools.cache
def accelerated() -> Any:
    try:
        pooling.accelerate()
    except RuntimeError as error:
        assert "no C++ compiler" in str(error) or "2.13" in str(error)
        return None
    return pooling._fast


both_ways = pytest.mark.usefixtures("way")

SHAPES = {1: (2, 3, 11), 2: (2, 3, 9, 11), 3: (2, 3, 5, 7, 6)}
MAXIMA: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 1, "dilation": 2},
    {"kernel_size": [3], "stride": [2]},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
]
AVERAGES: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    {"kernel_size": (3,), "stride": 1},
]
FORMATS = {2: torch.channels_last, 3: torch.channels_last_3d}


def calls(rank: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for options in MAXIMA:
        yield f"max_pool{rank}d", options
    for options in AVERAGES:
        yield f"avg_pool{rank}d", options
    if rank > 1:
        yield f"avg_pool{rank}d", {"kernel_size": 3, "divisor_override": 5}
        yield f"adaptive_avg_pool{rank}d", {"output_size": (None, 2, 3)[:rank]}
        yield f"adaptive_max_pool{rank}d", {"output_size": (3, None, 2)[:rank]}
    for size in (1, 4):
        yield f"adaptive_max_pool{rank}d", {"output_size": size}
        yield f"adaptive_avg_pool{rank}d", {"output_size": size}


CALLS = [(rank, *call) for rank in SHAPES for call in calls(rank)]


def image(rank: int, dtype: torch.dtype = torch.float32, channels_last: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rank)
    x = torch.randn(SHAPES[rank], generator=generator).mul(40).to(dtype)
    return x.contiguous(memory_format=FORMATS[rank]) if channels_last else x


def same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Equal values, shape and type, and memory in the same order."""
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4, equal_nan=True)
    assert ours.stride() == theirs.stride() or ours.dim() == 5  # PyTorch's functions of three axes differ in this


def with_gradient(function: Callable[[torch.Tensor], Any], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = x.detach().clone().requires_grad_()
    assert leaf.stride() == x.stride()
    output = function(leaf)
    output = output[0] if isinstance(output, tuple) else output
    output.backward(torch.arange(output.numel(), dtype=x.dtype).reshape(output.shape))
    assert leaf.grad is not None
    return output.detach(), leaf.grad


@both_ways
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("rank", "name", "options"), CALLS)
def test_values_indices_and_gradients(rank: int, name: str, options: dict[str, Any], channels_last: bool) -> None:
    if channels_last and rank == 1:
        pytest.skip("PyTorch has channels_last for two and three axes")
    x = image(rank, channels_last=channels_last)
    ours, theirs = getattr(pooling, name), getattr(F, name)
    same(ours(x, **options), theirs(x, **options))
    if channels_last:
        assert ours(x, **options).is_contiguous(memory_format=FORMATS[rank])
    single = ours(x[0], **options)
    torch.testing.assert_close(single, theirs(x[0], **options), rtol=1e-5, atol=1e-4)
    for mine, yours in zip(
        with_gradient(lambda x: ours(x, **options), x), with_gradient(lambda x: theirs(x, **options), x), strict=True
    ):
        torch.testing.assert_close(mine, yours, rtol=1e-5, atol=1e-4)
    leaf = x.clone().requires_grad_()
    assert torch.autograd.grad(ours(leaf, **options).sum(), leaf)[0].stride() == x.stride()
    if "max" in name:
        for mine, yours in zip(
            ours(x, return_indices=True, **options), theirs(x, return_indices=True, **options), strict=True
        ):
            same(mine, yours)
        leaf = x.clone().requires_grad_()
        output, indices = ours(leaf, return_indices=True, **options)
        assert torch.equal(indices, theirs(x, return_indices=True, **options)[1])
        assert not indices.requires_grad and indices.dtype == torch.int64
        output.sum().backward()
        torch.testing.assert_close(leaf.grad, with_sum(theirs, x, options))


def with_sum(function: Callable[..., Any], x: torch.Tensor, options: dict[str, Any]) -> Any:
    leaf = x.clone().requires_grad_()
    function(leaf, **options).sum().backward()
    return leaf.grad


@both_ways
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_float_types(dtype: torch.dtype) -> None:
    x = image(2, dtype)
    assert torch.equal(pooling.max_pool2d(x, 3, 2, 1), F.max_pool2d(x, 3, 2, 1))
    torch.testing.assert_close(pooling.avg_pool2d(x, 3), F.avg_pool2d(x, 3))
    ours = with_gradient(lambda x: pooling.max_pool2d(x, 2), x)[1]
    assert torch.equal(ours, with_gradient(lambda x: F.max_pool2d(x, 2), x)[1])


@both_ways
@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64])
def test_maxima_of_integers(dtype: torch.dtype) -> None:
    x = image(2).abs().to(dtype)
    assert torch.equal(pooling.max_pool2d(x, 2), F.max_pool2d(x.long(), 2).to(dtype))


@both_ways
def test_views_are_read_where_they_lie() -> None:
    x = image(2)
    for view in (x.transpose(2, 3), x[:, 1:, ::2], x[..., :1].expand(-1, -1, -1, 6), x[:0]):
        same(pooling.max_pool2d(view, 2), F.max_pool2d(view.contiguous(), 2))
    negative = torch.view_as_complex(torch.randn(1, 2, 4, 4, 2)).conj().imag
    assert negative.is_neg()
    assert torch.equal(pooling.max_pool2d(negative, 2), F.max_pool2d(negative.resolve_neg(), 2))


@both_ways
def test_windows_of_more_than_256_elements_keep_wider_places() -> None:
    x = torch.randn(1, 2, 40, 40)
    for name, size in (("max_pool2d", 17), ("adaptive_max_pool2d", 2)):
        ours = with_gradient(lambda x, name=name, size=size: getattr(pooling, name)(x, size), x)
        theirs = with_gradient(lambda x, name=name, size=size: getattr(F, name)(x, size), x)
        assert all(map(torch.equal, ours, theirs))


def test_traced_places_have_the_type_that_comes_out() -> None:
    x = torch.randn(1, 1, 33, 40)
    for window in ([16, 16], [1, 36], [17, 16], [16, 17]):
        operator = FAMILIES["max_pool"].operator("_kept")
        given = (window, [1, 1], [0, 0], [1, 1], False)
        assert operator(x, *given)[1].dtype == operator(x.to("meta"), *given)[1].dtype, window
    for size in itertools.product((1, 2, 3), (2, 3, 5)):
        operator = FAMILIES["adaptive_max_pool"].operator("_kept")
        assert operator(x, size)[1].dtype == operator(x.to("meta"), size)[1].dtype, size


def test_the_longest_adaptive_window_is_what_the_definition_says() -> None:
    for size, count in itertools.product(range(1, 25), repeat=2):
        lengths = [-(-(o + 1) * size // count) - o * size // count for o in range(count)]
        assert longest_window(size, count) == max(lengths), (size, count)


@both_ways
def test_gradcheck() -> None:
    x = torch.randperm(2 * 2 * 6 * 7).double().reshape(2, 2, 6, 7).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pooling.max_pool2d(x, 3, 2, 1), x)
    assert torch.autograd.gradcheck(lambda x: pooling.avg_pool2d(x, 3, 2, 1), x)
    assert torch.autograd.gradcheck(lambda x: pooling.adaptive_avg_pool2d(x, (4, 3)), x)


def arguments(family: str) -> tuple[Any, ...]:
    pairs = {"max_pool": ([3, 2], [2, 2], [1, 0], [1, 2], True), "avg_pool": ([3, 2], [2, 2], [1, 0], False, False, 0)}
    return pairs.get(family, ([3, -1],))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_operators_are_what_pytorch_asks_of_them(family: str, channels_last: bool) -> None:
    given = arguments(family)
    for suffix in FAMILIES[family].returns:
        for prefix in ("", "_"):
            operator = FAMILIES[family].operator(suffix, prefix)
            x = image(2, channels_last=channels_last)
            torch.library.opcheck(operator, (x, *given), rtol=1e-5, atol=1e-4)
            differentiable = not prefix and (suffix.endswith("_kept") or "avg" in family)
            if differentiable:
                torch.library.opcheck(operator, (x.requires_grad_(), *given), rtol=1e-5, atol=1e-4)
    x = image(2, channels_last=channels_last)
    if "max" in family:
        output, kept = FAMILIES[family].operator("_kept")(x, *given)
        checked = (torch.ones_like(output), kept, list(x.shape), *given)
    else:
        output = FAMILIES[family].operator("")(x, *given)
        checked = (torch.ones_like(output), list(x.shape), channels_last, *given)
    for prefix in ("", "_"):
        torch.library.opcheck(FAMILIES[family].operator("_gradient", prefix), checked)


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(1.5))

    def forward(self, x: torch.Tensor, functions: Any = pooling) -> torch.Tensor:
        x = functions.max_pool2d(x * self.scale, 3, stride=2, padding=1)
        values, indices = functions.max_pool2d(x, 2, stride=1, return_indices=True)
        y: torch.Tensor = functions.avg_pool2d(values + indices, 2, stride=1, padding=1)
        z: torch.Tensor = functions.adaptive_max_pool2d(y, (2, None)) + functions.adaptive_avg_pool2d(y, (2, 1))
        return z


def gradients(model: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = x.clone().requires_grad_()
    output = model(leaf)
    output.sin().sum().backward()
    assert leaf.grad is not None
    return output.detach(), leaf.grad


@pytest.mark.parametrize(("backend", "dynamic"), [("eager", False), ("aot_eager", False), ("aot_eager", True)])
def test_compiled_in_one_graph(backend: str, dynamic: bool) -> None:
    torch._dynamo.reset()
    model = Model()
    compiled = torch.compile(model, fullgraph=True, backend=backend, dynamic=dynamic)
    for x in (image(2), image(2, channels_last=True), torch.randn(1, 2, 13, 10)):
        expected = gradients(lambda x: model(x, F), x)
        for mine, yours in zip(gradients(compiled, x), expected, strict=True):
            torch.testing.assert_close(mine, yours, rtol=1e-4, atol=1e-4)
        with torch.no_grad():
            torch.testing.assert_close(compiled(x), model(x, F), rtol=1e-4, atol=1e-4)


def test_compiled_by_inductor() -> None:
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: pooling.max_pool2d(x, 3, 2, 1), fullgraph=True)
    x = image(2, channels_last=True)
    same(compiled(x), F.max_pool2d(x, 3, 2, 1))


@pytest.mark.parametrize("strict", [False, True])
def test_exported(strict: bool) -> None:
    model, x = Model(), image(2)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(model, (x,), dynamic_shapes={"x": {0: batch}}, strict=strict)
    assert "torch.ops.poolbench.max_pool" in program.graph_module.code
    for example in (x, x[:1], torch.cat([x, x])):
        torch.testing.assert_close(program.module()(example), model(example, F), rtol=1e-4, atol=1e-4)


@both_ways
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_vmap(name: str) -> None:
    ours, theirs = getattr(pooling, name), getattr(F, name)
    x, close = torch.randn(3, 2, 4, 6, 7), torch.testing.assert_close
    for axis in (0, 1, -1):
        moved = x.movedim(0, axis)
        close(torch.vmap(lambda x: ours(x, 2), in_dims=axis)(moved), torch.stack([theirs(y, 2) for y in x]))
    close(torch.vmap(lambda x: ours(x, 2))(x[:, 0]), theirs(x[:, 0], 2))
    nested = torch.vmap(torch.vmap(lambda x: ours(x, 2)))(x)
    close(nested, torch.stack([theirs(y, 2) for y in x]))
    leaf = x.clone().requires_grad_()
    torch.vmap(lambda x: ours(x, 2))(leaf).sum().backward()
    close(leaf.grad, with_sum(lambda x: theirs(x.flatten(0, 1), 2), x, {}))


@both_ways
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_gradients_of_functions(name: str) -> None:
    ours, theirs = getattr(pooling, name), getattr(F, name)
    x = torch.randn(3, 2, 4, 6, 7)

    def loss(function: Callable[..., Any]) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda x: function(x, 3, 2, 1).square().sum()

    close = torch.testing.assert_close
    close(torch.func.grad(loss(ours))(x[0]), torch.func.grad(loss(theirs))(x[0]))
    close(torch.vmap(torch.func.grad(loss(ours)))(x), torch.vmap(torch.func.grad(loss(theirs)))(x))
    total = torch.func.grad(lambda x: torch.vmap(loss(ours))(x).sum())(x)
    close(total, torch.func.grad(lambda x: torch.vmap(loss(theirs))(x).sum())(x))
    close(torch.func.vjp(lambda x: ours(x, 2), x[0])[1](torch.ones(2, 4, 3, 3))[0].sum(), torch.tensor(72.0))


@both_ways
def test_indices_under_vmap_and_grad() -> None:
    x = torch.randn(3, 2, 4, 6)
    values, indices = torch.vmap(lambda x: pooling.max_pool1d(x, 2, return_indices=True))(x)
    assert torch.equal(values, torch.stack([F.max_pool1d(y, 2) for y in x]))
    assert torch.equal(indices, torch.stack([F.max_pool1d(y, 2, return_indices=True)[1] for y in x]))


@both_ways
def test_autocast_leaves_the_type() -> None:
    x = image(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert pooling.max_pool2d(x, 2).dtype == torch.float32
        half = torch.nn.functional.conv2d(x, torch.ones(3, 3, 1, 1))
        assert pooling.avg_pool2d(half, 2).dtype == half.dtype == torch.bfloat16


@both_ways
def test_inference_mode_and_no_grad() -> None:
    x = image(2).requires_grad_()
    for mode in (torch.inference_mode, torch.no_grad):
        with mode():
            assert not pooling.max_pool2d(x, 2).requires_grad
            assert torch.equal(pooling.max_pool2d(x, 2), F.max_pool2d(x, 2))


@both_ways
def test_subclasses_and_meta_tensors() -> None:
    class Named(torch.Tensor):
        pass

    x = image(2)
    assert isinstance(pooling.max_pool2d(x.as_subclass(Named), 2), Named)
    meta = pooling.max_pool2d(x.to("meta"), 2)
    assert meta.device.type == "meta" and meta.shape == (2, 3, 4, 5)


@both_ways
def test_a_gradient_of_a_gradient_is_refused() -> None:
    for name in ("max_pool2d", "avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool2d"):
        x = image(2).requires_grad_()
        (gradient,) = torch.autograd.grad(getattr(pooling, name)(x.square(), 2).square().sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match=r"no gradients of their own: .*create_graph"):
            gradient.sum().backward()


@both_ways
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool2d"])
def test_forward_mode_is_refused(name: str) -> None:
    pool, x, refused = (
        getattr(pooling, name),
        image(2),
        pytest.raises(RuntimeError, match="no derivatives in forward mode"),
    )
    with forward_ad.dual_level():
        for primal in (x, x.clone().requires_grad_()):
            with refused:
                pool(forward_ad.make_dual(primal, torch.ones_like(x)), 2)
        leaf = x.clone().requires_grad_()
        output = pool(leaf, 2)
        with refused:
            torch.autograd.grad(output, leaf, forward_ad.make_dual(torch.ones_like(output), torch.ones_like(output)))
        assert torch.equal(pool(x, 2), output)
    with refused:
        torch.func.jvp(lambda x: pool(x, 2), (x,), (torch.ones_like(x),))
    with refused:
        torch.func.jacfwd(lambda x: pool(x, 2))(x)


def test_the_operator_that_keeps_nothing_says_so() -> None:
    output = torch.ops.poolbench.max_pool(image(2).requires_grad_(), [2, 2], [2, 2], [0, 0], [1, 1], False)
    with pytest.raises(RuntimeError, match="keeps nothing for a gradient: call max_pool_kept"):
        output.sum().backward()


@both_ways
@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda x: pooling.max_pool2d(x, 3, padding=2), ValueError, r"padding is 2 along h: .*shape \(2, 3, 9, 11\)"),
        (lambda x: pooling.max_pool2d(x, 12), ValueError, r"kernel_size \(12, 12\) does not fit along h"),
        (lambda x: pooling.max_pool2d(x, 2, stride=0), ValueError, "stride is 0: each entry must be at least 1"),
        (lambda x: pooling.max_pool2d(x, (2, 2, 2)), ValueError, "kernel_size is .* one for each of the 2"),
        (lambda x: pooling.avg_pool2d(x, 2, divisor_override=0), ValueError, "divisor_override is 0"),
        (lambda x: pooling.adaptive_avg_pool2d(x, -1), ValueError, "output_size is -1: each number is at least 1"),
        (lambda x: pooling.adaptive_avg_pool2d(x, (1, 2, 3)), ValueError, "output_size is .* for each of the 2"),
        (lambda x: pooling.max_pool3d(x[0, 0], 2), ValueError, r"The input has 2 axes .* pooling over 3"),
        (lambda x: pooling.max_pool2d(x.bool(), 2), TypeError, "maxima are taken of float64"),
        (lambda x: pooling.avg_pool2d(x.int(), 2), TypeError, "average is taken of float64"),
        (lambda x: pooling.max_pool2d(x.to_sparse(), 2), TypeError, r"layout torch.sparse_coo.*input\.to_dense\(\)"),
        (lambda x: pooling.max_pool2d(x.to("meta"), 12), ValueError, r"does not fit into \(9, 11\)"),
        (lambda x: pooling.avg_pool2d(x.to("meta").int(), 2), TypeError, "avg_pool takes float64.*not int32"),
        (lambda x: pooling.max_pool2d(x.numpy(), 2), TypeError, r"input is a numpy\.ndarray.*torch\.as_tensor"),
    ],
)
def test_errors_are_sentences(call: Callable[[torch.Tensor], Any], kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        call(image(2))


@both_ways
def test_threads_are_those_of_pytorch() -> None:
    x, before = torch.randn(4, 64, 56, 56), torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert torch.equal(pooling.max_pool2d(x, 3, 2, 1), F.max_pool2d(x, 3, 2, 1))
    finally:
        torch.set_num_threads(before)


@both_ways
def test_any_maximum() -> None:
    choices = random.Random(20261129)
    for _ in range(60):
        rank = choices.randint(1, 3)
        x = torch.randn([choices.randint(1, 3), choices.randint(1, 3), *(choices.randint(3, 9) for _ in range(rank))])
        window = [choices.randint(1, 3) for _ in range(rank)]
        options = {
            "stride": [choices.randint(1, 3) for _ in range(rank)],
            "padding": [choices.randint(0, size // 2) for size in window],
            "ceil_mode": choices.random() < 0.5,
        }
        for name in (f"max_pool{rank}d", f"avg_pool{rank}d"):
            ours = with_gradient(lambda x, name=name, w=window, o=options: getattr(pooling, name)(x, w, **o), x)
            theirs = with_gradient(lambda x, name=name, w=window, o=options: getattr(F, name)(x, w, **o), x)
            for mine, yours in zip(ours, theirs, strict=True):
                torch.testing.assert_close(mine, yours, rtol=1e-5, atol=1e-4)
            meta = getattr(pooling, name)(x.to("meta"), window, **options)
            assert meta.shape == theirs[0].shape


@both_ways
def test_gradients_in_batches() -> None:
    for name in ("max_pool2d", "avg_pool2d", "adaptive_max_pool2d", "adaptive_avg_pool2d"):
        ours, theirs = (
            torch.autograd.grad(getattr(functions, name)(x, 2), x, torch.ones(3, 2, 3, *size), is_grads_batched=True)
            for functions in (pooling, F)
            for x in [image(2).requires_grad_()]
            for size in [getattr(F, name)(x, 2).shape[2:]]
        )
        torch.testing.assert_close(ours, theirs)


@both_ways
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_checkpoints(name: str) -> None:
    def block(x: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = getattr(pooling, name)(x.sin(), 2)
        return pooled.square()

    x = image(2).requires_grad_()
    output = torch.utils.checkpoint.checkpoint(block, x, use_reentrant=False)
    assert torch.equal(*(torch.autograd.grad(each.sum(), x)[0] for each in (output, block(x))))


@both_ways
def test_a_graph_is_gone_after_its_gradient() -> None:
    output = pooling.max_pool2d(image(2).requires_grad_(), 2).sum()
    output.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        output.backward()


@both_ways
def test_modes_see_the_operators() -> None:
    seen = []

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(str(function))
            return function(*args, **(kwargs or {}))

    with Mode():
        pooling.max_pool2d(image(2), 2)
    assert any("poolbench" in name for name in seen)


def test_without_a_compiler_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"no C\+\+ compiler .* install g\+\+, or set CXX.* work without"):
        pooling.accelerate()
    monkeypatch.setenv("CXX", sys.executable)
    with pytest.raises(RuntimeError, match=r"(?s)could not build the shorter way .* work without"):
        pooling.accelerate()
    assert not list(tmp_path.rglob("*.so"))
    monkeypatch.setattr(torch, "__version__", "2.12.0")
    with pytest.raises(RuntimeError, match=r"needs PyTorch 2\.13 or newer, and this is 2\.12\.0"):
        pooling.accelerate()


def test_the_accelerated_way_takes_plain_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    if accelerated() is None:
        pytest.skip("there is no C++ compiler for the accelerated way")
    monkeypatch.setattr(pooling, "_maxima", None)
    monkeypatch.setattr(pooling, "_averages", None)
    x = image(2).requires_grad_()
    assert pooling.max_pool2d(x, 2).grad_fn.name() == "PoolBackward"
    assert pooling.avg_pool2d(x, 2).grad_fn.name() == "PoolBackward"
    assert pooling.adaptive_max_pool2d(x.detach(), 2, return_indices=True)[1].dtype == torch.int64
    torch.testing.assert_close(pooling.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, 1))


def test_importing_the_library_loads_no_framework() -> None:
    code = "import sys; import poolbench.strided; poolbench.strided.max_pool2d; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_old_release_is_refused_with_a_sentence() -> None:
    code = (
        "import torch; torch.__version__ = '2.9.1+cpu'\n"
        "try: import poolbench.strided.torch\n"
        "except ImportError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert told.startswith("poolbench.strided.torch needs PyTorch 2.10 or newer, and this is 2.9.1+cpu")
