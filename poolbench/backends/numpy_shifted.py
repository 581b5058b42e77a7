"""Shifted slices: for each tap of the window, combine the strided slice that it reads into the output."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from poolbench.backends._numpy_common import (
    NumpyBackend,
    accumulator,
    counts,
    divide,
    divisors,
    plan_positions,
    spatial_axes,
)
from poolbench.backends.geometry import lowest
from poolbench.model.pooling import Ints, Kind, PoolSpec
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Tap = tuple[tuple[slice, ...], tuple[slice, ...]]
"""The part of the output that a tap contributes to, and what it reads there."""


class Shifted(NumpyBackend):
    """``np.maximum(out, x[:, :, i::s, j::s], out=out)`` for each tap ``i``, ``j``; padding is clipped, never copied.

    Where there are fewer windows than taps, and where adaptive windows are uneven, each window is reduced instead.
    """

    name = "numpy:shifted"

    def _plan(self, workload: Workload, x: NDArray[Any]) -> Callable[[], NDArray[Any]]:
        import numpy as np

        spec = workload.spec.as_windowed(workload.spatial)
        windows, taps = counts(workload.spec.windows(workload.spatial))
        if spec is None or windows < taps:
            return plan_positions(workload, x)
        whole, partial = _taps(spec, workload)
        shape = workload.output_shape
        is_max = spec.kind is Kind.MAX
        combine = np.maximum if is_max else np.add
        dtype = x.dtype if is_max else accumulator(x.dtype)
        start = lowest(workload.dtype) if is_max else 0
        divisor = None if is_max else divisors(workload)

        def compute() -> NDArray[Any]:
            out = np.empty(shape, dtype)
            if len(whole) > 1:  # the first two taps meet without a pass that only fills or copies
                combine(x[whole[0]], x[whole[1]], out=out, dtype=dtype)
            elif whole:
                np.copyto(out, x[whole[0]])
            else:
                out.fill(start)
            for reads in whole[2:]:
                combine(out, x[reads], out=out)
            for writes, reads in partial:
                combine(out[writes], x[reads], out=out[writes])
            return out if divisor is None else divide(out, divisor, x.dtype)

        return compute


def _taps(spec: PoolSpec, workload: Workload) -> tuple[list[tuple[slice, ...]], list[_Tap]]:
    """Return what the taps read that lie inside the input for every window, and the others with where they count."""
    axes = spatial_axes(workload)
    per_axis = [_axis_taps(spec, i, workload.spatial[i], size) for i, size in enumerate(workload.output_spatial)]
    whole: list[tuple[slice, ...]] = []
    partial: list[_Tap] = []
    for choice in itertools.product(*per_axis):
        writes = [slice(None)] * len(workload.order)
        reads = [slice(None)] * len(workload.order)
        for axis, ((first, last), start, step) in zip(axes, choice, strict=True):
            writes[axis] = slice(first, last + 1)
            reads[axis] = slice(start, start + (last - first) * step + 1, step)
        covers = tuple(last + 1 - first for (first, last), _, _ in choice)
        if covers == workload.output_spatial:
            whole.append(tuple(reads))
        else:
            partial.append((tuple(writes), tuple(reads)))
    return whole, partial


def _axis_taps(spec: PoolSpec, axis: int, length: int, size: int) -> list[tuple[Ints, int, int]]:
    """Return, per tap of one axis: the first and last output it counts for, where it reads first, and the stride."""
    assert spec.window is not None and spec.stride is not None
    stride, lo = spec.stride[axis], spec.padding[axis][0]
    taps: list[tuple[Ints, int, int]] = []
    for tap in range(spec.window[axis]):
        offset = tap * spec.dilation[axis] - lo  # output o reads the input at o * stride + offset
        first = max(0, -(offset // stride))
        last = min(size - 1, (length - 1 - offset) // stride)
        if first <= last:
            taps.append(((first, last), first * stride + offset, stride))
    return taps
