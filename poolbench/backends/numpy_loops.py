"""The textbook loops: for each output position, reduce the window, vectorised over batch and channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from poolbench.backends._numpy_common import NumpyBackend, plan_positions
from poolbench.backends._numpy_training import plan_positions_training
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poolbench.backends.training import Forward


class Loops(NumpyBackend):
    """``x[:, :, i*s:i*s+k, j*s:j*s+k].max(axis=(2, 3))`` for each ``i`` and ``j``."""

    name = "numpy:loops"

    def _plan(self, workload: Workload, x: NDArray[Any]) -> Callable[[], NDArray[Any]]:
        return plan_positions(workload, x)

    def _plan_training(self, workload: Workload, x: NDArray[Any], given: NDArray[Any]) -> Forward:
        return plan_positions_training(workload, x, given)
