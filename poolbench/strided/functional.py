"""Pooling under the names, parameters and defaults of ``torch.nn.functional``.

The rules for output sizes, divisors, NaN, ties and indices are those that PyTorch documents for ``torch.nn.MaxPool2d``,
``torch.nn.AvgPool2d``, ``torch.nn.AdaptiveMaxPool2d`` and ``torch.nn.AdaptiveAvgPool2d``. All twelve functions share:

``input``
    Any array in the CPU's memory that is NumPy's or speaks DLPack or the buffer protocol (PyTorch, TensorFlow, JAX),
    with any strides: slices, transposed and reversed views are read where they lie. Its shape is (N, C, *spatial) or
    (C, *spatial), with ``layout="NHWC"`` (N, *spatial, C) or (*spatial, C). N may be 0. C may be 0 in adaptive pooling
    where PyTorch allows it: without N, and in averages over one axis, two axes or a whole volume.
    Maxima take float64, float32, float16, bfloat16, int8, uint8, int16, int32 and int64, averages the four floats. The
    narrow floats are summed in float32 or wider. An average is infinite only where an element is, or where it is itself
    beyond the range of its type, however large the sum.
    Refused are arrays with masks, tensors without memory or with PyTorch's negative bit, and subclasses of
    ``numpy.ndarray`` with an ``__array_ufunc__`` or ``__array_function__`` of their own, such as those with units.
``kernel_size``, ``stride``, ``dilation``, ``output_size``
    An integer for all pooled axes, or a sequence of one per axis. ``stride`` defaults to ``kernel_size``, also
    where it is an empty sequence.
``padding``
    An integer or a sequence of one per axis, at most half of what a window spans, ``(kernel_size - 1) * dilation + 1``.
    Instead of an integer an axis may get a pair (lo, hi). Then there is no such limit, as long as each window keeps an
    element of the input. Averages that count padding may have windows of padding alone, whose sum is 0.
``out``
    Where to write: a writable array of the output's shape and the input's dtype, apart from the input. It is returned.
    The functions that return indices take a pair (output, indices) as well. Without ``out`` the result is a new NumPy
    array, of dtype ``ml_dtypes.bfloat16`` where the input is bfloat16. It is in C order. Where the channels of an
    (N, C, *spatial) input lie innermost in memory, they do so in the result, as with PyTorch's ``channels_last``.
``threads``
    The most threads to work on, by default as many as affinity and CPU quota leave to the process. Small inputs stay on
    one.
``layout``
    "NCHW" or "NHWC", whatever the number of pooled axes. "NCL", "NCW", "NLC" and "NWC" say the same for one axis,
    "NCDHW" and "NDHWC" for three.

Raises ValueError for shapes, sizes and values that do not fit each other, and TypeError for types that cannot be used.
Both name the argument, and the shapes where these matter.

The environment variable ``POOLBENCH_ISA`` (baseline, avx2, avx512 or neon) overrides which instructions are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from poolbench.strided import _pool
from poolbench.strided.adaptive import (
    OutputSizes,
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)

__all__ = [
    "OutputSizes",
    "Padding",
    "Sizes",
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

Sizes = int | Sequence[int]
"""One number for all pooled axes, or one per axis."""

Padding = int | Sequence[int | Sequence[int]]
"""One number for all pooled axes, or one number or pair (lo, hi) per axis."""


def max_pool1d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the maximum of each window over one axis.

    Indices are places in the row of their (n, c).
    All else is as ``max_pool2d`` says; see ``torch.nn.MaxPool1d``.
    """
    return _pool.max_pool(
        1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out, threads, layout
    )


def max_pool2d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the maximum of each window over two axes.

    Padding is never the maximum; NaN always is. ``ceil_mode`` adds a last window that reaches beyond the padded input,
    unless it would start in the right-hand padding. It may be the only window, where the padded input is shorter than
    the window by less than a stride. With ``return_indices`` the result is a pair: the maxima and, as int64, the place
    ``h * W + w`` of each in the plane of its (n, c). Among equals it is the place of the first.
    See ``torch.nn.MaxPool2d``; the module says what all functions share.
    """
    return _pool.max_pool(
        2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out, threads, layout
    )


def max_pool3d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the maximum of each window over three axes.

    Indices are places ``(d * H + h) * W + w`` in the volume of their (n, c).
    All else is as ``max_pool2d`` says; see ``torch.nn.MaxPool3d``.
    """
    return _pool.max_pool(
        3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out, threads, layout
    )


def avg_pool1d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    divisor_override: int | None = None,
    dilation: Sizes = 1,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the average of each window over one axis of floats.

    All is as ``avg_pool2d`` says, but PyTorch lacks ``divisor_override`` here; see ``torch.nn.AvgPool1d``.
    """
    return _pool.avg_pool(
        1,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        out,
        threads,
        layout,
    )


def avg_pool2d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Sizes = 1,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the average of each window over two axes of floats.

    A sum is divided by ``divisor_override``, or else by how many of the window's elements lie in the padded input, or
    in the input itself if ``count_include_pad`` is False. What ``ceil_mode`` adds beyond the padding is never counted.
    ``dilation``, which PyTorch lacks here, spreads a window as it does for maxima.
    See ``torch.nn.AvgPool2d``; the module says what all functions share.
    """
    return _pool.avg_pool(
        2,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        out,
        threads,
        layout,
    )


def avg_pool3d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dilation: Sizes = 1,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the average of each window over three axes of floats.

    All is as ``avg_pool2d`` says; see ``torch.nn.AvgPool3d``.
    """
    return _pool.avg_pool(
        3,
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        out,
        threads,
        layout,
    )
