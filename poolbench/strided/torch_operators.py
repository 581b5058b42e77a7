"""The operators ``torch.ops.poolbench.…``: what they are to PyTorch, apart from what is done to memory.

Kernels on tensors in the CPU's memory are in ``libpoolbench_torch.so``. Here are the schemas, the shapes for tracing
(``torch.compile``, ``torch.export``, fake and meta tensors), autograd and vmap.

Each operator is there twice. Under ``_name`` autograd is not asked: the functions of ``poolbench.strided.torch`` call
those, and do by a lean ``torch.autograd.Function`` what is needed, since the registered one costs some 10 µs a call.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._prims_common import suggest_memory_format

from poolbench.strided.linking import beside_module

Sizes = Sequence[Any]
"""Sizes of tensors: integers, or PyTorch's symbols for them where a call is traced."""

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)
SAME_SIZE = -1
NEWEST_REFUSED = (2, 9)

MAX_PARAMETERS = "int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode"
AVG_PARAMETERS = (
    "int[] kernel_size, int[] stride, int[] padding, bool ceil_mode, bool count_include_pad, int divisor_override"
)
ADAPTIVE_PARAMETERS = "int[] output_size"

TWICE = "Gradients of {} have no gradients of their own: leave out create_graph=True, or use torch.nn.functional here."
FORWARD = (
    "Pooling by poolbench has no derivatives in forward mode (torch.autograd.forward_ad, torch.func.jvp and jacfwd): "
    "take them in reverse mode (torch.func.vjp and jacrev), or use torch.nn.functional here."
)


def max_output(sizes: Sizes, parameters: Sizes) -> list[Any]:
    """Return the sizes of what comes out of the pooled axes, ``sizes``, of ``max_pool``."""
    window, stride, padding, dilation, ceil_mode = parameters
    return [
        output_size(size, (k - 1) * d + 1, s, p, ceil_mode)
        for size, k, s, p, d in zip(sizes, window, stride, padding, dilation, strict=True)
    ]


def avg_output(sizes: Sizes, parameters: Sizes) -> list[Any]:
    """Return the sizes of what comes out of the pooled axes, ``sizes``, of ``avg_pool``."""
    window, stride, padding, ceil_mode = parameters[:4]
    return [output_size(size, k, s, p, ceil_mode) for size, k, s, p in zip(sizes, window, stride, padding, strict=True)]


def adaptive_output(sizes: Sizes, parameters: Sizes) -> list[Any]:
    """Return the sizes of what comes out of the pooled axes, ``sizes``, of adaptive pooling."""
    return [size if wanted == SAME_SIZE else wanted for size, wanted in zip(sizes, parameters[0], strict=True)]


def output_size(size: Any, span: int, stride: int, padding: int, ceil_mode: bool) -> Any:
    """Return how many windows that span ``span`` elements there are along an axis."""
    stride = stride or span
    beyond = size + 2 * padding - span
    if not ceil_mode:
        return beyond // stride + 1
    count = (beyond + stride - 1) // stride + 1
    # A last window that would begin in the padding behind the axis is none.
    return count - 1 if (count - 1) * stride >= size + padding else count


def max_window(sizes: Sizes, parameters: Sizes) -> Any:
    """Return how many elements a window of ``max_pool`` has."""
    return math.prod(parameters[0])


def adaptive_window(sizes: Sizes, parameters: Sizes) -> Any:
    """Return how many elements the largest window of adaptive pooling has."""
    elements = 1
    for size, count in zip(sizes, adaptive_output(sizes, parameters), strict=True):
        elements = elements * longest_window(size, count)
    return elements


def longest_window(size: Any, count: Any) -> Any:
    """Return the length of the longest of ``count`` adaptive windows along an axis."""
    if size % count == 0:
        return size // count
    whole, rest = size // count, size % count
    # Window o covers [floor(o L / O), ceil((o + 1) L / O)): one more than a quotient rounded up where both ends cut.
    return whole + (2 if any(o * rest % count + rest > count for o in range(int(count))) else 1)


