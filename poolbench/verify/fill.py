"""Inputs to check on, and how they lie in memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.backends.placement import LINE, empty_at
from poolbench.model.pooling import Kind
from poolbench.model.workload import DType, View, ViewKind, Workload, default_order

_CHUNK_ELEMENTS = 1 << 20  # part of what a seed means: another size gives other values

SIGNIFICANT_BITS = {DType.F64: 53, DType.F32: 24, DType.F16: 11, DType.BF16: 8}


def exact_values(workload: Workload, seed: int) -> NDArray[Any]:
    """Return small integers of shape (batch, channels, *spatial) in the workload's dtype, the same for the same seed.

    Maxima: of both signs, so that padding which counts as zero shows. Averages: not negative, so that nothing
    cancels, and so small that no window's sum leaves the integers which the dtype holds exactly (2**24 for float32,
    2**11 for float16, 2**8 for bfloat16). Where a window has more elements than that, the values are zeros and, rarely,
    ones: sums beyond the exact integers are then possible, but more than eight standard deviations away.
    """
    rng = generator(seed, "exact")
    low, high = _exact_range(workload)
    out = _empty(workload)
    if high == 0:
        limit = 1 << SIGNIFICANT_BITS[workload.dtype]
        share = limit / 4 / largest_window(workload)
        for chunk in in_chunks(out):
            chunk[...] = rng.random(chunk.size, np.float32) < share
        return out
    draw = np.int16 if np.iinfo(np.int16).min <= low and high <= np.iinfo(np.int16).max else np.int64
    for chunk in in_chunks(out):
        chunk[...] = rng.integers(low, high, chunk.size, draw, endpoint=True)
    return out


def random_values(workload: Workload, seed: int) -> NDArray[Any]:
    """Return random values of shape (batch, channels, *spatial) in the workload's dtype, the same for the same seed.

    Floats are normal with mean 0 and deviation 1. Integers cover their whole range for maxima; for averages their
    range is divided by the window's elements, so that sums stay in it.
    """
    rng = generator(seed, "random")
    out = _empty(workload)
    if workload.dtype.is_float:
        precise = np.float64 if workload.dtype is DType.F64 else np.float32
        for chunk in in_chunks(out):
            chunk[...] = rng.standard_normal(chunk.size, precise)
        return out
    info = np.iinfo(out.dtype)
    share = 1 if workload.spec.kind is Kind.MAX else largest_window(workload)
    low, high = -(-info.min // share), info.max // share
    for chunk in in_chunks(out):
        chunk[...] = rng.integers(low, high, chunk.size, out.dtype, endpoint=True)
    return out


def arrange(values: NDArray[Any], workload: Workload, *, pad_bytes: int = 0) -> NDArray[Any]:
    """Return the caller's array: ``values`` (batch, channels, *spatial) in the workload's axis order and view.

    Its first element lies ``pad_bytes`` after a multiple of 64 bytes. Raises ValueError where ``pad_bytes`` is
    negative or no multiple of the itemsize.
    """
    return place(values, workload.order, workload.view, pad_bytes=pad_bytes)


def place(values: NDArray[Any], order: str, view: View, *, pad_bytes: int = 0) -> NDArray[Any]:
    """Return ``values`` (batch, channels, *spatial) with its axes in ``order``, lying in fresh memory as ``view`` says.

    What a channel slice leaves out of its buffer holds NaN or the greatest integer, so that reading it shows.
    For alignment and errors see ``arrange``.
    """
    itemsize = values.dtype.itemsize
    ordered = from_reference(values, order)
    shape = list(ordered.shape)
    if view.kind is ViewKind.CHANNEL_SLICE:
        assert view.channels is not None
        shape[order.index("c")] = view.channels
    elif view.kind is ViewKind.TRANSPOSED:
        shape[-2:] = shape[:-3:-1]
    before = (shape[-1] - 1) * itemsize if view.kind is ViewKind.REVERSED else 0
    buffer = empty_at(tuple(shape), values.dtype, behind=pad_bytes, of=LINE, before=before)
    array = buffer
    if view.kind is ViewKind.CHANNEL_SLICE:
        buffer[...] = np.iinfo(values.dtype).max if np.issubdtype(values.dtype, np.integer) else np.nan
        array = buffer[tuple(slice(values.shape[1] if axis == "c" else None) for axis in order)]
    elif view.kind is ViewKind.TRANSPOSED:
        array = buffer.swapaxes(-1, -2)
    elif view.kind is ViewKind.REVERSED:
        array = buffer[..., ::-1]
    array[...] = ordered
    return array


def to_reference(array: NDArray[Any], order: str) -> NDArray[Any]:
    """Return a view of ``array``, whose axes are in ``order``, as (batch, channels, *spatial)."""
    return array.transpose([order.index(axis) for axis in default_order(len(order) - 2)])


def from_reference(array: NDArray[Any], order: str) -> NDArray[Any]:
    """Return a view of ``array``, of shape (batch, channels, *spatial), with its axes in ``order``."""
    axes = default_order(array.ndim - 2)
    return array.transpose([axes.index(axis) for axis in order])


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """Return NumPy's type for ``dtype``; bfloat16 is that of ``ml_dtypes``."""
    if dtype is DType.BF16:
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(dtype.numpy_name)


def largest_window(workload: Workload) -> int:
    """Return how many elements of the input the largest window reads."""
    return math.prod(windows.largest for windows in workload.spec.windows(workload.spatial))


def _exact_range(workload: Workload) -> tuple[int, int]:
    """Return the least and the greatest exact filling; (0, 0) where a window has too many elements for any."""
    dtype = workload.dtype
    if dtype.is_float:
        whole = 1 << SIGNIFICANT_BITS[dtype]
        low, high = -whole, whole
    else:
        info = np.iinfo(dtype.numpy_name)
        low, high = int(info.min), int(info.max)
    if workload.spec.kind is Kind.MAX:
        return max(low, -1000), min(high, 1000)
    return 0, min(high // largest_window(workload), 100)


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return the numbers that belong to ``seed``, another sequence for each purpose."""
    return np.random.Generator(np.random.SFC64([seed, *purpose.encode()]))


def _empty(workload: Workload) -> NDArray[Any]:
    return np.empty(workload.reference_input_shape, numpy_dtype(workload.dtype))


def in_chunks(array: NDArray[Any]) -> list[NDArray[Any]]:
    """Return flat views that cover a contiguous ``array`` in order, small enough to draw one after the other."""
    flat = array.reshape(-1)
    return [flat[start : start + _CHUNK_ELEMENTS] for start in range(0, flat.size, _CHUNK_ELEMENTS)]
