"""Which bytes a workload must move: what its pass reads once, as ranges, beside what ``Workload`` counts.

| pass | reads | writes |
|---|---|---|
| forward, training-forward | the touched lines of the input | the output |
| training-backward | the output's gradient | the input's gradient |
| training | both | both |

What a backend keeps between forward and backward is its own affair, and not counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poolbench.model.pooling import AXIS_NAMES
from poolbench.model.windows import AxisWindows, SlidingWindows
from poolbench.model.workload import Workload

LINE_BYTES = 64
"""Bytes of a cache line: what memory is moved in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runs:
    """Byte ranges ``[offset, offset + length)`` of one unit, repeated ``unit_count`` times, ``unit_stride`` apart.

    ``offsets`` and ``lengths`` are int64 arrays of the same length; the ranges ascend and do not overlap. Gaps of
    less than a cache line are closed, since no line lies wholly in one of them.
    """

    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    unit_count: int
    unit_stride: int


def touched_runs(workload: Workload) -> Runs:
    """Return what ``workload`` must read of its input, laid out contiguously in the workload's axis order.

    An element is touched if a tap of some window falls on it: a stride larger than the window skips elements,
    and so may a dilated one. The leading axes of which everything is touched make up the units.
    """
    masks = touched_per_axis(workload)
    partial = [axis for axis, mask in enumerate(masks) if not mask.all()]
    shape = workload.input_shape
    if not partial:
        size = math.prod(shape) * workload.dtype.itemsize
        return _runs(np.zeros(1, np.int64), np.array([size], np.int64), 1, size)
    # Innermost first: the axes behind the last partial one are whole, so each of its runs is one range of bytes.
    stride = math.prod(shape[partial[-1] + 1 :]) * workload.dtype.itemsize
    starts, lengths = _runs_of(masks[partial[-1]])
    offsets, lengths = _close_gaps(starts * stride, lengths * stride)
    for axis in range(partial[-1] - 1, partial[0] - 1, -1):
        stride = math.prod(shape[axis + 1 :]) * workload.dtype.itemsize
        places = np.flatnonzero(masks[axis]).astype(np.int64) * stride
        offsets, lengths = _close_gaps(
            (places[:, None] + offsets[None, :]).ravel(), np.broadcast_to(lengths, (len(places), len(lengths))).ravel()
        )
    unit_stride = math.prod(shape[partial[0] :]) * workload.dtype.itemsize
    return _runs(offsets, lengths, math.prod(shape[: partial[0]]), unit_stride)


def gradient_runs(workload: Workload) -> Runs:
    """Return what the backward must read of the output's gradient, laid out contiguously: all of it."""
    size = workload.output_bytes
    return _runs(np.zeros(1, np.int64), np.array([size], np.int64), 1, size)


def touched_per_axis(workload: Workload) -> list[NDArray[np.bool_]]:
    """Return, per axis of the workload's order, which of its places are touched. An element is if all of its are."""
    windows = dict(zip(AXIS_NAMES[workload.spec.rank], workload.spec.windows(workload.spatial), strict=True))
    return [
        _touched_by(windows[name], size) if name in windows else np.ones(size, np.bool_)
        for name, size in zip(workload.order, workload.input_shape, strict=True)
    ]


def _touched_by(windows: AxisWindows, size: int) -> NDArray[np.bool_]:
    if not isinstance(windows, SlidingWindows):
        return np.ones(size, np.bool_)  # adaptive windows leave nothing out
    mask = np.zeros(size, np.bool_)
    for reads in windows.reads():
        mask[reads.start : reads.stop : reads.step] = True
    return mask


def _runs_of(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the runs of True begin, and their lengths."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).astype(np.int64)
    return edges[::2], edges[1::2] - edges[::2]


def _close_gaps(offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ends = offsets + lengths
    opens = np.flatnonzero(offsets[1:] - ends[:-1] >= LINE_BYTES)
    first = np.concatenate(([0], opens + 1))
    last = np.concatenate((opens, [len(offsets) - 1]))
    return offsets[first], ends[last] - offsets[first]


def _runs(offsets: NDArray[np.int64], lengths: NDArray[np.int64], unit_count: int, unit_stride: int) -> Runs:
    return Runs(
        offsets=np.ascontiguousarray(offsets, np.int64),
        lengths=np.ascontiguousarray(lengths, np.int64),
        unit_count=unit_count,
        unit_stride=unit_stride,
    )