class Family:
    """Operators that share their parameters: what they are called, and what comes out of them.

    ``output`` gives the sizes of what comes out, and ``window``, for maxima alone, how many elements a window has, both
    of the pooled axes and the parameters.
    """

    def __init__(
        self,
        name: str,
        schema: str,
        output: Callable[[Sizes, Sizes], list[Any]],
        window: Callable[[Sizes, Sizes], Any] | None = None,
    ) -> None:
        self.name, self.schema, self.output, self.window = name, schema, output, window

    @property
    def returns(self) -> dict[str, str]:
        """Return what follows the family's name in those of its operators, and what these return."""
        if self.window is None:
            return {"": "Tensor"}
        return {
            "": "Tensor",
            "_with_indices": "(Tensor output, Tensor indices)",
            "_kept": "(Tensor output, Tensor kept)",
            "_with_indices_kept": "(Tensor output, Tensor indices, Tensor kept)",
        }

    @property
    def gradient_arguments(self) -> str:
        """Return what the gradient takes before the family's parameters."""
        if self.window is None:
            return "Tensor grad_output, SymInt[] input_size, bool channels_last"
        return "Tensor grad_output, Tensor kept, SymInt[] input_size"

    def operator(self, suffix: str, prefix: str = "") -> Any:
        """Return the operator of that name."""
        return getattr(torch.ops.poolbench, f"{prefix}{self.name}{suffix}").default


FAMILIES = {
    family.name: family
    for family in (
        Family("max_pool", MAX_PARAMETERS, max_output, max_window),
        Family("adaptive_max_pool", ADAPTIVE_PARAMETERS, adaptive_output, adaptive_window),
        Family("avg_pool", AVG_PARAMETERS, avg_output),
        Family("adaptive_avg_pool", ADAPTIVE_PARAMETERS, adaptive_output),
    )
}


def register() -> torch.library.Library:
    """Declare the operators, and return what must live as long as they are to be there.

    Raises ImportError where PyTorch is too old, and FileNotFoundError where this copy was built without the kernels.
    """
    release = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if release <= NEWEST_REFUSED:
        raise ImportError(
            f"poolbench.strided.torch needs PyTorch 2.10 or newer, and this is {torch.__version__}: its stable "
            "interface for operators begins there. poolbench.strided itself pools the tensors of older ones."
        )
    library = torch.library.Library("poolbench", "DEF")
    for family in FAMILIES.values():
        for prefix in ("", "_"):
            for suffix, returned in family.returns.items():
                declare(library, f"{prefix}{family.name}{suffix}(Tensor input, {family.schema}) -> {returned}")
            arguments = f"{family.gradient_arguments}, {family.schema}"
            declare(library, f"{prefix}{family.name}_gradient({arguments}) -> Tensor")
    load_kernels()
    for family in FAMILIES.values():
        for prefix in ("", "_"):
            for suffix in family.returns:
                name = f"poolbench::{prefix}{family.name}{suffix}"
                torch.library.register_fake(name, fake_pool(family, suffix), lib=library)
                torch.library.register_vmap(name, vmapped_pool(family, suffix, prefix), lib=library)
            name = f"poolbench::{prefix}{family.name}_gradient"
            torch.library.register_fake(name, fake_gradient(family), lib=library)
            torch.library.register_vmap(name, vmapped_gradient(family, prefix), lib=library)
        register_autograd(family, library)
        for suffix in (*family.returns, "_gradient"):
            library.impl(f"_{family.name}{suffix}", torch.library.fallthrough_kernel, "Autograd")
    return library


def declare(library: torch.library.Library, schema: str) -> None:
    """Declare the operator that ``schema`` describes."""
    library.define(schema, tags=(torch.Tag.pt2_compliant_tag,))


