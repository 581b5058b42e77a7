"""The oracle of training: the gradient of pooling's input in float64, transcribed from the definition.

An average gives each element of its window the output's gradient divided by the average's divisor. A maximum gives the
whole of it to one element of its window, by the rules that PyTorch follows: the first of equals in row-major order, and
of NaN the last. An element gets the sum of what all the windows give it that it lies in; what an average gives to its
padding is nobody's. A window is the product of index sets, one per axis, so an average may be spread axis by axis; and
the first of equals, the last NaN too, may be found axis by axis, from the innermost outwards. These are the only
rearrangements made here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.model.pooling import Kind, PoolSpec
from poolbench.verify.blocks import blocks
from poolbench.verify.reads import AxisReads, axis_reads, divisors

_BLOCK_ELEMENTS = 1 << 18

_Floats = NDArray[np.float64]
_Places = NDArray[np.int64]


def pool_gradient(spec: PoolSpec, x: NDArray[Any], gradient: NDArray[Any]) -> NDArray[np.float64]:
    """Return the gradient of ``x`` (batch, channels, *spatial), given that of the output (batch, channels, *output).

    Both may be floats of any width, ``ml_dtypes.bfloat16`` included. Sums are those of float64.
    Raises InvalidSpecError where the window does not fit, ValueError where ``gradient`` has not the output's shape.
    """
    return _gradients(spec, x, gradient, magnitudes=False)[0]


def gradient_and_magnitude(spec: PoolSpec, x: NDArray[Any], gradient: NDArray[Any]) -> tuple[_Floats, _Floats]:
    """Return ``pool_gradient``, and the sum of the magnitudes that it adds up at each element: its rounding's scale."""
    found, scale = _gradients(spec, x, gradient, magnitudes=True)
    return found, scale


def _gradients(spec: PoolSpec, x: NDArray[Any], gradient: NDArray[Any], *, magnitudes: bool) -> list[_Floats]:
    spatial = x.shape[2:]
    outputs = spec.output_spatial(spatial)
    if gradient.shape != (*x.shape[:2], *outputs):
        raise ValueError(f"The output has shape {(*x.shape[:2], *outputs)}, its gradient {gradient.shape}.")
    axes = [axis_reads(spec, axis, spatial[axis], outputs[axis]) for axis in range(spec.rank)]
    # Maxima only compare, for which the narrower type is as good.
    compared = np.float64 if x.dtype.itemsize == 8 else np.float32
    results = [np.empty(x.shape, np.float64) for _ in range(1 + magnitudes)]
    with np.errstate(invalid="ignore", over="ignore"):
        for block in blocks(x.shape, _BLOCK_ELEMENTS):
            places = _maxima(x[block].astype(compared), axes) if spec.kind is Kind.MAX else None
            part = gradient[block].astype(np.float64)
            for result in results:
                result[block] = _sent_to(places, part, spatial) if places is not None else _shared(part, spec, axes)
                part = np.abs(part)
    return results


def _shared(part: _Floats, spec: PoolSpec, axes: list[AxisReads]) -> _Floats:
    """Give each element of each window its share of the window's gradient."""
    part = np.asarray(part / divisors(spec, axes))
    for axis, reads in enumerate(axes):
        part = _spread(part, axis + 2, reads)
    return part


def _spread(part: _Floats, axis: int, reads: AxisReads) -> _Floats:
    """Give what each output position of ``axis`` holds to each element that it reads, and add up."""
    rows = np.moveaxis(part, axis, 0)
    total = np.zeros((reads.length + 1, *rows.shape[1:]))  # one row more takes what falls into the padding
    if reads.by_tap and _goes_forward(reads):
        for selector in reads.selectors:
            total[selector] += rows
    else:
        for row, taps in zip(rows, reads.taps, strict=True):
            total[taps[taps < reads.length]] += row
    return np.moveaxis(total[:-1], 0, axis)


def _goes_forward(reads: AxisReads) -> bool:
    """Whether each output position begins behind the one before: no tap then reads the same element for two of them."""
    return bool(np.all(np.diff(reads.taps.min(axis=1)) > 0)) if len(reads.taps) > 1 else True


def _maxima(x: NDArray[Any], axes: list[AxisReads]) -> _Places:
    """Return where each window's maximum is, as an index into the flattened plane."""
    size = math.prod(x.shape[2:])
    places = np.broadcast_to(np.arange(size, dtype=np.int64).reshape(x.shape[2:]), x.shape)
    has_nan = bool(np.isnan(x).any())
    for axis in reversed(range(len(axes))):
        x, places = _choose(x, places, axis + 2, axes[axis], has_nan=has_nan)
    return places


def _choose(
    x: NDArray[Any], places: _Places, axis: int, reads: AxisReads, *, has_nan: bool
) -> tuple[NDArray[Any], _Places]:
    """Return the maximum of what each output position of ``axis`` reads, and its place: the first, or the last NaN."""
    rows, spots = np.moveaxis(x, axis, 0), np.moveaxis(places, axis, 0)
    values = np.concatenate(
        [rows, np.full((1, *rows.shape[1:]), -np.inf, x.dtype)]
    )  # one row more stands for the padding
    numbers = np.concatenate([spots, spots[:1]])
    if reads.by_tap:
        first = reads.taps.min(axis=1)  # padding has the greatest number, so this is the first element inside
        best, where = values[first], numbers[first]
        for selector in reads.selectors:
            candidate = values[selector]
            better = candidate > best
            if has_nan:
                better |= np.isnan(candidate)
            np.copyto(best, candidate, where=better)
            np.copyto(where, numbers[selector], where=better)
    else:
        best = np.empty((len(reads.taps), *rows.shape[1:]), x.dtype)
        where = np.empty(best.shape, np.int64)
        for o, taps in enumerate(reads.taps):
            inside = taps[taps < reads.length]
            window = values[inside]
            chosen = window.argmax(axis=0)[None]
            if has_nan:
                nan = np.isnan(window)
                last_nan = len(inside) - 1 - nan[::-1].argmax(axis=0)
                chosen = np.where(nan.any(axis=0), last_nan, chosen)
            best[o] = np.take_along_axis(window, chosen, axis=0)[0]
            where[o] = np.take_along_axis(numbers[inside], chosen, axis=0)[0]
    return np.moveaxis(best, 0, axis), np.moveaxis(where, 0, axis)


def _sent_to(places: _Places, given: _Floats, spatial: tuple[int, ...]) -> _Floats:
    """Add what is given for each window at its place, plane by plane."""
    planes = places.shape[0] * places.shape[1]
    size = math.prod(spatial)
    index = places.reshape(planes, -1) + np.arange(planes)[:, None] * size
    total = np.bincount(index.reshape(-1), weights=given.reshape(-1), minlength=planes * size)
    return np.asarray(total, np.float64).reshape(*places.shape[:2], *spatial)
