"""The oracle: pooling in float64, transcribed from the definition.

A window's tap ``t`` along an axis reads the input at ``o * stride - lo + t * dilation``; what lies outside the input
is padding: nothing (minus infinity) to a maximum, zero to a sum. The output size and the divisor are those that
``torch.nn.MaxPool2d``, ``torch.nn.AvgPool2d`` and ``torch.nn.AdaptiveAvgPool2d`` document. A window is the product of
index sets, one per axis, and both a maximum and a sum over a product of sets may be taken axis by axis: this is the
only rearrangement made here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.model.pooling import Kind, PoolSpec
from poolbench.verify.blocks import blocks
from poolbench.verify.reads import AxisReads, axis_reads, divisors

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
    axes = [axis_reads(spec, axis, spatial[axis], outputs[axis]) for axis in range(spec.rank)]
    work = _working_dtype(spec.kind, x.dtype)
    divisor = divisors(spec, axes) if spec.kind is Kind.AVG else None
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


def _reduce(x: NDArray[Any], axis: int, reads: AxisReads, kind: Kind) -> NDArray[Any]:
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
