"""The twelve functions of an operators' module, in terms of the one function that calls the framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from poolbench.strided.functional import OutputSizes, Padding, Sizes
from poolbench.strided.request import AVERAGE, MAX, Pooling, adaptive_pooling, avg_pooling, frozen, max_pooling


class Functions:
    """The functions of ``poolbench.strided`` on arrays of a framework, which ``pool`` calls.

    ``pool`` takes an array, what it is pooled by, and whether the indices of maxima are wanted.
    """

    def __init__(self, pool: Callable[[Any, Pooling, bool], Any]) -> None:
        self._pool = pool

    def max_pool1d(
        self,
        input: Any,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Padding = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
        *,
        layout: str = "NCHW",
    ) -> Any:
        """Return the maximum of each window over one axis; see ``max_pool2d``."""
        given = (kernel_size, stride, padding, dilation, ceil_mode, layout)
        return self._pool(input, _max_pooling(1, *given), return_indices)

    def max_pool2d(
        self,
        input: Any,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Padding = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
        *,
        layout: str = "NCHW",
    ) -> Any:
        """Return the maximum of each window over two axes of (N, C, H, W) or (C, H, W).

        With ``layout="NHWC"`` the array is (N, H, W, C) or (H, W, C). With ``return_indices`` the result is a pair: the
        maxima, and the place ``h * W + w`` of each. ``poolbench.strided.max_pool2d`` says what the parameters are.
        """
        given = (kernel_size, stride, padding, dilation, ceil_mode, layout)
        return self._pool(input, _max_pooling(2, *given), return_indices)

    def max_pool3d(
        self,
        input: Any,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Padding = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
        *,
        layout: str = "NCHW",
    ) -> Any:
        """Return the maximum of each window over three axes; see ``max_pool2d``."""
        given = (kernel_size, stride, padding, dilation, ceil_mode, layout)
        return self._pool(input, _max_pooling(3, *given), return_indices)

    def avg_pool1d(
        self,
        input: Any,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        divisor_override: int | None = None,
        dilation: Sizes = 1,
        layout: str = "NCHW",
    ) -> Any:
        """Return the average of each window over one axis; see ``avg_pool2d``."""
        given = (kernel_size, stride, padding, dilation, ceil_mode, layout, count_include_pad, divisor_override)
        return self._pool(input, _avg_pooling(1, *given), False)

    def avg_pool2d(
        self,
        input: Any,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        dilation: Sizes = 1,
        layout: str = "NCHW",
    ) -> Any:
        """Return the average of each window over two axes of (N, C, H, W) or (C, H, W).

        With ``layout="NHWC"`` the array is (N, H, W, C) or (H, W, C). ``poolbench.strided.avg_pool2d`` says what the
        parameters are.
        """
        given = (kernel_size, stride, padding, dilation, ceil_mode, layout, count_include_pad, divisor_override)
        return self._pool(input, _avg_pooling(2, *given), False)

    def avg_pool3d(
        self,
        input: Any,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        dilation: Sizes = 1,
        layout: str = "NCHW",
    ) -> Any:
        """Return the average of each window over three axes; see ``avg_pool2d``."""
        given = (kernel_size, stride, padding, dilation, ceil_mode, layout, count_include_pad, divisor_override)
        return self._pool(input, _avg_pooling(3, *given), False)

    def adaptive_max_pool1d(
        self, input: Any, output_size: OutputSizes, return_indices: bool = False, *, layout: str = "NCHW"
    ) -> Any:
        """Return the maxima of ``output_size`` windows over one axis."""
        return self._pool(input, _adaptive(MAX, 1, output_size, layout), return_indices)

    def adaptive_max_pool2d(
        self, input: Any, output_size: OutputSizes, return_indices: bool = False, *, layout: str = "NCHW"
    ) -> Any:
        """Return the maxima of ``output_size`` windows over two axes."""
        return self._pool(input, _adaptive(MAX, 2, output_size, layout), return_indices)

    def adaptive_max_pool3d(
        self, input: Any, output_size: OutputSizes, return_indices: bool = False, *, layout: str = "NCHW"
    ) -> Any:
        """Return the maxima of ``output_size`` windows over three axes."""
        return self._pool(input, _adaptive(MAX, 3, output_size, layout), return_indices)

    def adaptive_avg_pool1d(self, input: Any, output_size: OutputSizes, *, layout: str = "NCHW") -> Any:
        """Return the averages of ``output_size`` windows over one axis."""
        return self._pool(input, _adaptive(AVERAGE, 1, output_size, layout), False)

    def adaptive_avg_pool2d(self, input: Any, output_size: OutputSizes, *, layout: str = "NCHW") -> Any:
        """Return the averages of ``output_size`` windows over two axes."""
        return self._pool(input, _adaptive(AVERAGE, 2, output_size, layout), False)

    def adaptive_avg_pool3d(self, input: Any, output_size: OutputSizes, *, layout: str = "NCHW") -> Any:
        """Return the averages of ``output_size`` windows over three axes."""
        return self._pool(input, _adaptive(AVERAGE, 3, output_size, layout), False)


def _max_pooling(
    rank: int, kernel_size: Sizes, stride: Sizes | None, padding: Padding, dilation: Sizes, ceil_mode: bool, layout: str
) -> Pooling:
    return max_pooling(
        rank,
        frozen(kernel_size, "kernel_size"),
        frozen(stride, "stride"),
        frozen(padding, "padding"),
        frozen(dilation, "dilation"),
        ceil_mode,
        layout,
    )


def _avg_pooling(
    rank: int,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Padding,
    dilation: Sizes,
    ceil_mode: bool,
    layout: str,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Pooling:
    return avg_pooling(
        rank,
        frozen(kernel_size, "kernel_size"),
        frozen(stride, "stride"),
        frozen(padding, "padding"),
        frozen(dilation, "dilation"),
        ceil_mode,
        layout,
        count_include_pad,
        frozen(divisor_override, "divisor_override"),
    )


def _adaptive(kind: int, rank: int, output_size: OutputSizes, layout: str) -> Pooling:
    return adaptive_pooling(kind, rank, frozen(output_size, "output_size"), layout)
