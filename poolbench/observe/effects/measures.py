"""What a filter does to signals: how much of them it loses, and how steady it is when they are shifted.

Both are least squares over one stated family: an element is predicted from the outputs next to it, TAPS along each
axis, and a constant, by weights that depend on nothing but where it lies between them. That is the linear
minimum-mean-square-error reconstruction of a random signal from samples of its filtered version, with as many taps as
are said here (T. Michaeli and Y. C. Eldar, "High-Rate Interpolation of Random Signals From Nonideal Samples", IEEE
Transactions on Signal Processing 57(3), 2009). Bilinear and nearest-neighbour upsampling are members of the family, so
that neither can do better.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from poolbench.model.effects import Alternative, Information
from poolbench.model.pooling import Ints, PoolSpec
from poolbench.observe.effects.filters import Array, Filter, filter_of
from poolbench.observe.effects.signals import fields

TAPS = 3
"""Outputs along each axis that an element is predicted from: the nearest one, and one on each side."""

DRAWS = 8
"""Random convolutions whose mean is told."""

_OUTPUTS = {1: 200, 2: 22, 3: 7}
"""Outputs along each axis of a signal, by the number of axes."""

_LEAST_SAMPLES = 3_000
"""About so many outputs are predicted from, over all signals: some hundred for each weight."""

_MOST_ELEMENTS = 6_000_000
"""Signals of windows as large as whole planes are fewer, so that they fit."""

Signals = Callable[[int, Ints], Array]
"""Gives so many signals of a shape, as ``signals.fields`` does."""


def information(alternative: Alternative, spec: PoolSpec, spatial: Ints, *, signals: Signals = fields) -> Information:
    """Return what ``alternative`` to a layer of ``spec`` on planes of the size ``spatial`` does to ``signals``.

    Padding is left out: this is what happens away from the edges. Where an axis has but one output, as in global
    pooling, there is nothing beside it to predict from. Raises ValueError for adaptive windows that are not alike.
    """
    windowed = spec.as_windowed(spatial)
    if windowed is None:
        raise ValueError("The windows differ in size.")
    assert windowed.window is not None and windowed.stride is not None
    taps = tuple(TAPS if size > 1 else 1 for size in spec.output_spatial(spatial))
    draws = DRAWS if alternative is Alternative.CONVOLUTION else 1
    found = []
    for draw in range(draws):
        chosen = filter_of(alternative, windowed.window, windowed.stride, windowed.dilation, seed=draw)
        found.append(measured(chosen, (TAPS,) * spec.rank if alternative is Alternative.NONE else taps, signals))
    return Information(
        lost=float(np.mean([each.lost for each in found])),
        changed=float(np.mean([each.changed for each in found])),
        unsteady=float(np.mean([each.unsteady for each in found])),
    )


def measured(chosen: Filter, taps: Ints, signals: Signals = fields) -> Information:
    """Return what a filter does to signals, predicted from ``taps`` outputs along each axis."""
    rank = len(chosen.span)
    outputs = tuple(_OUTPUTS[rank] if tap > 1 else 1 for tap in taps)
    size = tuple((n - 1) * s + k for n, s, k in zip(outputs, chosen.stride, chosen.span, strict=True))
    inside = math.prod(n - tap + 1 for n, tap in zip(outputs, taps, strict=True))
    room = tuple(length + 1 for length in size)
    count = max(min(-(-_LEAST_SAMPLES // inside), _MOST_ELEMENTS // math.prod(room)), 16)
    x = signals(count, room)
    at_rest = _cut(x, size, None)
    y = chosen.reduce(at_rest)
    design = _design(y, taps)
    lost = _unexplained(design, _blocks(at_rest, chosen, y.shape[1:], taps))
    changed, unsteady = [], []
    for axis in range(rank):
        shifted = chosen.reduce(_cut(x, size, axis))
        changed.append(_share(float(np.mean(np.square(shifted - y))) / 2, float(y.var())))
        unsteady.append(_unexplained(design, _inner(shifted, taps).reshape(-1, 1)))
    return Information(lost=lost, changed=float(np.mean(changed)), unsteady=float(np.mean(unsteady)))


def _cut(x: Array, size: Ints, shifted_axis: int | None) -> Array:
    """Return the signals that the filter sees, from one element later on along ``shifted_axis``."""
    starts = [int(axis == shifted_axis) for axis in range(len(size))]
    return x[(slice(None), *(slice(start, start + length) for start, length in zip(starts, size, strict=True)))]


def _design(y: Array, taps: Ints) -> Array:
    """Return a line for each output that has all its neighbours: those, itself, and 1."""
    windows = sliding_window_view(y, taps, axis=tuple(range(1, y.ndim)))
    lines = windows.reshape(-1, math.prod(taps))
    return np.concatenate([lines, np.ones((len(lines), 1))], axis=1)


def _inner(y: Array, taps: Ints) -> Array:
    """Return the outputs that have all their neighbours."""
    edges = [(tap - 1) // 2 for tap in taps]
    return y[(slice(None), *(slice(edge, size - edge) for edge, size in zip(edges, y.shape[1:], strict=True)))]


def _blocks(x: Array, chosen: Filter, outputs: Ints, taps: Ints) -> Array:
    """Return a line for each of these outputs: the elements that it stands for, one stride of them along each axis.

    They are those in the middle of the window; all of the window's where there is one output.
    """
    for axis, (span, stride, size, tap) in enumerate(
        zip(chosen.span, chosen.stride, outputs, taps, strict=True), start=1
    ):
        edge = (tap - 1) // 2
        length = stride if tap > 1 else span
        first = edge * stride + (span - length) // 2
        places = first + np.arange(size - 2 * edge)[:, None] * stride + np.arange(length)[None, :]
        x = np.moveaxis(np.take(x, places, axis=axis), axis + 1, -1)
    return x.reshape(math.prod(x.shape[: len(outputs) + 1]), -1)


def _unexplained(design: Array, targets: Array) -> float:
    """Return the share of the targets' variance that no weights explain, corrected for the number of weights."""
    samples, weights = design.shape
    solution, *_ = np.linalg.lstsq(design, targets, rcond=None)
    left = float(np.square(targets - design @ solution).mean()) * samples / max(samples - weights, 1)
    return _share(left, float(targets.var()))


def _share(part: float, whole: float) -> float:
    """Return a share of a variance; none of a signal that does not vary."""
    return 0.0 if whole < 1e-20 else min(part / whole, 2.0)
