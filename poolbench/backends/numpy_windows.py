"""Sliding windows: a view that shows every window, reduced over the window's axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from poolbench.backends._numpy_common import (
    NumpyBackend,
    accumulator,
    divide,
    divisors,
    plan_positions,
    spatial_axes,
)
from poolbench.backends.geometry import lowest
from poolbench.model.pooling import Kind, dilated
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Windows(NumpyBackend):
    """``sliding_window_view(x, k)[::s].max(axis=-1)``, generalised; a padded input is copied into its padding first.

    Adaptive windows of uneven size have no such view: they are reduced one by one.
    """

    name = "numpy:windows"

    def _plan(self, workload: Workload, x: NDArray[Any]) -> Callable[[], NDArray[Any]]:
        import numpy as np
        from numpy.lib.stride_tricks import sliding_window_view

        spec = workload.spec.as_windowed(workload.spatial)
        if spec is None:
            return plan_positions(workload, x)
        assert spec.window is not None and spec.stride is not None
        axes = spatial_axes(workload)
        spans = tuple(map(dilated, spec.window, spec.dilation))
        pads = [(0, 0)] * x.ndim
        picks: list[slice] = [slice(None)] * x.ndim
        for i, axis in enumerate(axes):
            lo, hi = spec.padding[i]
            # Ceil mode may reach beyond the padding; floor mode may leave some of it unread.
            reach = (workload.output_spatial[i] - 1) * spec.stride[i] + spans[i]
            pads[axis] = (lo, max(hi, reach - workload.spatial[i] - lo))
            picks[axis] = slice(0, reach - spans[i] + 1, spec.stride[i])
        taps = [slice(None, None, step) for step in spec.dilation]
        is_padded = any(lo or hi for lo, hi in pads)
        is_max = spec.kind is Kind.MAX
        padding = lowest(workload.dtype) if is_max else 0
        divisor = None if is_max else divisors(workload)
        window_axes = tuple(range(-spec.rank, 0))

        def compute() -> NDArray[Any]:
            padded = np.pad(x, pads, constant_values=padding) if is_padded else x
            windows = sliding_window_view(padded, spans, axis=axes)[(*picks, *taps)]
            out = np.empty(windows.shape[: x.ndim], x.dtype if is_max else accumulator(x.dtype))
            if divisor is None:
                return windows.max(axis=window_axes, out=out)
            windows.sum(axis=window_axes, dtype=out.dtype, out=out)
            return divide(out, divisor, x.dtype)

        return compute
