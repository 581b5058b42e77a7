"""Which axis order the strided kernel likes best for a workload: what a caller who may choose it should choose.

The rule was read off measurements of both orders on real layers, one thread, float32
(docs/decisions/0015-preferred-layout.md); it is no law, and ``--layout given`` measures the caller's own order.
"""

from __future__ import annotations

import math

from poolbench.model.pooling import Kind
from poolbench.model.workload import Workload, channels_last_order, default_order

WIDE = "avx512"
"""The instruction set that sorts lanes for little: for all others channels are better on nearly all layers."""

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

LARGE_SIDE = 5
"""Maxima over squares from here on are taken four at a time with channels innermost: fewer steps than along rows."""

MANY_POSITIONS, MANY_POSITIONS_APART = 2048, 4096
"""Maxima over planes of at least so many positions are as fast on rows, whose windows lie beside each other; of windows
that share nothing, over planes of the second number."""

WIDE_ROW = 128
"""Rows of more positions than this are few streams of memory where windows share nothing; channels are one."""

LARGE_PLANE = 100
"""The sum of a plane of more elements than this is faster along its rows, trained or not."""


def preferred_order(workload: Workload, isa: str) -> str:
    """Return the order of axes, outermost first, that the kernels of ``isa`` compute ``workload`` fastest in."""
    rank = workload.spec.rank
    if workload.pass_.is_training:
        wants_channels = _trains_better(workload)
    elif isa == WIDE:
        wants_channels = _infers_better(workload)
    else:
        wants_channels = _infers_better_in_narrow_vectors(workload, isa)
    return channels_last_order(rank) if wants_channels else default_order(rank)


def _trains_better(workload: Workload) -> bool:
    """Whether forward and backward are faster with channels innermost: all but sums over whole, large planes are."""
    if workload.channels < LEAST_CHANNELS:
        return False
    is_sum = workload.spec.kind is Kind.AVG and _is_global(workload)
    return not is_sum or math.prod(workload.spatial) <= LARGE_PLANE


def _infers_better(workload: Workload) -> bool:
    """Whether pooling alone is faster with channels innermost.

    It is where neighbouring outputs share little and rows are short: rows that are read with a stride must be sorted in
    registers, channels need not. Where windows overlap in each step, rows are loaded once for several outputs; but for
    maxima over large squares.
    """
    if workload.channels < MANY_CHANNELS:
        return False
    spec, elements = workload.spec, _window_elements(workload)
    overlaps_in_each_step = spec.stride is not None and max(spec.stride) == 1
    if overlaps_in_each_step and spec.kind is Kind.MAX and spec.rank == 2 and _is_large_square(workload):
        return True
    if elements > LARGE_WINDOW:
        return False
    if overlaps_in_each_step:
        return elements <= FEW_ELEMENTS and math.prod(workload.spatial) < SMALL_PLANE
    is_apart = spec.rank > 1 and _lie_apart(workload)
    if spec.kind is Kind.AVG or math.prod(workload.spatial) < (MANY_POSITIONS_APART if is_apart else MANY_POSITIONS):
        return True
    return is_apart and workload.spatial[-1] > WIDE_ROW


def _infers_better_in_narrow_vectors(workload: Workload, isa: str) -> bool:
    """Whether pooling alone is faster with channels innermost where a vector has at most eight floats.

    To sort lanes costs more there than it saves: all but sums and maxima of whole planes, sums over large windows that
    overlap in each step, and with AVX2 maxima over squares of 5 with stride 1, are.
    """
    if workload.channels < LEAST_CHANNELS or _is_global(workload):
        return False
    if isa == "avx2" and _is_walked_down(workload):
        return False
    spec = workload.spec
    is_running_sum = spec.kind is Kind.AVG and spec.stride is not None and max(spec.stride) == 1
    return not (is_running_sum and _window_elements(workload) > LARGE_WINDOW)


def _is_walked_down(workload: Workload) -> bool:
    """Whether each row that AVX2 loads serves so many maxima that rows are as fast as channels."""
    spec = workload.spec
    return spec.kind is Kind.MAX and spec.window == (5, 5) and spec.stride == (1, 1) and spec.dilation == (1, 1)


def _is_global(workload: Workload) -> bool:
    """Whether each plane has one output."""
    return math.prod(workload.output_spatial) == 1


def _is_large_square(workload: Workload) -> bool:
    """Whether no side of the windows is short, and none of them skips elements."""
    spec = workload.spec
    return spec.window is not None and min(spec.window) >= LARGE_SIDE and max(spec.dilation) == 1


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
