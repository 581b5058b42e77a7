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

from functools import partial
from typing import Any

import torch
from torch._C import _are_functorch_transforms_active, is_grad_enabled

from poolbench.strided import torch_fast
from poolbench.strided import torch_operators as operators
from poolbench.strided.functional import OutputSizes, Sizes

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

_LIBRARY = operators.register()  # the operators are there as long as this is
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
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


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
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


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
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    input: torch.Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Return the average of each window over one axis; see ``avg_pool2d``."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


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
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


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
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_max_pool1d(input: torch.Tensor, output_size: OutputSizes, return_indices: bool = False) -> Any:
    """Return the maxima of ``output_size`` windows over one axis; see ``torch.nn.AdaptiveMaxPool1d``."""
    return _adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: torch.Tensor, output_size: OutputSizes, return_indices: bool = False) -> Any:
    """Return the maxima of ``output_size`` windows over two axes; see ``torch.nn.AdaptiveMaxPool2d``."""
    return _adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: torch.Tensor, output_size: OutputSizes, return_indices: bool = False) -> Any:
    """Return the maxima of ``output_size`` windows over three axes; see ``torch.nn.AdaptiveMaxPool3d``."""
    return _adaptive_max_pool(3, input, output_size, return_indices)


def adaptive_avg_pool1d(input: torch.Tensor, output_size: OutputSizes) -> Any:
    """Return the averages of ``output_size`` windows over one axis; see ``torch.nn.AdaptiveAvgPool1d``."""
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: torch.Tensor, output_size: OutputSizes) -> Any:
    """Return the averages of ``output_size`` windows over two axes; see ``torch.nn.AdaptiveAvgPool2d``."""
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: torch.Tensor, output_size: OutputSizes) -> Any:
    """Return the averages of ``output_size`` windows over three axes; see ``torch.nn.AdaptiveAvgPool3d``."""
    return _adaptive_avg_pool(3, input, output_size)


class _Operators:
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


class _Family:
    """The operators of a family: as they are registered, and without autograd."""

    def __init__(self, name: str) -> None:
        family = operators.FAMILIES[name]
        self.name = name
        self.registered, self.raw = _Operators(family, ""), _Operators(family, "_")


_MAX, _ADAPTIVE_MAX = _Family("max_pool"), _Family("adaptive_max_pool")
_AVG, _ADAPTIVE_AVG = _Family("avg_pool"), _Family("adaptive_avg_pool")


class _Gradient(torch.autograd.Function):  # type: ignore[misc]  # PyTorch is not read for types
    """A gradient whose own gradient may be asked for, which is refused then."""

    generate_vmap_rule = True

    @staticmethod
    def forward(family: _Family, *arguments: Any) -> torch.Tensor:
        return family.raw.gradient(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: torch.Tensor) -> None:
        ctx.name = inputs[0].name

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError(operators.TWICE.format(ctx.name))


class _Maxima(torch.autograd.Function):  # type: ignore[misc]
    """Maxima of plain tensors: what is registered for the operators, in a fraction of the time."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, family: _Family, parameters: Any) -> torch.Tensor:
        output, kept = family.raw.kept(input, *parameters)
        ctx.save_for_backward(kept)
        ctx.given = family, input.shape, parameters
        return output

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        family, sizes, parameters = ctx.given
        gradient = family.raw.gradient if not is_grad_enabled() else partial(_Gradient.apply, family)
        return gradient(grad, *ctx.saved_tensors, sizes, *parameters), None, None


class _MaximaAndIndices(torch.autograd.Function):  # type: ignore[misc]
    """The same with indices."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, family: _Family, parameters: Any) -> Any:
        output, indices, kept = family.raw.with_indices_kept(input, *parameters)
        ctx.save_for_backward(kept)
        ctx.mark_non_differentiable(indices)
        ctx.set_materialize_grads(False)
        ctx.given = family, input.shape, parameters
        return output, indices

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor | None, of_indices: None) -> Any:
        return (None, None, None) if grad is None else _Maxima.backward(ctx, grad)


class _Averages(torch.autograd.Function):  # type: ignore[misc]
    """Averages of plain tensors."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, family: _Family, parameters: Any) -> torch.Tensor:
        output = family.raw.pool(input, *parameters)
        # Of an output as the kernels make it the last step tells: the channels of one in C order are not innermost.
        ctx.given = family, input.shape, output.stride(-1) != 1, parameters
        return output

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        family, sizes, channels_last, parameters = ctx.given
        gradient = family.raw.gradient if not is_grad_enabled() else partial(_Gradient.apply, family)
        return gradient(grad, sizes, channels_last, *parameters), None, None


class _TransformedMaxima(torch.autograd.Function):  # type: ignore[misc]
    """Maxima under ``torch.func`` and ``torch.vmap``, whose levels each ask for gradients and batches of their own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(input: torch.Tensor, family: _Family, parameters: Any) -> Any:
        return family.raw.with_indices_kept(input, *parameters)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(output[2])
        ctx.mark_non_differentiable(*output[1:])
        ctx.given = inputs[1], inputs[0].shape, inputs[2]

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, *of_places: Any) -> Any:
        return _Maxima.backward(ctx, grad)


