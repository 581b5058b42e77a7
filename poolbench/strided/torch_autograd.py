"""How gradients go back through ``poolbench.strided.torch``: functions of autograd around the operators without it.

What ``torch_operators`` registers is Python code on every call, whether or not a gradient is wanted. These are called
where one is wanted alone, and for ``torch.func`` and ``torch.vmap``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch._C import is_grad_enabled
from torch.autograd import forward_ad

from poolbench.strided import torch_operators as operators

LIBRARY = operators.register()
"""The operators are there as long as this is."""


class Operators:
    """The operators of a family, each under an attribute: looking them up by name takes longer than calling them."""

    def __init__(self, family: operators.Family, prefix: str) -> None:
        # The bound C++ function: OpOverload.__call__ is one more call in Python.
        for suffix in (*family.returns, "_gradient"):
            operator = family.operator(suffix, prefix)
            setattr(self, suffix.removeprefix("_") or "pool", operator if not prefix else operator._op)

    pool: Any
    with_indices: Any
    kept: Any
    with_indices_kept: Any
    gradient: Any


class OperatorFamily:
    """The operators of a family: as they are registered, and without autograd."""

    def __init__(self, name: str) -> None:
        family = operators.FAMILIES[name]
        self.name = name
        self.registered, self.raw = Operators(family, ""), Operators(family, "_")


MAX, ADAPTIVE_MAX = OperatorFamily("max_pool"), OperatorFamily("adaptive_max_pool")
AVG, ADAPTIVE_AVG = OperatorFamily("avg_pool"), OperatorFamily("adaptive_avg_pool")


def refuse_tangent(tensor: torch.Tensor) -> None:
    """Raise RuntimeError where ``tensor`` has a derivative of forward mode, which would be lost without a word."""
    if forward_ad._current_level < 0 or not isinstance(tensor, torch.Tensor):  # outside of any, the usual case
        return
    if forward_ad.unpack_dual(tensor).tangent is not None:
        raise RuntimeError(operators.FORWARD)


class Gradient(torch.autograd.Function):  # type: ignore[misc]  # PyTorch is not read for types
    """A gradient whose own gradient may be asked for, which is refused then."""

    generate_vmap_rule = True

    @staticmethod
    def forward(family: OperatorFamily, *arguments: Any) -> torch.Tensor:
        return family.raw.gradient(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: torch.Tensor) -> None:
        ctx.name = inputs[0].name

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(operators.TWICE.format(ctx.name))


class Maxima(torch.autograd.Function):  # type: ignore[misc]
    """Maxima of plain tensors: what is registered for the operators, in a fraction of the time."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, family: OperatorFamily, parameters: Any) -> torch.Tensor:
        output, kept = family.raw.kept(input, *parameters)
        ctx.save_for_backward(kept)
        ctx.given = family, input.shape, parameters
        return output

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        refuse_tangent(grad)
        family, sizes, parameters = ctx.given
        gradient = family.raw.gradient if not is_grad_enabled() else partial(Gradient.apply, family)
        return gradient(grad, *ctx.saved_tensors, sizes, *parameters), None, None


class MaximaAndIndices(torch.autograd.Function):  # type: ignore[misc]
    """The same with indices."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, family: OperatorFamily, parameters: Any) -> Any:
        output, indices, kept = family.raw.with_indices_kept(input, *parameters)
        ctx.save_for_backward(kept)
        ctx.mark_non_differentiable(indices)
        ctx.set_materialize_grads(False)
        ctx.given = family, input.shape, parameters
        return output, indices

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor | None, of_indices: None) -> Any:
        return (None, None, None) if grad is None else Maxima.backward(ctx, grad)


class Averages(torch.autograd.Function):  # type: ignore[misc]
    """Averages of plain tensors."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, family: OperatorFamily, parameters: Any) -> torch.Tensor:
        output = family.raw.pool(input, *parameters)
        # Of an output as the kernels make it the last step tells: the channels of one in C order are not innermost.
        ctx.given = family, input.shape, output.stride(-1) != 1, parameters
        return output

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        refuse_tangent(grad)
        family, sizes, channels_last, parameters = ctx.given
        gradient = family.raw.gradient if not is_grad_enabled() else partial(Gradient.apply, family)
        return gradient(grad, sizes, channels_last, *parameters), None, None


class TransformedMaxima(torch.autograd.Function):  # type: ignore[misc]
    """Maxima under ``torch.func`` and ``torch.vmap``, whose levels each ask for gradients and batches of their own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(input: torch.Tensor, family: OperatorFamily, parameters: Any) -> Any:
        return family.raw.with_indices_kept(input, *parameters)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(output[2])
        ctx.mark_non_differentiable(*output[1:])
        ctx.given = inputs[1], inputs[0].shape, inputs[2]

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, *of_places: Any) -> Any:
        return Maxima.backward(ctx, grad)


class TransformedAverages(torch.autograd.Function):  # type: ignore[misc]
    """Averages under ``torch.func`` and ``torch.vmap``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(input: torch.Tensor, family: OperatorFamily, parameters: Any) -> torch.Tensor:
        return family.raw.pool(input, *parameters)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: torch.Tensor) -> None:
        ctx.given = inputs[1], inputs[0].shape, output.stride(-1) != 1, inputs[2]

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        return Averages.backward(ctx, grad)
