"""Alternatives to a pooling layer as functions of arrays, without padding: what measures on signals are taken of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from poolbench.model.effects import Alternative
from poolbench.model.pooling import Ints

Array = NDArray[np.float64]
Reduce = Callable[[Array], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A function of the elements below a window that moves by ``stride``; ``span`` is how far the window reaches.

    ``reduce`` takes an array (count, *spatial) and gives an element for each whole window.
    """

    span: Ints
    stride: Ints
    reduce: Reduce


def blur_size(stride: int) -> int:
    """Return how many taps a blur has before a subsampling by ``stride``: 3 for 2, 5 for 3, and 3 for 1."""
    return max(3, 2 * stride - 1)


def binomial(size: int) -> Array:
    """Return a row of Pascal's triangle that sums to 1: (1, 2, 1) / 4 for 3 taps."""
    row = np.array([math.comb(size - 1, place) for place in range(size)], dtype=np.float64)
    scaled: Array = row / row.sum()
    return scaled


def filter_of(alternative: Alternative, window: Ints, stride: Ints, dilation: Ints, *, seed: int = 0) -> Filter:
    """Return ``alternative`` to a layer with this window, as a filter. ``seed`` draws a convolution's weights.

    A convolution has one channel and random weights here, as before it is trained.
    """
    rank = len(window)
    spans = tuple((k - 1) * d + 1 for k, d in zip(window, dilation, strict=True))
    ones = (1,) * rank
    if alternative is Alternative.NONE:
        return Filter(span=ones, stride=ones, reduce=lambda x: x)
    if alternative is Alternative.MAX:
        return Filter(span=spans, stride=stride, reduce=lambda x: maximum(x, window, stride, dilation))
    if alternative is Alternative.AVERAGE:
        taps = [np.full(k, 1 / k) for k in window]
        return Filter(span=spans, stride=stride, reduce=lambda x: separable(x, taps, stride, dilation))
    if alternative is Alternative.CONVOLUTION:
        weights = np.random.default_rng(seed).standard_normal(window)
        return Filter(span=spans, stride=stride, reduce=lambda x: weighted(x, weights, stride, dilation))
    blurs = [binomial(blur_size(s)) for s in stride]
    sizes = tuple(len(taps) for taps in blurs)
    if alternative is Alternative.BLUR:
        return Filter(span=sizes, stride=stride, reduce=lambda x: separable(x, blurs, stride, ones))
    return Filter(
        span=tuple(a + b - 1 for a, b in zip(spans, sizes, strict=True)),
        stride=stride,
        reduce=lambda x: separable(maximum(x, window, ones, dilation), blurs, stride, ones),
    )


def maximum(x: Array, window: Ints, stride: Ints, dilation: Ints) -> Array:
    """Return the maximum below each window."""
    for axis, (k, s, d) in enumerate(zip(window, stride, dilation, strict=True), start=1):
        x = _windows(x, axis, k, s, d).max(axis=-1)
    return x


def separable(x: Array, taps: list[Array], stride: Ints, dilation: Ints) -> Array:
    """Return the sum below each window, each element weighed by the product of its taps, one for each axis."""
    for axis, (row, s, d) in enumerate(zip(taps, stride, dilation, strict=True), start=1):
        x = _windows(x, axis, len(row), s, d) @ row
    return x


def weighted(x: Array, weights: Array, stride: Ints, dilation: Ints) -> Array:
    """Return the sum below each window, each element weighed by ``weights``."""
    rank = weights.ndim
    for axis, (k, s, d) in enumerate(zip(weights.shape, stride, dilation, strict=True), start=1):
        x = _windows(x, axis, k, s, d)
    return np.tensordot(x, weights, axes=(list(range(rank + 1, 2 * rank + 1)), list(range(rank))))


def _windows(x: Array, axis: int, size: int, stride: int, dilation: int) -> Array:
    """Return the windows along one axis, their elements as a new last axis."""
    span = (size - 1) * dilation + 1
    every = [slice(None)] * x.ndim
    every[axis] = slice(None, None, stride)
    return sliding_window_view(x, span, axis=axis)[(*every, slice(None, None, dilation))]