class _TransformedAverages(torch.autograd.Function):  # type: ignore[misc]
    """Averages under ``torch.func`` and ``torch.vmap``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(input: torch.Tensor, family: _Family, parameters: Any) -> torch.Tensor:
        return family.raw.pool(input, *parameters)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: torch.Tensor) -> None:
        ctx.given = inputs[1], inputs[0].shape, output.stride(-1) != 1, inputs[2]

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        return _Averages.backward(ctx, grad)


def _maxima(family: _Family, input: torch.Tensor, parameters: Any, return_indices: bool) -> Any:
    if type(input) not in _PLAIN or _is_compiling() or _are_functorch_transforms_active():
        _check_tensor(input)
        if not _is_compiling() and _are_functorch_transforms_active() and input.is_floating_point():
            output, indices, _ = _TransformedMaxima.apply(input, family, parameters)
            return (output, indices) if return_indices else output
        registered = family.registered
        if input.requires_grad and is_grad_enabled():
            if return_indices:
                return registered.with_indices_kept(input, *parameters)[:2]
            return registered.kept(input, *parameters)[0]
        return (registered.with_indices if return_indices else registered.pool)(input, *parameters)
    try:
        if input.requires_grad and is_grad_enabled():
            return (_MaximaAndIndices if return_indices else _Maxima).apply(input, family, parameters)
        return (family.raw.with_indices if return_indices else family.raw.pool)(input, *parameters)
    except (NotImplementedError, ValueError) as error:
        raise _about(input, family, error) from error


def _averages(family: _Family, input: torch.Tensor, parameters: Any) -> Any:
    if type(input) not in _PLAIN or _is_compiling() or _are_functorch_transforms_active():
        _check_tensor(input)
        if not _is_compiling() and _are_functorch_transforms_active():
            return _TransformedAverages.apply(input, family, parameters)
        return family.registered.pool(input, *parameters)
    try:
        if input.requires_grad and is_grad_enabled():
            return _Averages.apply(input, family, parameters)
        return family.raw.pool(input, *parameters)
    except (NotImplementedError, ValueError) as error:
        raise _about(input, family, error) from error


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
    if not _is_compiling() and _fast is not None and type(input) in _PLAIN:
        done = _fast.max_pool(rank, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        if done is not NotImplemented:
            return done
    window = _sizes(kernel_size, rank, "kernel_size")
    parameters = (
        window,
        window if stride is None else _sizes(stride, rank, "stride") or window,
        _sizes(padding, rank, "padding"),
        _sizes(dilation, rank, "dilation"),
        ceil_mode,
    )
    return _maxima(_MAX, input, parameters, return_indices)


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
    if not _is_compiling() and _fast is not None and type(input) in _PLAIN:
        done = _fast.avg_pool(rank, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        if done is not NotImplemented:
            return done
    if divisor_override == 0:
        raise ValueError("divisor_override is 0, which sums cannot be divided by: give another number, or None.")
    window = _sizes(kernel_size, rank, "kernel_size")
    parameters = (
        window,
        window if stride is None else _sizes(stride, rank, "stride") or window,
        _sizes(padding, rank, "padding"),
        ceil_mode,
        count_include_pad,
        divisor_override or 0,
    )
    return _averages(_AVG, input, parameters)


def _adaptive_max_pool(rank: int, input: torch.Tensor, output_size: OutputSizes, return_indices: bool) -> Any:
    if not _is_compiling() and _fast is not None and type(input) in _PLAIN:
        done = _fast.adaptive_pool(1, rank, input, output_size, return_indices)
        if done is not NotImplemented:
            return done
    return _maxima(_ADAPTIVE_MAX, input, (_output_sizes(output_size, rank),), return_indices)


def _adaptive_avg_pool(rank: int, input: torch.Tensor, output_size: OutputSizes) -> Any:
    if not _is_compiling() and _fast is not None and type(input) in _PLAIN:
        done = _fast.adaptive_pool(2, rank, input, output_size, False)
        if done is not NotImplemented:
            return done
    return _averages(_ADAPTIVE_AVG, input, (_output_sizes(output_size, rank),))


def _sizes(given: Sizes, rank: int, name: str) -> tuple[int, ...]:
    """Return one number for each pooled axis, or none where an empty stride says that it is the window's."""
    numbers = (given,) if isinstance(given, int) else tuple(given)
    if name == "stride" and any(number < 1 for number in numbers):
        raise ValueError(f"stride is {given}: each entry must be at least 1.")  # 0 is the window's size to the library
    if len(numbers) == 1:
        return numbers * rank
    if len(numbers) == rank or (name == "stride" and not numbers):
        return numbers
    raise ValueError(f"{name} is {given}: give one number, or one for each of the {rank} pooled axes.")


def _output_sizes(given: OutputSizes, rank: int) -> tuple[int, ...]:
    """Return one number for each pooled axis, and what stands for the input's own where it is None."""
    sizes = (given,) * rank if given is None or isinstance(given, int) else tuple(given)
    if len(sizes) != rank:
        raise ValueError(f"output_size is {given}: give one number or None, or one for each of the {rank} pooled axes.")
    for size in sizes:
        if size is not None and size < 1:
            raise ValueError(f"output_size is {given}: each number is at least 1, or None for the input's own.")
    return tuple(operators.SAME_SIZE if size is None else size for size in sizes)


def _check_tensor(input: Any) -> None:
    if not isinstance(input, torch.Tensor):
        kind = type(input)
        raise TypeError(
            f"input is a {kind.__module__}.{kind.__qualname__}, not a tensor: pass torch.as_tensor(input), or call the "
            "function of this name in poolbench.strided, which takes any array."
        )


def _about(input: torch.Tensor, family: _Family, error: Exception) -> Exception:
    """Return the error for a tensor that the operators refuse: a TypeError where it is its type or its place."""
    if isinstance(error, NotImplementedError):
        return TypeError(
            f"input lies on {input.device} with the layout {input.layout}, and is pooled on the CPU as torch.strided: "
            "call input.cpu() or input.to_dense() first, or use torch.nn.functional."
        )
    types = operators.types_of(operators.FAMILIES[family.name])
    return error if input.dtype in types else TypeError(*error.args)
