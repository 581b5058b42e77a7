"""Pooling of PyTorch's tensors, with autograd: the functions of ``torch.nn.functional``, by this library's kernels.

    from poolbench.strided import torch as pooling

    y = pooling.max_pool2d(x, 3, stride=2, padding=1)
    y.sum().backward()

Names, parameters and defaults are those of ``torch.nn.functional``. A tensor is read where it lies, and a tensor comes
back. Where PyTorch would keep ``channels_last``, so does this. The number of threads is ``torch.get_num_threads()``.
Under ``torch.compile`` and ``torch.export`` a call is an operator ``torch.ops.poolbench.…``. ``torch.func.grad`` and
``torch.vmap`` go through. Gradients have no gradients of their own.

Maxima take float64, float32, float16, bfloat16, int8, uint8, int16, int32 and int64, averages the four floats. Under
autocast a result has the type of its input.

It needs PyTorch 2.10 or newer, and no compiler. ``accelerate`` compiles, once, what makes small calls several
microseconds shorter. Raises ImportError with older ones. The functions raise ValueError for sizes and shapes that do
not fit each other, and TypeError for tensors that cannot be pooled here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._C import _are_functorch_transforms_active, is_grad_enabled
from torch.autograd import forward_ad

from poolbench.strided import torch_fast
from poolbench.strided import torch_operators as operators
from poolbench.strided.functional import OutputSizes, Sizes
from poolbench.strided.parameters import ZERO_DIVISOR, output_sizes, sizes
from poolbench.strided.torch_autograd import (
    ADAPTIVE_AVG,
    ADAPTIVE_MAX,
    AVG,
    MAX,
    Averages,
    Maxima,
    MaximaAndIndices,
    OperatorFamily,
    TransformedAverages,
    TransformedMaxima,
    refuse_tangent,
)

__all__ = [
    "accelerate",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

_is_compiling = torch.compiler.is_compiling
_PLAIN = (torch.Tensor, torch.nn.Parameter)
_fast: Any = torch_fast.load()
"""The functions that take plain tensors, where they have been compiled. What they do not take is NotImplemented."""


def accelerate() -> str:
    """Compile what shortens a call by some microseconds, for this PyTorch and this Python, and return where it is.

    It takes 15 s once, and lies in the user's cache. From then on every process takes it that imports this module; this
    one does at once. Values, gradients and errors are the same without it.

    Raises RuntimeError where PyTorch is older than 2.13, or there is no compiler, or it fails.
    """
    global _fast
    built = torch_fast.build()
    _fast = _fast or torch_fast.load()
    return str(built)


def max_pool1d(
    input: torch.Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window over one axis; see ``max_pool2d``."""
    return _pooled("max_pool", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: torch.Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window over two axes of (N, C, H, W) or (C, H, W).

    With ``return_indices`` the result is a pair: the maxima, and the place ``h * W + w`` of each as int64.
    See ``torch.nn.MaxPool2d``; the module says what all functions share.
    """
    return _pooled("max_pool", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: torch.Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window over three axes; see ``max_pool2d``."""
    return _pooled("max_pool", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    input: torch.Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Return the average of each window over one axis; see ``avg_pool2d``."""
    return _pooled("avg_pool", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: torch.Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the average of each window over two axes of (N, C, H, W) or (C, H, W).

    See ``torch.nn.AvgPool2d``; the module says what all functions share.
    """
    return _pooled("avg_pool", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: torch.Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the average of each window over three axes; see ``avg_pool2d``."""
    return _pooled("avg_pool", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_max_pool1d(input: torch.Tensor, output_size: OutputSizes, return_indices: bool = False) -> Any:
    """Return the maxima of ``output_size`` windows over one axis; see ``torch.nn.AdaptiveMaxPool1d``."""
    return _pooled("adaptive_max_pool", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: torch.Tensor, output_size: OutputSizes, return_indices: bool = False) -> Any:
    """Return the maxima of ``output_size`` windows over two axes; see ``torch.nn.AdaptiveMaxPool2d``."""
    return _pooled("adaptive_max_pool", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: torch.Tensor, output_size: OutputSizes, return_indices: bool = False) -> Any:
    """Return the maxima of ``output_size`` windows over three axes; see ``torch.nn.AdaptiveMaxPool3d``."""
    return _pooled("adaptive_max_pool", 3, input, output_size, return_indices)


def adaptive_avg_pool1d(input: torch.Tensor, output_size: OutputSizes) -> Any:
    """Return the averages of ``output_size`` windows over one axis; see ``torch.nn.AdaptiveAvgPool1d``."""
    return _pooled("adaptive_avg_pool", 1, input, output_size)


def adaptive_avg_pool2d(input: torch.Tensor, output_size: OutputSizes) -> Any:
    """Return the averages of ``output_size`` windows over two axes; see ``torch.nn.AdaptiveAvgPool2d``."""
    return _pooled("adaptive_avg_pool", 2, input, output_size)


def adaptive_avg_pool3d(input: torch.Tensor, output_size: OutputSizes) -> Any:
    """Return the averages of ``output_size`` windows over three axes; see ``torch.nn.AdaptiveAvgPool3d``."""
    return _pooled("adaptive_avg_pool", 3, input, output_size)


def _maxima(family: OperatorFamily, input: torch.Tensor, parameters: Any, return_indices: bool) -> Any:
    if type(input) not in _PLAIN or _is_compiling() or _are_functorch_transforms_active():
        _check_tensor(input)
        if not _is_compiling() and _are_functorch_transforms_active() and input.is_floating_point():
            output, indices, _ = TransformedMaxima.apply(input, family, parameters)
            return (output, indices) if return_indices else output
        registered = family.registered
        if input.requires_grad and is_grad_enabled():
            if return_indices:
                return registered.with_indices_kept(input, *parameters)[:2]
            return registered.kept(input, *parameters)[0]
        return (registered.with_indices if return_indices else registered.pool)(input, *parameters)
    try:
        if input.requires_grad and is_grad_enabled():
            return (MaximaAndIndices if return_indices else Maxima).apply(input, family, parameters)
        return (family.raw.with_indices if return_indices else family.raw.pool)(input, *parameters)
    except (NotImplementedError, ValueError) as error:
        raise _about(input, family, error) from error


def _averages(family: OperatorFamily, input: torch.Tensor, parameters: Any) -> Any:
    if type(input) not in _PLAIN or _is_compiling() or _are_functorch_transforms_active():
        _check_tensor(input)
        if not _is_compiling() and _are_functorch_transforms_active():
            return TransformedAverages.apply(input, family, parameters)
        return family.registered.pool(input, *parameters)
    try:
        if input.requires_grad and is_grad_enabled():
            return Averages.apply(input, family, parameters)
        return family.raw.pool(input, *parameters)
    except (NotImplementedError, ValueError) as error:
        raise _about(input, family, error) from error


def _pooled(name: str, rank: int, input: torch.Tensor, *given: Any) -> Any:
    """Pool by the compiled function of that name where it takes the call, and by the operators otherwise."""
    if not _is_compiling():
        if _fast is not None and type(input) in _PLAIN:
            done = getattr(_fast, name)(rank, input, *given)
            if done is not NotImplemented:
                return done
        if forward_ad._current_level >= 0:
            refuse_tangent(input)
    return _BY_OPERATORS[name](rank, input, *given)


def _max_pool(
    rank: int,
    input: torch.Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    window = sizes(kernel_size, rank, "kernel_size")
    parameters = (
        window,
        window if stride is None else sizes(stride, rank, "stride") or window,
        sizes(padding, rank, "padding"),
        sizes(dilation, rank, "dilation"),
        ceil_mode,
    )
    return _maxima(MAX, input, parameters, return_indices)


def _avg_pool(
    rank: int,
    input: torch.Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    if divisor_override == 0:
        raise ValueError(ZERO_DIVISOR)
    window = sizes(kernel_size, rank, "kernel_size")
    parameters = (
        window,
        window if stride is None else sizes(stride, rank, "stride") or window,
        sizes(padding, rank, "padding"),
        ceil_mode,
        count_include_pad,
        divisor_override or 0,
    )
    return _averages(AVG, input, parameters)


def _adaptive_max_pool(rank: int, input: torch.Tensor, output_size: OutputSizes, return_indices: bool) -> Any:
    return _maxima(ADAPTIVE_MAX, input, (output_sizes(output_size, rank, operators.SAME_SIZE),), return_indices)


def _adaptive_avg_pool(rank: int, input: torch.Tensor, output_size: OutputSizes) -> Any:
    return _averages(ADAPTIVE_AVG, input, (output_sizes(output_size, rank, operators.SAME_SIZE),))


_BY_OPERATORS: dict[str, Callable[..., Any]] = {
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "adaptive_max_pool": _adaptive_max_pool,
    "adaptive_avg_pool": _adaptive_avg_pool,
}


def _check_tensor(input: Any) -> None:
    if not isinstance(input, torch.Tensor):
        kind = type(input)
        raise TypeError(
            f"input is a {kind.__module__}.{kind.__qualname__}, not a tensor: pass torch.as_tensor(input), or call the "
            "function of this name in poolbench.strided, which takes any array."
        )


def _about(input: torch.Tensor, family: OperatorFamily, error: Exception) -> Exception:
    """Return the error for a tensor that the operators refuse: a TypeError where it is its type or its place."""
    if isinstance(error, NotImplementedError):
        return TypeError(
            f"input lies on {input.device} with the layout {input.layout}, and is pooled on the CPU as torch.strided: "
            "call input.cpu() or input.to_dense() first, or use torch.nn.functional."
        )
    types = operators.types_of(operators.FAMILIES[family.name])
    return error if input.dtype in types else TypeError(*error.args)
