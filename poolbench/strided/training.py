"""Pooling for training: the functions of ``functional``, each with what turns a gradient of its output around.

Each function takes what its namesake in ``poolbench.strided.functional`` takes and returns ``(output, pullback)``:
the same output, and a ``Pullback`` that maps the gradient of the output to that of the input. The types are float64,
float32, float16 and bfloat16.

    >>> import numpy as np
    >>> from poolbench.strided import training
    >>> ramp = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> output, pullback = training.max_pool2d(ramp, 2)
    >>> pullback(np.ones_like(output))[0, 0].tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]]

The gradient of a maximum goes to the element that was the maximum: the first of equals, the last NaN, which are the
rules by which ``return_indices`` names one. The place of that element within its window is kept: one byte for each
output where windows have at most 256 elements, two up to 65536, four or eight above. Averages keep nothing.
Where windows overlap, an element's shares are added in row-major order of the windows (for averages: along each axis in
turn), in float64 for float64, in float32 for the others. Results are the same, bit by bit, for any number of threads.

Raises ValueError and TypeError as ``functional`` does, and TypeError for integers, which have no gradients.
"""

from __future__ import annotations

from typing import Any

from poolbench.strided import _pool
from poolbench.strided.functional import OutputSizes, Padding, Sizes

Pullback = _pool.Pullback


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
) -> tuple[Any, Pullback]:
    """Return the maximum of each window over one axis, and its pullback.

    Parameters and rules are those of ``poolbench.strided.max_pool1d``.
    With ``return_indices`` the output is the pair (output, indices).
    """
    return _pool.train_max_pool(
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
) -> tuple[Any, Pullback]:
    """Return the maximum of each window over two axes, and its pullback.

    Parameters and rules are those of ``poolbench.strided.max_pool2d``.
    With ``return_indices`` the output is the pair (output, indices).
    """
    return _pool.train_max_pool(
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
) -> tuple[Any, Pullback]:
    """Return the maximum of each window over three axes, and its pullback.

    Parameters and rules are those of ``poolbench.strided.max_pool3d``.
    With ``return_indices`` the output is the pair (output, indices).
    """
    return _pool.train_max_pool(
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
) -> tuple[Any, Pullback]:
    """Return the average of each window over one axis, and its pullback.

    Parameters and rules are those of ``poolbench.strided.avg_pool1d``.
    """
    return _pool.train_avg_pool(
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
) -> tuple[Any, Pullback]:
    """Return the average of each window over two axes, and its pullback.

    Parameters and rules are those of ``poolbench.strided.avg_pool2d``.
    """
    return _pool.train_avg_pool(
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
) -> tuple[Any, Pullback]:
    """Return the average of each window over three axes, and its pullback.

    Parameters and rules are those of ``poolbench.strided.avg_pool3d``.
    """
    return _pool.train_avg_pool(
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


def adaptive_max_pool1d(
    input: Any,
    output_size: OutputSizes,
    return_indices: bool = False,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> tuple[Any, Pullback]:
    """Return the maxima of as many windows as ``output_size`` says, over one axis, and their pullback.

    Parameters and rules are those of ``poolbench.strided.adaptive_max_pool1d``.
    With ``return_indices`` the output is the pair (output, indices).
    """
    return _pool.train_adaptive_max_pool(1, input, output_size, return_indices, out, threads, layout)


def adaptive_max_pool2d(
    input: Any,
    output_size: OutputSizes,
    return_indices: bool = False,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> tuple[Any, Pullback]:
    """Return the maxima of as many windows as ``output_size`` says, over two axes, and their pullback.

    Parameters and rules are those of ``poolbench.strided.adaptive_max_pool2d``.
    With ``return_indices`` the output is the pair (output, indices).
    """
    return _pool.train_adaptive_max_pool(2, input, output_size, return_indices, out, threads, layout)


def adaptive_max_pool3d(
    input: Any,
    output_size: OutputSizes,
    return_indices: bool = False,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> tuple[Any, Pullback]:
    """Return the maxima of as many windows as ``output_size`` says, over three axes, and their pullback.

    Parameters and rules are those of ``poolbench.strided.adaptive_max_pool3d``.
    With ``return_indices`` the output is the pair (output, indices).
    """
    return _pool.train_adaptive_max_pool(3, input, output_size, return_indices, out, threads, layout)


def adaptive_avg_pool1d(
    input: Any,
    output_size: OutputSizes,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> tuple[Any, Pullback]:
    """Return the averages of as many windows as ``output_size`` says, over one axis, and their pullback.

    Parameters and rules are those of ``poolbench.strided.adaptive_avg_pool1d``.
    """
    return _pool.train_adaptive_avg_pool(1, input, output_size, out, threads, layout)


def adaptive_avg_pool2d(
    input: Any,
    output_size: OutputSizes,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> tuple[Any, Pullback]:
    """Return the averages of as many windows as ``output_size`` says, over two axes, and their pullback.

    Parameters and rules are those of ``poolbench.strided.adaptive_avg_pool2d``.
    """
    return _pool.train_adaptive_avg_pool(2, input, output_size, out, threads, layout)


def adaptive_avg_pool3d(
    input: Any,
    output_size: OutputSizes,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> tuple[Any, Pullback]:
    """Return the averages of as many windows as ``output_size`` says, over three axes, and their pullback.

    Parameters and rules are those of ``poolbench.strided.adaptive_avg_pool3d``.
    """
    return _pool.train_adaptive_avg_pool(3, input, output_size, out, threads, layout)