def load_kernels() -> None:
    """Load the kernels into PyTorch.

    Raises FileNotFoundError where this copy was built without them, and ImportError where PyTorch lacks something.
    """
    functions = ctypes.CDLL(beside_module("libpoolbench_torch.so", "for PyTorch"))
    message = ctypes.create_string_buffer(1024)
    if functions.poolbench_torch_register(message, ctypes.c_size_t(len(message))) != 0:
        raise ImportError(
            f"poolbench's operators do not go with PyTorch {torch.__version__}, which has no "
            f"{message.value.decode()}: install a release from 2.10 on."
        )


def is_channels_last(tensor: torch.Tensor, rank: int) -> bool:
    """Whether PyTorch's operators keep the channels of ``tensor`` innermost, and so do these."""
    if rank == 1 or tensor.dim() != rank + 2:
        return False
    return suggest_memory_format(tensor) in (torch.channels_last, torch.channels_last_3d)


def fresh(like: torch.Tensor, sizes: Sizes, dtype: torch.dtype, channels_last: bool) -> torch.Tensor:
    """Return a tensor without values, as the kernels make one."""
    order = [1, *range(len(sizes) - 1, 1, -1), 0] if channels_last else range(len(sizes) - 1, -1, -1)
    strides: list[Any] = [1] * len(sizes)
    step: Any = 1
    for axis in order:
        strides[axis] = step
        step = step * torch.sym_max(sizes[axis], 1)
    return like.new_empty_strided(sizes, strides, dtype=dtype)


def types_of(family: Family) -> tuple[torch.dtype, ...]:
    """Return the types of elements that the operators of ``family`` take."""
    return FLOATS if family.window is None else FLOATS + INTEGERS


def check_input(family: Family, tensor: torch.Tensor, rank: int) -> None:
    """Refuse what the kernels would refuse, as far as shapes and types tell."""
    types = types_of(family)
    if tensor.dtype not in types:
        wanted = ", ".join(str(each).removeprefix("torch.") for each in types)
        raise TypeError(f"{family.name} takes {wanted}, not {str(tensor.dtype).removeprefix('torch.')}: convert it.")
    if tensor.dim() not in (rank + 1, rank + 2):
        raise ValueError(
            f"input has {tensor.dim()} axes: pooling over {rank} takes (C, *spatial) or (N, C, *spatial), which are "
            f"{rank + 1} or {rank + 2}."
        )


def kept_type(elements: Any) -> torch.dtype:
    """Return the type of places within windows of so many elements."""
    for limit, dtype in ((1 << 8, torch.uint8), (1 << 16, torch.int16), (1 << 32, torch.int32)):
        if elements <= limit:
            return dtype
    return torch.int64


def fake_pool(family: Family, suffix: str) -> Callable[..., Any]:
    """Return what tells the shapes of an operator's results."""

    def fake(input: torch.Tensor, *parameters: Any) -> Any:
        rank = len(parameters[0])
        check_input(family, input, rank)
        spatial = input.shape[-rank:]
        pooled = family.output(spatial, parameters)
        for size in pooled:
            torch._check_value(size > 0, lambda: f"{family.name}: the window does not fit into {tuple(spatial)}.")
        sizes = [*input.shape[:-rank], *pooled]
        last = is_channels_last(input, rank)
        results = [fresh(input, sizes, input.dtype, last)]
        if "_with_indices" in suffix:
            results.append(fresh(input, sizes, torch.int64, last))
        if "_kept" in suffix:
            assert family.window is not None
            results.append(fresh(input, sizes, kept_type(family.window(spatial, parameters)), last))
        return results[0] if len(results) == 1 else tuple(results)

    return fake


def fake_gradient(family: Family) -> Callable[..., torch.Tensor]:
    """Return what tells the shape of the gradient."""

    def fake_of_maximum(
        grad_output: torch.Tensor, kept: torch.Tensor, input_size: Sizes, *parameters: Any
    ) -> torch.Tensor:
        last = is_channels_last(kept, len(parameters[0]))
        return fresh(grad_output, input_size, grad_output.dtype, last)

    def fake_of_average(
        grad_output: torch.Tensor, input_size: Sizes, channels_last: bool, *parameters: Any
    ) -> torch.Tensor:
        last = channels_last and len(input_size) > 3 and len(input_size) == len(parameters[0]) + 2
        return fresh(grad_output, input_size, grad_output.dtype, last)

    return fake_of_average if family.window is None else fake_of_maximum


