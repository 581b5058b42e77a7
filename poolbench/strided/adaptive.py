"""The six adaptive functions of ``functional``, which says what they share with the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from poolbench.strided import _pool

OutputSizes = int | None | Sequence[int | None]
"""One output size for all pooled axes, or one per axis; None for the input's own."""


def adaptive_max_pool1d(
    input: Any,
    output_size: OutputSizes,
    return_indices: bool = False,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the maxima of as many windows as ``output_size`` says, over one axis.

    All is as ``adaptive_max_pool2d`` says, with the indices of ``max_pool1d``; see ``torch.nn.AdaptiveMaxPool1d``.
    """
    return _pool.adaptive_max_pool(1, input, output_size, return_indices, out, threads, layout)


def adaptive_max_pool2d(
    input: Any,
    output_size: OutputSizes,
    return_indices: bool = False,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the maxima of as many windows as ``output_size`` says, over two axes.

    Along an axis of length L with O outputs, output o covers [floor(o L / O), ceil((o + 1) L / O)); None leaves an axis
    as long as it is, and 1 reduces it to its maximum. Indices are those of ``max_pool2d``.
    See ``torch.nn.AdaptiveMaxPool2d``; ``functional`` says what all functions share.
    """
    return _pool.adaptive_max_pool(2, input, output_size, return_indices, out, threads, layout)


def adaptive_max_pool3d(
    input: Any,
    output_size: OutputSizes,
    return_indices: bool = False,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the maxima of as many windows as ``output_size`` says, over three axes.

    All is as ``adaptive_max_pool2d`` says, with the indices of ``max_pool3d``; see ``torch.nn.AdaptiveMaxPool3d``.
    """
    return _pool.adaptive_max_pool(3, input, output_size, return_indices, out, threads, layout)


def adaptive_avg_pool1d(
    input: Any,
    output_size: OutputSizes,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the averages of as many windows as ``output_size`` says, over one axis.

    All is as ``adaptive_avg_pool2d`` says; see ``torch.nn.AdaptiveAvgPool1d``.
    """
    return _pool.adaptive_avg_pool(1, input, output_size, out, threads, layout)


def adaptive_avg_pool2d(
    input: Any,
    output_size: OutputSizes,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the averages of as many windows as ``output_size`` says, over two axes.

    The windows are those of ``adaptive_max_pool2d``; an ``output_size`` of 1 is global pooling.
    See ``torch.nn.AdaptiveAvgPool2d``; ``functional`` says what all functions share.
    """
    return _pool.adaptive_avg_pool(2, input, output_size, out, threads, layout)


def adaptive_avg_pool3d(
    input: Any,
    output_size: OutputSizes,
    *,
    out: Any = None,
    threads: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Return the averages of as many windows as ``output_size`` says, over three axes.

    All is as ``adaptive_avg_pool2d`` says; see ``torch.nn.AdaptiveAvgPool3d``.
    """
    return _pool.adaptive_avg_pool(3, input, output_size, out, threads, layout)
