"""What the three NumPy backends share: what they support, where windows read, and the divisor of an average.

Each backend differs in two methods, which return the timed call: ``_plan``, and ``_plan_training`` for training.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from poolbench.backends import geometry
from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.backends.training import Forward, TrainingCall
from poolbench.model.pooling import AXIS_NAMES, Kind
from poolbench.model.windows import AxisWindow, AxisWindows
from poolbench.model.workload import Workload, default_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]


class NumpyBackend:
    """The part of a NumPy backend that does not depend on how it pools.

    Takes every axis order and strided view as it lies, with asymmetric padding, dilation, ceil mode, every divisor
    rule and adaptive windows of uneven size. Maxima are computed in the input's own type; averages of float32 and
    float64 are accumulated in that type, those of float16 and bfloat16 in float32.
    """

    name: str
    framework = "numpy"

    def supports(self, workload: Workload) -> Support:
        """Refuse averages of integers."""
        if workload.spec.kind is Kind.AVG and not workload.dtype.is_float:
            return refused(
                f"Averages of integers are not implemented by this backend: {workload.dtype.value} was asked for."
            )
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return the thread counts of the libraries that NumPy may call; its own loops use one thread."""
        return {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

    def load(self, threads: int) -> None:
        """Import NumPy, and the package that gives it bfloat16."""
        import ml_dtypes  # noqa: F401  registers bfloat16
        import numpy  # noqa: F401

    def facts(self) -> Mapping[str, str]:
        """Return NumPy's version and the instruction sets that its loops may use on this processor."""
        import numpy as np

        try:
            found = np.show_config(mode="dicts").get("SIMD Extensions", {})
            simd = " ".join([*found.get("baseline", []), *found.get("found", [])])
        except TypeError:  # before 1.26 it only prints
            simd = "not told by this release"
        return {
            "numpy": np.__version__,
            "simd": simd,
            "accumulates": "in the input's type, half types in float32",
        }

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Work out what each window reads; the input is taken as it lies."""
        axes = geometry.reference_axes(workload.order, default_order(workload.spec.rank))

        def fetch(result: Array) -> Array:
            return result.transpose(axes)

        if not workload.pass_.is_training:
            return Call(workload.order, self._plan(workload, source.array), fetch)
        assert source.gradient is not None
        return TrainingCall(
            layout=workload.order,
            pass_=workload.pass_,
            forward=self._plan_training(workload, source.array, source.gradient),
            fetch=fetch,
            fetch_gradient=fetch,
        )

    def _plan(self, workload: Workload, x: Array) -> Callable[[], Array]:
        """Return the timed call: it pools ``x``, whose axes are in the workload's order, into a fresh array."""
        raise NotImplementedError

    def _plan_training(self, workload: Workload, x: Array, given: Array) -> Forward:
        """Return the forward that keeps what the gradient needs; ``given`` is the output's gradient."""
        raise NotImplementedError


def spatial_axes(workload: Workload) -> tuple[int, ...]:
    """Return where the spatial axes, outermost first, lie in the workload's order."""
    return geometry.reference_axes(workload.order, "".join(AXIS_NAMES[workload.spec.rank]))


def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that averages of ``dtype`` are summed in."""
    import numpy as np

    return np.dtype(np.float32) if dtype.itemsize < 4 else dtype


def divisors(workload: Workload) -> Array | float:
    """Return what each sum is divided by: a number where it is the same everywhere, else an array that broadcasts."""
    import numpy as np

    counts = geometry.divisors(workload.spec, workload.spatial)
    if np.all(counts == counts.flat[0]):
        return float(counts.flat[0])
    # The spatial axes stand in their own order within the workload's; batch and channels broadcast.
    axes = spatial_axes(workload)
    ordered = counts.transpose(np.argsort(axes))
    dtype = np.float64 if workload.dtype.itemsize == 8 else np.float32
    return np.expand_dims(ordered, [i for i in range(len(workload.order)) if i not in axes]).astype(dtype)


def divide(total: Array, divisor: Array | float, dtype: np.dtype[Any]) -> Array:
    """Divide ``total`` in place, and return it in ``dtype``."""
    import numpy as np

    np.divide(total, divisor, out=total)
    return total.astype(dtype, copy=False)


def plan_positions(workload: Workload, x: Array) -> Callable[[], Array]:
    """Return the call that visits the output positions one by one and reduces the slice that each window reads."""
    import numpy as np

    axes = spatial_axes(workload)
    visits = window_visits(workload)
    is_max = workload.spec.kind is Kind.MAX
    divisor = None if is_max else divisors(workload)
    dtype = x.dtype if is_max else accumulator(x.dtype)

    def compute() -> Array:
        out = np.empty(workload.output_shape, dtype)
        here: list[Any] = [slice(None)] * out.ndim
        there: list[Any] = [slice(None)] * out.ndim
        for position in itertools.product(*visits):
            for axis, (o, reads) in zip(axes, position, strict=True):
                here[axis], there[axis] = o, reads
            window = x[tuple(there)]
            if is_max:
                window.max(axis=axes, out=out[tuple(here)])
            else:
                window.sum(axis=axes, dtype=dtype, out=out[tuple(here)])
        return out if divisor is None else divide(out, divisor, x.dtype)

    return compute


def window_visits(workload: Workload) -> list[list[tuple[int, slice]]]:
    """Return, per spatial axis, each output position with the slice of the input that its window reads."""
    return [
        [(o, _window_slice(window)) for o, window in enumerate(axis)]
        for axis in workload.spec.windows(workload.spatial)
    ]


def counts(windows: Sequence[AxisWindows]) -> tuple[int, int]:
    """Return how many windows there are, and how many elements the largest of them reads."""
    return math.prod(axis.size for axis in windows), math.prod(axis.largest for axis in windows)


def _window_slice(window: AxisWindow) -> slice:
    return slice(window.first, window.first + (window.count - 1) * window.step + 1, window.step)
