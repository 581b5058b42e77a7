"""PyTorch's convolutions where they compute an average: what it costs to have one in a pooling layer's place.

A convolution takes as long whatever its weights are, so these have the ones that make it an average, which can be
checked: 1 over the divisor, and in ``torch:convolution`` zeros between different channels, which are multiplied all the
same. ``torch:depthwise`` has a window for each channel alone, as a blur before subsampling does. Such a weight is exact
where the divisor is a power of 2: windows of other sizes are summed up, which is an average with the divisor 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from poolbench.backends import torch_common as common
from poolbench.backends.base import SUPPORTED, Support, refused
from poolbench.backends.geometry import divides_by_window, exact_padding
from poolbench.backends.torch_eager import Eager
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.workload import DType, Workload

if TYPE_CHECKING:
    from poolbench.backends.torch_common import Tensor

MOST_WEIGHT_BYTES = 256 << 20
"""A dense convolution over the whole of a large plane has more weights than anybody trains."""


class Convolution(Eager):
    """``torch.nn.functional.conv*d`` with as many channels out as in."""

    name = "torch:convolution"

    def supports(self, workload: Workload) -> Support:
        """Say whether a convolution with constant weights computes ``workload``."""
        spec = workload.spec
        if spec.kind is not Kind.AVG:
            return refused("A convolution computes no maximum.")
        if workload.dtype not in (DType.F32, DType.F64):
            return refused(f"A convolution is measured with f32 and f64, not with {workload.dtype}.")
        if workload.pass_.is_training:
            return refused("The gradient of a convolution's weights would belong to its training.")
        windowed = spec.as_windowed(workload.spatial)
        if windowed is None:
            return refused("A convolution has the same window everywhere.")
        if windowed.divisor is None and not divides_by_window(windowed, workload.spatial):
            return refused(
                "A convolution has the same weights everywhere, and this average other divisors at the edge."
            )
        divisor = _divisor(windowed)
        if divisor & (divisor - 1):
            return refused(f"A convolution's weight of 1 / {divisor} is not exact, as it is for powers of 2.")
        if weight_count(workload, self._is_dense) * workload.dtype.itemsize > MOST_WEIGHT_BYTES:
            return refused(f"Such a convolution has {weight_count(workload, self._is_dense):,} weights.")
        return SUPPORTED

    def pooling(self, workload: Workload) -> common.Pool:
        """Return the timed function of a tensor (N, C, *spatial). ``supports`` must hold."""
        import torch
        import torch.nn.functional as functional

        spec = workload.spec.as_windowed(workload.spatial)
        assert spec is not None and spec.window is not None and spec.stride is not None
        channels, rank = workload.channels, spec.rank
        value = 1 / _divisor(spec)
        groups = 1 if self._is_dense else channels
        weights = torch.zeros(
            channels, channels // groups, *spec.window, dtype=getattr(torch, workload.dtype.numpy_name)
        )
        for channel in range(channels):
            weights[channel, channel if self._is_dense else 0] = value
        convolve = getattr(functional, f"conv{rank}d")
        padding = exact_padding(spec, workload.spatial)
        if all(lo == hi for lo, hi in padding):
            inner = tuple(lo for lo, _ in padding)
            return lambda x: convolve(x, weights, None, spec.stride, inner, spec.dilation, groups)
        sides = [side for pair in reversed(padding) for side in pair]

        def padded(x: Tensor) -> Tensor:
            return convolve(functional.pad(x, sides), weights, None, spec.stride, 0, spec.dilation, groups)

        return padded

    @property
    def _is_dense(self) -> bool:
        """Whether each channel out is made of all channels in."""
        return True


class Depthwise(Convolution):
    """``torch.nn.functional.conv*d`` with one group for each channel."""

    name = "torch:depthwise"

    @property
    def _is_dense(self) -> bool:
        """Whether each channel out is made of all channels in."""
        return False


def _divisor(spec: PoolSpec) -> int:
    assert spec.window is not None
    return math.prod(spec.window) if spec.divisor is None else spec.divisor


def weight_count(workload: Workload, is_dense: bool) -> int:
    """Return how many weights the convolution has."""
    windowed = workload.spec.as_windowed(workload.spatial)
    assert windowed is not None and windowed.window is not None
    return workload.channels * (workload.channels if is_dense else 1) * math.prod(windowed.window)
