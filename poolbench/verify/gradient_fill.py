"""What a training workload is checked and timed on: inputs without ties, and gradients of the output.

Where equal maxima send their gradient is a rule on which frameworks differ: it is asked by name, as a clause of the
contract. So that a backend's arithmetic can be checked whatever its rule, no window of these inputs has two elements of
the same value.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.model.pooling import Kind, dilated
from poolbench.model.windows import AdaptiveWindows, AxisWindows, SlidingWindows
from poolbench.model.workload import DType, Workload
from poolbench.verify.fill import SIGNIFICANT_BITS, exact_values, generator, in_chunks, numpy_dtype, random_values

_HALF_RANKS = 1 << 15
_WIDE_RANKS = 1 << 24
"""How many values there are to draw from in 16 bits, and in more."""

_FIRST_PATTERN = {DType.F16: 0x3000, DType.BF16: 0x3C80}
"""The bits of the least magnitude drawn from, 2**-3 in float16 and 2**-6 in bfloat16; 2**14 magnitudes follow.

So all values are at least 2**-13 apart, for frameworks that take nearly equal maxima for equal.
"""

_CHUNK = 1 << 20


def training_input(workload: Workload, seed: int, *, exact: bool) -> NDArray[Any]:
    """Return an input of shape (batch, channels, *spatial) in the workload's dtype, the same for the same seed.

    Averages: that of the forward pass. Maxima: random values of both signs, no two alike in any window, unless a
    window has more elements than there are values (32,768 for float16 and bfloat16, 16,777,216 for the others).
    """
    if workload.spec.kind is Kind.AVG:
        return exact_values(workload, seed) if exact else random_values(workload, seed)
    ranks = _WIDE_RANKS if workload.dtype in (DType.F32, DType.F64) else _HALF_RANKS
    rng = generator(seed, f"distinct, exact={exact}")
    # Elements a window apart have different colours, and a value belongs to one colour alone.
    colours = _colours(workload)
    count = int(colours.max()) + 1
    shuffled = np.tile(rng.permutation(count).astype(np.int32), 2)  # twice, so that a shift never runs off its end
    planes = workload.batch * workload.channels
    out = np.empty(workload.reference_input_shape, numpy_dtype(workload.dtype))
    table = _half_values(workload.dtype) if ranks == _HALF_RANKS else None
    for plane, shift in zip(out.reshape(planes, -1), rng.integers(0, count, planes), strict=True):
        for start in range(0, plane.size, _CHUNK):
            part = plane[start : start + _CHUNK]
            rank = rng.integers(0, max(ranks // count, 1), part.size, np.int32)
            rank *= count
            rank += shuffled[shift:][colours[start : start + _CHUNK]]
            if count > ranks:
                rank %= ranks
            part[...] = rank - ranks // 2 if table is None else table[rank]
    return out


def training_gradient(workload: Workload, seed: int, *, exact: bool) -> NDArray[Any]:
    """Return a gradient of the output, of shape (batch, channels, *output_spatial), the same for the same seed.

    ``exact``: small integers whose sums the dtype holds, of both signs for maxima, not negative for averages, so that
    nothing cancels. Where more windows overlap than the dtype can count, they are zeros and, rarely, ones. Otherwise
    normal values.
    """
    rng = generator(seed, f"gradient, exact={exact}")
    dtype = numpy_dtype(workload.dtype)
    out = np.empty(workload.reference_output_shape, dtype)
    limit = 1 << SIGNIFICANT_BITS[workload.dtype]
    high = min(limit // most_windows(workload), 1000)
    for chunk in in_chunks(out):
        if not exact:
            chunk[...] = rng.standard_normal(chunk.size, np.float64 if workload.dtype is DType.F64 else np.float32)
        elif high == 0:
            chunk[...] = rng.random(chunk.size, np.float32) < limit / 4 / most_windows(workload)
        else:
            low = -high if workload.spec.kind is Kind.MAX else 0
            chunk[...] = rng.integers(low, high, chunk.size, np.int16, endpoint=True)
    return out


def most_windows(workload: Workload) -> int:
    """Return in how many windows the element lies that lies in most: so many terms its gradient is summed from."""
    axes = zip(workload.spec.windows(workload.spatial), workload.spatial, strict=True)
    return math.prod(_most_on_axis(windows, length) for windows, length in axes)


def _most_on_axis(windows: AxisWindows, length: int) -> int:
    if not isinstance(windows, SlidingWindows):
        # Element x lies in the windows from ⌊x·O/L⌋ up to ⌈(x+1)·O/L⌉: the same rule with the lengths exchanged.
        return AdaptiveWindows(length=windows.size, size=length).largest
    counts = np.zeros(length, np.int64)
    for reads in windows.reads():
        counts[reads.start : reads.stop : reads.step] += 1
    return int(counts.max())


def _colours(workload: Workload) -> NDArray[np.int64]:
    """Number the elements of a flattened plane so that no two of one window have the same number."""
    colours = np.zeros((), np.int64)
    dilations = workload.spec.dilation
    for windows, dilation in zip(workload.spec.windows(workload.spatial), dilations, strict=True):
        span = dilated(windows.largest, dilation)
        length = workload.spatial[colours.ndim]
        colours = colours[..., None] * span + np.arange(length) % span
    return np.asarray(colours.reshape(-1), np.int64)


def _half_values(dtype: DType) -> NDArray[Any]:
    """Return the values of a 16-bit type that are drawn from, in ascending order."""
    magnitudes = np.arange(_HALF_RANKS // 2, dtype=np.uint16) + np.uint16(_FIRST_PATTERN[dtype])
    values = magnitudes.view(numpy_dtype(dtype))
    return np.concatenate([-values[::-1], values])
