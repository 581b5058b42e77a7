"""What a window reads, axis by axis, as both references (of the output and of its gradient) walk through it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from poolbench.model.pooling import PoolSpec


@dataclass(frozen=True, slots=True)
class AxisReads:
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


def axis_reads(spec: PoolSpec, axis: int, length: int, size: int) -> AxisReads:
    """Return what each of the ``size`` output positions reads of one axis, which has ``length`` elements."""
    o = np.arange(size)[:, None]
    if spec.window is None or spec.stride is None:
        first, end = o * length // size, -(-(o + 1) * length // size)
        at = first + np.arange(int((end - first).max()))
        return AxisReads(length, np.where(at < end, at, length), (end - first)[:, 0])
    lo, hi = spec.padding[axis]
    at = o * spec.stride[axis] - lo + np.arange(spec.window[axis]) * spec.dilation[axis]
    inside = (at >= 0) & (at < length)
    return AxisReads(length, np.where(inside, at, length), (at < length + hi).sum(axis=1))


def divisors(spec: PoolSpec, axes: list[AxisReads]) -> NDArray[np.int64] | int:
    """Return what each output position's sum is divided by, in the shape of the output's spatial axes."""
    if spec.divisor is not None:
        return spec.divisor
    result = np.ones((1,) * len(axes), np.int64)
    for axis, reads in enumerate(axes):
        count = reads.counted if spec.include_padding else reads.real
        result = result * count.reshape([-1 if other == axis else 1 for other in range(len(axes))])
    return result


def _selector(index: NDArray[np.intp], length: int) -> NDArray[np.intp] | slice:
    """Return a slice that selects the same as ``index`` where there is one: it copies nothing."""
    if len(index) < 2 or index[-1] == length:
        return index
    step = int(index[1] - index[0])
    if step < 1 or np.any(np.diff(index) != step):
        return index
    return slice(int(index[0]), int(index[-1]) + 1, step)
