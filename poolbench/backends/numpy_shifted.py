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
from poolbench.backends._numpy_training import plan_positions_training, shared_out
from poolbench.backends.geometry import lowest
from poolbench.model.pooling import Ints, Kind, PoolSpec
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolbench.backends.training import Forward

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

    def _plan_training(self, workload: Workload, x: NDArray[Any], given: NDArray[Any]) -> Forward:
        """Keep input and output; backward, the first tap of a window that equals its maximum takes the gradient."""
        spec = workload.spec.as_windowed(workload.spatial)
        windows, taps = counts(workload.spec.windows(workload.spatial))
        if spec is None or windows < taps:
            return plan_positions_training(workload, x, given)
        pool = self._plan(workload, x)
        if spec.kind is Kind.MAX:
            send = _maxima_sent(workload, spec, x, given)
            return lambda: (out := pool(), lambda: send(out))
        share = _averages_shared(workload, spec, x, given)
        return lambda: (pool(), share)


def _maxima_sent(
    workload: Workload, spec: PoolSpec, x: NDArray[Any], given: NDArray[Any]
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return the call that makes the input's gradient from the output."""
    import numpy as np

    taps = _ordered_taps(spec, workload)
    dtype = accumulator(x.dtype)

    def send(out: NDArray[Any]) -> NDArray[Any]:
        result = np.zeros(workload.input_shape, dtype)
        waiting = np.ones(out.shape, np.bool_)  # the windows whose maximum has not been met
        for writes, reads in taps:
            met = (x[reads] == out[writes]) & waiting[writes]
            np.add(result[reads], given[writes], out=result[reads], where=met)
            waiting[writes] ^= met
        return result.astype(x.dtype, copy=False)

    return send


def _averages_shared(
    workload: Workload, spec: PoolSpec, x: NDArray[Any], given: NDArray[Any]
) -> Callable[[], NDArray[Any]]:
    """Return the call that makes the input's gradient."""
    import numpy as np

    taps = _ordered_taps(spec, workload)
    share = shared_out(workload, given)

    def pullback() -> NDArray[Any]:
        shares = share()
        result = np.zeros(workload.input_shape, shares.dtype)
        for writes, reads in taps:
            result[reads] += shares[writes]
        return result.astype(x.dtype, copy=False)

    return pullback


def _taps(spec: PoolSpec, workload: Workload) -> tuple[list[tuple[slice, ...]], list[_Tap]]:
    """Return what the taps read that lie inside the input for every window, and the others with where they count."""
    whole: list[tuple[slice, ...]] = []
    partial: list[_Tap] = []
    everything = tuple(slice(0, size) for size in workload.output_spatial)
    axes = spatial_axes(workload)
    for writes, reads in _ordered_taps(spec, workload):
        if tuple(writes[axis] for axis in axes) == everything:
            whole.append(reads)
        else:
            partial.append((writes, reads))
    return whole, partial


def _ordered_taps(spec: PoolSpec, workload: Workload) -> list[_Tap]:
    """Return all taps that read the input somewhere, in row-major order."""
    axes = spatial_axes(workload)
    per_axis = [_axis_taps(spec, i, workload.spatial[i], size) for i, size in enumerate(workload.output_spatial)]
    taps: list[_Tap] = []
    for choice in itertools.product(*per_axis):
        writes = [slice(None)] * len(workload.order)
        reads = [slice(None)] * len(workload.order)
        for axis, ((first, last), start, step) in zip(axes, choice, strict=True):
            writes[axis] = slice(first, last + 1)
            reads[axis] = slice(start, start + (last - first) * step + 1, step)
        taps.append((tuple(writes), tuple(reads)))
    return taps


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
