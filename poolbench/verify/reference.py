"""The oracle: pooling in float64, transcribed from the definition.

A window's tap ``t`` along an axis reads the input at ``o * stride - lo + t * dilation``; what lies outside the input
is padding: nothing (minus infinity) to a maximum, zero to a sum. The output size and the divisor are those that
``torch.nn.MaxPool2d``, ``torch.nn.AvgPool2d`` and ``torch.nn.AdaptiveAvgPool2d`` document. A window is the product of
index sets, one per axis, and both a maximum and a sum over a product of sets may be taken axis by axis: this is the
only rearrangement made here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.model.pooling import Kind, PoolSpec
from poolbench.verify.blocks import blocks

_BLOCK_ELEMENTS = 1 << 18  # keeps a block's temporaries in the second-level cache; one huge plane may exceed it


def pool(spec: PoolSpec, x: NDArray[Any], *, narrow: bool = False) -> NDArray[Any]:
    """Return the pooled ``x`` of shape (batch, channels, *spatial) as (batch, channels, *output_spatial).

    Floats of any width, ``ml_dtypes.bfloat16`` included, give float64. Integers give int64: their maxima stay exact
    beyond 2**53, and their averages are the int64 sum divided and truncated towards zero, as
    ``torch.nn.functional.avg_pool2d`` computes them. NaN anywhere in a window makes its maximum NaN. ``narrow`` returns
    maxima in the type of ``x``, which loses nothing and saves the memory of large outputs.
    Raises InvalidSpecError where the window does not fit.
    """
    wide = np.dtype(np.int64 if np.issubdtype(x.dtype, np.integer) else np.float64)
    return _pool(spec, x, x.dtype if narrow and spec.kind is Kind.MAX else wide, magnitudes=False)


def mean_magnitude(spec: PoolSpec, x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the average of ``|x|`` over each window, with the divisor rule of ``spec``: the scale of its rounding."""
    return _pool(spec, x, np.dtype(np.float64), magnitudes=True)


def _pool(spec: PoolSpec, x: NDArray[Any], dtype: np.dtype[Any], *, magnitudes: bool) -> NDArray[Any]:
    spatial = x.shape[2:]
    outputs = spec.output_spatial(spatial)
    axes = [_axis_reads(spec, axis, spatial[axis], outputs[axis]) for axis in range(spec.rank)]
    work = _working_dtype(spec.kind, x.dtype)
    divisor = _divisors(spec, axes) if spec.kind is Kind.AVG else None
    result = np.empty((*x.shape[:2], *outputs), dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        for block in blocks(x.shape, _BLOCK_ELEMENTS):
            part = x[block].astype(work)
            if magnitudes:
                np.abs(part, out=part)
            for axis, reads in enumerate(axes):
                part = _reduce(part, axis + 2, reads, spec.kind)
            result[block] = part if divisor is None else _divide(part, divisor)
    return result


@dataclass(frozen=True, slots=True)
class _AxisReads:
    """What each output position of one axis reads.

    ``taps`` has shape (outputs, taps): input positions, with ``length`` standing for padding. ``counted`` is how many
    taps lie in the padded input, which an average that counts padding divides by, and ``real`` how many in the input.
    ``selectors`` are the rows of ``taps`` or, ``by_tap``, its columns, whichever are fewer.
    """

    length: int
    taps: NDArray[np.intp]
    counted: NDArray[np.int64]
    real: NDArray[np.int64] = field(init=False)
    by_tap: bool = field(init=False)
    selectors: list[NDArray[np.intp] | slice] = field(init=False)

    def __post_init__(self) -> None:
        outputs, taps = self.taps.shape
        by_tap = taps <= outputs
        chosen = np.ascontiguousarray(self.taps.T if by_tap else self.taps)
        object.__setattr__(self, "real", (self.taps < self.length).sum(axis=1))
        object.__setattr__(self, "by_tap", by_tap)
        object.__setattr__(self, "selectors", [_selector(index, self.length) for index in chosen])


def _axis_reads(spec: PoolSpec, axis: int, length: int, size: int) -> _AxisReads:
    o = np.arange(size)[:, None]
    if spec.window is None or spec.stride is None:
        first, end = o * length // size, -(-(o + 1) * length // size)
        at = first + np.arange(int((end - first).max()))
        return _AxisReads(length, np.where(at < end, at, length), (end - first)[:, 0])
    lo, hi = spec.padding[axis]
    at = o * spec.stride[axis] - lo + np.arange(spec.window[axis]) * spec.dilation[axis]
    inside = (at >= 0) & (at < length)
    return _AxisReads(length, np.where(inside, at, length), (at < length + hi).sum(axis=1))


def _selector(index: NDArray[np.intp], length: int) -> NDArray[np.intp] | slice:
    """Return a slice that selects the same as ``index`` where there is one: it copies nothing."""
    if len(index) < 2 or index[-1] == length:
        return index
    step = int(index[1] - index[0])
    if step < 1 or np.any(np.diff(index) != step):
        return index
    return slice(int(index[0]), int(index[-1]) + 1, step)


def _reduce(x: NDArray[Any], axis: int, reads: _AxisReads, kind: Kind) -> NDArray[Any]:
    """Combine what each output position of ``axis`` reads."""
    combine = np.maximum if kind is Kind.MAX else np.add
    # The axis goes outermost, so that one index reads a whole row; one row more stands for the padding.
    rows = np.moveaxis(x, axis, 0)
    source = np.empty((reads.length + 1, *rows.shape[1:]), x.dtype)
    source[:-1] = rows
    source[-1] = _nothing(x.dtype) if kind is Kind.MAX else 0
    result = np.empty((len(reads.taps), *rows.shape[1:]), x.dtype)
    if reads.by_tap:
        result[...] = source[reads.selectors[0]]
        for selector in reads.selectors[1:]:
            combine(result, source[selector], out=result)
    else:
        for o, selector in enumerate(reads.selectors):
            combine.reduce(source[selector], axis=0, out=result[o])
    return np.moveaxis(result, 0, axis)


def _divisors(spec: PoolSpec, axes: list[_AxisReads]) -> NDArray[np.int64] | int:
    """Return what each output position's sum is divided by, in the shape of the output's spatial axes."""
    if spec.divisor is not None:
        return spec.divisor
    result = np.ones((1,) * len(axes), np.int64)
    for axis, reads in enumerate(axes):
        count = reads.counted if spec.include_padding else reads.real
        result = result * count.reshape([-1 if other == axis else 1 for other in range(len(axes))])
    return result


def _divide(total: NDArray[Any], divisor: NDArray[np.int64] | int) -> NDArray[Any]:
    if total.dtype.kind == "f":
        return np.asarray(total / divisor)
    return np.asarray(np.sign(total) * (np.abs(total) // divisor))


def _working_dtype(kind: Kind, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a type that holds every value, and for sums every partial sum, of ``dtype``: maxima need no wider one."""
    if np.issubdtype(dtype, np.integer):
        return dtype if kind is Kind.MAX else np.dtype(np.int64)
    if kind is Kind.MAX and dtype.itemsize <= 4:
        return np.dtype(np.float32)
    return np.dtype(np.float64)


def _nothing(dtype: np.dtype[Any]) -> Any:
    """Return what a maximum starts from."""
    return np.iinfo(dtype).min if np.issubdtype(dtype, np.integer) else -np.inf
