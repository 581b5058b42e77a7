"""The training pass in NumPy: what each variant keeps for the gradient, and how it sends the gradient back.

A maximum's gradient goes to the first of equal elements. Sums are those of the accumulator (float32 for half types).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from poolbench.backends._numpy_common import accumulator, divide, divisors, spatial_axes, window_visits
from poolbench.model.pooling import Kind
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poolbench.backends.training import Forward

    Array = NDArray[Any]


def plan_positions_training(workload: Workload, x: Array, given: Array) -> Forward:
    """Return the forward that visits the output positions one by one, and keeps for each where the maximum is.

    It stands beside ``plan_positions`` for windows of any shape, uneven ones included.
    """
    if workload.spec.kind is Kind.AVG:
        return _averages_by_position(workload, x, given)
    return _maxima_by_position(workload, x, given)


def shared_out(workload: Workload, given: Array) -> Callable[[], Array]:
    """Return the call that gives the output's gradient over the average's divisor, in the accumulator's type."""
    divisor = divisors(workload)
    dtype = accumulator(given.dtype)
    return lambda: divide(given.astype(dtype), divisor, dtype)


def _averages_by_position(workload: Workload, x: Array, given: Array) -> Forward:
    import numpy as np

    from poolbench.backends._numpy_common import plan_positions

    pool = plan_positions(workload, x)
    axes, visits = spatial_axes(workload), window_visits(workload)
    share = shared_out(workload, given)

    def pullback() -> Array:
        shares = share()
        result = np.zeros(workload.input_shape, shares.dtype)
        here: list[Any] = [slice(None)] * result.ndim
        there: list[Any] = [slice(None)] * result.ndim
        for position in itertools.product(*visits):
            for axis, (o, reads) in zip(axes, position, strict=True):
                here[axis], there[axis] = slice(o, o + 1), reads
            result[tuple(there)] += shares[tuple(here)]
        return result.astype(x.dtype, copy=False)

    return lambda: (pool(), pullback)


def _maxima_by_position(workload: Workload, x: Array, given: Array) -> Forward:
    import numpy as np

    axes, visits = spatial_axes(workload), window_visits(workload)
    others = tuple(axis for axis in range(x.ndim) if axis not in axes)
    # Batch and channels go outermost, so that a window flattens in row-major order whatever the axis order.
    front = x.transpose(*others, *axes)
    given_front = given.transpose(*others, *axes)
    back = np.argsort((*others, *axes))
    outer = front.shape[:2]
    n, c = np.ogrid[: outer[0], : outer[1]]
    dtype = accumulator(x.dtype)

    def forward() -> tuple[Array, Callable[[], Array]]:
        out = np.empty(given_front.shape, x.dtype)
        kept: list[tuple[tuple[Any, ...], list[Array]]] = []
        for position in itertools.product(*visits):
            there: tuple[Any, ...] = (..., *(reads for _, reads in position))
            window = front[there]
            flat = window.reshape(*outer, -1)
            place = flat.argmax(axis=-1)
            at: tuple[Any, ...] = (..., *(o for o, _ in position))
            out[at] = flat[n, c, place]
            taps = np.unravel_index(place, window.shape[2:])
            starts = [(reads.start, reads.step) for _, reads in position]
            kept.append((at, [first + tap * step for (first, step), tap in zip(starts, taps, strict=True)]))

        def pullback() -> Array:
            result = np.zeros(front.shape, dtype)
            for at, places in kept:
                result[(n, c, *places)] += given_front[at]
            return result.transpose(back).astype(x.dtype, copy=False)

        return out.transpose(back), pullback

    return forward
