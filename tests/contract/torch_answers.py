"""What ``poolbench.strided`` and PyTorch answer to a call of ``torch_calls``, in arrays that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench import strided
from poolbench.backends.torch_common import as_tensor
from poolbench.strided import training
from tests.contract.torch_calls import FLOATS, Call, filled

REFUSALS = (ValueError, TypeError)
"""What the functions raise for a call that they refuse; all else is a fault."""


class Differs(Exception):
    """Says how the answers to a call differ."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a function gave, widened without rounding, channels before the spatial axes."""

    output: NDArray[Any]
    indices: NDArray[Any] | None = None
    gradient: NDArray[Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """That a function refused, and how."""

    error: Exception


def reads_nothing(call: Call) -> bool:
    """Whether PyTorch takes a maximum over a dilated window that has no element of the input."""
    import torch
    from torch.nn import functional

    if "dilation" not in call.options:
        return False
    options = dict(call.options) | {"return_indices": False}
    try:
        output = getattr(functional, call.name)(torch.zeros((1, *call.shape[-call.rank :])), **options)
    except RuntimeError:  # refused: the comparison will say so
        return False
    return bool(torch.isneginf(output).any())


def ours_of(call: Call, theirs: Answer | Refusal | None) -> Answer | Refusal:
    """Return what ``poolbench.strided`` answers, as the call hands its input over."""
    options = dict(call.options) | {"threads": call.threads}
    if call.channels_last:
        options["layout"] = "NHWC"
    x = call.values()
    if call.into_out and isinstance(theirs, Answer):
        options["out"] = call.arranged(np.zeros(theirs.output.shape, x.dtype), call.gradient_view)
    given = as_tensor(x, training=True) if call.as_tensor else x
    function = getattr(training if call.training else strided, call.name)
    try:
        result = function(given, **options)
    except REFUSALS as error:
        return Refusal(error=error)
    output, pullback = result if call.training else (result, None)
    output, indices = output if isinstance(output, tuple) else (output, None)
    if output.dtype != x.dtype:
        raise Differs(f"strided gives {output.dtype}.")
    if "out" in options and output is not options["out"]:
        raise Differs("strided does not return out.")
    gradient = None
    if pullback is not None:
        g = call.arranged(gradient_of(call, call.channels_first(output).shape), call.gradient_view)
        gradient = widened(call.channels_first(np.asarray(pullback(g, threads=call.threads))))
    if indices is not None:
        indices = call.channels_first(indices)
    return Answer(output=widened(call.channels_first(output)), indices=indices, gradient=gradient)


def theirs_of(call: Call, *, dtype: str = "", magnitudes: bool = False) -> Answer | Refusal:
    """Return what PyTorch answers to a copy of the input, in ``dtype`` if given; ``magnitudes`` to absolute values."""
    import torch
    from torch.nn import functional

    x = call.channels_first(call.values()).copy()  # ascontiguousarray leaves the strides of axes of length 1
    tensor = as_tensor(x, training=True)
    options = dict(call.options)
    if dtype:
        tensor = tensor.to(getattr(torch, dtype))
    shrink = 2.0**-16 if dtype == call.dtype == "float64" and call.fill == "huge" else 1.0  # sums are finite then
    tensor = tensor * shrink if shrink < 1 else tensor
    if magnitudes and not call.is_max:
        tensor = tensor.abs()
    wants_indices = bool(options.get("return_indices"))
    if call.is_max and call.dtype not in FLOATS and not dtype:
        options["return_indices"] = True  # only the variant with indices has integers in one dimension
    try:
        if call.training:
            tensor.requires_grad_(True)
        result = getattr(functional, call.name)(tensor, **options)
        output, indices = result if isinstance(result, tuple) else (result, None)
        gradient = None
        if call.training:
            g = as_tensor(gradient_of(call, tuple(output.shape)), training=True).to(output.dtype)
            output.backward(g.abs() if magnitudes else g)
            gradient = tensor.grad.to(torch.float64).numpy()
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        return Refusal(error=error)
    values = output.detach() / shrink if shrink < 1 else output.detach()
    return Answer(
        output=(values.to(torch.float64) if values.is_floating_point() else values).numpy(),
        indices=indices.numpy() if wants_indices and indices is not None else None,
        gradient=gradient,
    )


def gradient_of(call: Call, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the output's gradient for ``call``, of the output's shape with channels before the spatial axes."""
    return filled(shape, call.dtype, "few" if call.fill == "few" else "normal", call.seed + 1)


def widened(array: NDArray[Any]) -> NDArray[Any]:
    """Return floats as float64, which holds them all; integers as they are."""
    return array if np.issubdtype(array.dtype, np.integer) else array.astype(np.float64)
