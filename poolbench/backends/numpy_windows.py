"""Sliding windows: a view that shows every window, reduced over the window's axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poolbench.backends._numpy_common import (
    NumpyBackend,
    accumulator,
    counts,
    divide,
    divisors,
    plan_positions,
    spatial_axes,
)
from poolbench.backends._numpy_training import plan_positions_training, shared_out
from poolbench.backends.geometry import lowest
from poolbench.model.pooling import Ints, Kind, PoolSpec, dilated
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolbench.backends.training import Forward


class Windows(NumpyBackend):
    """``sliding_window_view(x, k)[::s].max(axis=-1)``, generalised; a padded input is copied into its padding first.

    Adaptive windows of uneven size have no such view: they are reduced one by one.
    """

    name = "numpy:windows"

    def _plan(self, workload: Workload, x: NDArray[Any]) -> Callable[[], NDArray[Any]]:
        import numpy as np

        spec = workload.spec.as_windowed(workload.spatial)
        if spec is None:
            return plan_positions(workload, x)
        frame = _frame(spec, workload)
        is_max = spec.kind is Kind.MAX
        divisor = None if is_max else divisors(workload)
        window_axes = tuple(range(-spec.rank, 0))

        def compute() -> NDArray[Any]:
            windows = frame.windows(frame.padded(x))
            out = np.empty(windows.shape[: x.ndim], x.dtype if is_max else accumulator(x.dtype))
            if divisor is None:
                return windows.max(axis=window_axes, out=out)
            windows.sum(axis=window_axes, dtype=out.dtype, out=out)
            return divide(out, divisor, x.dtype)

        return compute

    def _plan_training(self, workload: Workload, x: NDArray[Any], given: NDArray[Any]) -> Forward:
        """Keep which tap of each window is its maximum; backward, tap by tap through a view of all windows."""
        spec = workload.spec.as_windowed(workload.spatial)
        windows, taps = counts(workload.spec.windows(workload.spatial))
        if spec is None or windows < taps:
            return plan_positions_training(workload, x, given)
        frame = _frame(spec, workload)
        if spec.kind is Kind.MAX:
            return _maxima(frame, x, given)
        pool, share = self._plan(workload, x), shared_out(workload, given)
        return lambda: (pool(), lambda: frame.gathered(share(), None, x))


def _maxima(frame: _Frame, x: NDArray[Any], given: NDArray[Any]) -> Forward:
    import numpy as np

    number = np.min_scalar_type(frame.tap_count)

    def forward() -> tuple[NDArray[Any], Callable[[], NDArray[Any]]]:
        windows = frame.windows(frame.padded(x))
        flat = windows.reshape(*windows.shape[: x.ndim], -1)
        chosen = flat.argmax(axis=-1, keepdims=True)
        out = np.take_along_axis(flat, chosen, axis=-1)[..., 0]
        kept = chosen[..., 0].astype(number)
        return out, lambda: frame.gathered(given, kept, x)

    return forward


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """How the windows of a spec are seen in a padded array: where it is padded, and what is picked of the view."""

    axes: Ints
    spans: Ints
    pads: list[tuple[int, int]]
    picks: tuple[slice, ...]
    taps: tuple[slice, ...]
    fill: float | int
    window: Ints

    @property
    def tap_count(self) -> int:
        return math.prod(self.window)

    @property
    def is_padded(self) -> bool:
        return any(lo or hi for lo, hi in self.pads)

    def padded(self, x: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        return np.pad(x, self.pads, constant_values=self.fill) if self.is_padded else x

    def windows(self, padded: NDArray[Any], *, writeable: bool = False) -> NDArray[Any]:
        """Return the view whose last axes are those of the window."""
        from numpy.lib.stride_tricks import sliding_window_view

        view: NDArray[Any] = sliding_window_view(padded, self.spans, axis=self.axes, writeable=writeable)
        return view[(*self.picks, *self.taps)]

    def gathered(self, given: NDArray[Any], kept: NDArray[Any] | None, like: NDArray[Any]) -> NDArray[Any]:
        """Add ``given`` to the elements of each window, or to that of tap ``kept`` alone, in an array as ``like``."""
        import numpy as np

        shape = [size + lo + hi for size, (lo, hi) in zip(like.shape, self.pads, strict=True)]
        result = np.zeros(shape, accumulator(given.dtype))
        windows = self.windows(result, writeable=True)
        for number, tap in enumerate(np.ndindex(*self.window)):
            # One tap of all windows: no two of them share an element.
            part = windows[(..., *tap)]
            if kept is None:
                part += given
            else:
                np.add(part, given, out=part, where=kept == number)
        inner = tuple(slice(lo, lo + size) for size, (lo, _) in zip(like.shape, self.pads, strict=True))
        return result[inner].astype(like.dtype, copy=self.is_padded)


def _frame(spec: PoolSpec, workload: Workload) -> _Frame:
    assert spec.window is not None and spec.stride is not None
    axes = spatial_axes(workload)
    spans = tuple(map(dilated, spec.window, spec.dilation))
    pads = [(0, 0)] * len(workload.order)
    picks: list[slice] = [slice(None)] * len(workload.order)
    for i, axis in enumerate(axes):
        lo, hi = spec.padding[i]
        # Ceil mode may reach beyond the padding; floor mode may leave some of it unread.
        reach = (workload.output_spatial[i] - 1) * spec.stride[i] + spans[i]
        pads[axis] = (lo, max(hi, reach - workload.spatial[i] - lo))
        picks[axis] = slice(0, reach - spans[i] + 1, spec.stride[i])
    return _Frame(
        axes=axes,
        spans=spans,
        pads=pads,
        picks=tuple(picks),
        taps=tuple(slice(None, None, step) for step in spec.dilation),
        fill=lowest(workload.dtype) if spec.kind is Kind.MAX else 0,
        window=spec.window,
    )
