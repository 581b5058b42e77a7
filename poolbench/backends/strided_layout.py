"""Which axis order the strided kernel likes best for a workload: what a caller who may choose it should choose.

The rule was read off measurements of both orders on real layers, one thread, float32
(docs/decisions/0015-preferred-layout.md); it is no law, and ``--layout given`` measures the caller's own order.
"""

from __future__ import annotations

import math

from poolbench.model.pooling import Kind
from poolbench.model.workload import Workload, channels_last_order, default_order

LEAST_CHANNELS = 16
"""With fewer channels innermost, most lanes of a vector idle."""

MANY_CHANNELS = 64
"""From here on, pooling without a gradient gains from channels innermost, too."""

SMALL_PLANE = 64
"""Planes of fewer elements have rows that are short for vectors, even where two planes lie side by side."""

FEW_ELEMENTS = 9
"""Windows of more elements are combined along rows first, and then once for several outputs."""

LARGE_WINDOW = 27
"""Windows of more elements are combined along one axis after the other, for which rows lie better than channels."""

MANY_POSITIONS = 2048
"""Maxima over planes of at least so many positions are as fast on rows, whose windows lie beside each other."""

WIDE_ROW = 128
"""Rows of more positions than this are few streams of memory where windows share nothing; channels are one."""

LARGE_PLANE = 100
"""The sum of a plane of more elements than this is faster along its rows, trained or not."""


def preferred_order(workload: Workload) -> str:
    """Return the order of axes, outermost first, that the kernel computes ``workload`` fastest in."""
    rank = workload.spec.rank
    wants_channels = _trains_better(workload) if workload.pass_.is_training else _infers_better(workload)
    return channels_last_order(rank) if wants_channels else default_order(rank)


def _trains_better(workload: Workload) -> bool:
    """Whether forward and backward are faster with channels innermost: all but sums over whole, large planes are."""
    if workload.channels < LEAST_CHANNELS:
        return False
    is_sum = workload.spec.kind is Kind.AVG and math.prod(workload.output_shape[2:]) == 1
    return not is_sum or math.prod(workload.spatial) <= LARGE_PLANE


def _infers_better(workload: Workload) -> bool:
    """Whether pooling alone is faster with channels innermost.

    It is where neighbouring outputs share little and rows are short: rows that are read with a stride must be sorted in
    registers, channels need not. Where windows overlap in each step, rows are loaded once for several outputs.
    """
    if workload.channels < MANY_CHANNELS:
        return False
    spec, elements = workload.spec, _window_elements(workload)
    if elements > LARGE_WINDOW:
        return False
    if spec.stride is None or max(spec.stride) > 1:
        if spec.kind is Kind.AVG or math.prod(workload.spatial) < MANY_POSITIONS:
            return True
        return spec.rank > 1 and _lie_apart(workload) and workload.spatial[-1] > WIDE_ROW
    return elements <= FEW_ELEMENTS and math.prod(workload.spatial) < SMALL_PLANE


def _lie_apart(workload: Workload) -> bool:
    """Whether no two windows share an element. Adaptive ones hardly do."""
    spec = workload.spec
    if spec.window is None or spec.stride is None:
        return True
    return all(window <= stride for window, stride in zip(spec.window, spec.stride, strict=True))


def _window_elements(workload: Workload) -> int:
    """Return how many elements a window has; of an adaptive one, about."""
    spec = workload.spec
    if spec.window is not None:
        return math.prod(spec.window)
    assert spec.output is not None
    return math.prod(-(-size // out) for size, out in zip(workload.spatial, spec.output, strict=True))