def register_autograd(family: Family, library: torch.library.Library) -> None:
    """Register how gradients go back through the operators that have what it takes."""
    gradient = family.operator("_gradient")

    def refuse(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(TWICE.format(family.name))

    torch.library.register_autograd(f"poolbench::{family.name}_gradient", refuse, lib=library)
    if family.window is None:

        def keep_sizes(ctx: Any, inputs: Any, output: Any) -> None:
            input, *ctx.parameters = inputs
            ctx.sizes, ctx.last = input.shape, is_channels_last(output, len(ctx.parameters[0]))

        def back(ctx: Any, grad: torch.Tensor) -> Any:
            result = gradient(grad, ctx.sizes, ctx.last, *ctx.parameters)
            return result, *(None for _ in ctx.parameters)

        torch.library.register_autograd(f"poolbench::{family.name}", back, setup_context=keep_sizes, lib=library)
        return

    def keep_places(ctx: Any, inputs: Any, output: Any) -> None:
        input, *ctx.parameters = inputs
        ctx.sizes = input.shape
        ctx.save_for_backward(output[-1])
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)

    def back_from_places(ctx: Any, grad: torch.Tensor | None, *of_places: Any) -> Any:
        nothing = [None for _ in ctx.parameters]
        if grad is None:
            return None, *nothing
        return gradient(grad, *ctx.saved_tensors, ctx.sizes, *ctx.parameters), *nothing

    for suffix in ("_kept", "_with_indices_kept"):
        torch.library.register_autograd(
            f"poolbench::{family.name}{suffix}", back_from_places, setup_context=keep_places, lib=library
        )

    # Without what a gradient needs there is none to be had: said where it is asked for.
    def explain(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(
            f"torch.ops.poolbench.{family.name} keeps nothing for a gradient: call {family.name}_kept, or the "
            "functions of poolbench.strided.torch, which choose."
        )

    for suffix in ("", "_with_indices"):
        torch.library.register_autograd(f"poolbench::{family.name}{suffix}", explain, lib=library)


def vmapped_pool(family: Family, suffix: str, prefix: str) -> Callable[..., Any]:
    """Return how an operator pools a batch of its inputs: as one input whose first axis is longer."""

    def vmapped(info: Any, in_dims: Any, input: torch.Tensor, *parameters: Any) -> Any:
        batched = input.movedim(in_dims[0], 0)
        rank = len(parameters[0])
        single = batched.dim() == rank + 3
        results = family.operator(suffix, prefix)(batched.flatten(0, 1) if single else batched, *parameters)
        if single:
            results = (
                tuple(each.unflatten(0, batched.shape[:2]) for each in results)
                if isinstance(results, tuple)
                else results.unflatten(0, batched.shape[:2])
            )
        return results, tuple(0 for _ in results) if isinstance(results, tuple) else 0

    return vmapped


def vmapped_gradient(family: Family, prefix: str) -> Callable[..., Any]:
    """Return how the gradient's operator takes a batch."""
    tensors = 1 if family.window is None else 2
    gradient = family.operator("_gradient", prefix)

    def vmapped(info: Any, in_dims: Any, *arguments: Any) -> Any:
        given = [
            each.expand(info.batch_size, *each.shape) if axis is None else each.movedim(axis, 0)
            for each, axis in zip(arguments[:tensors], in_dims[:tensors], strict=True)
        ]
        sizes, rest = arguments[tensors], arguments[tensors + 1 :]
        rank = len(rest[0] if family.window is not None else rest[1])
        if len(sizes) == rank + 1:
            return gradient(*given, [info.batch_size, *sizes], *rest), 0
        long = [info.batch_size * sizes[0], *sizes[1:]]
        result = gradient(*(each.flatten(0, 1) for each in given), long, *rest)
        return result.unflatten(0, (info.batch_size, sizes[0])), 0

    return vmapped
