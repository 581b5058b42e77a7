"""poolbench's own kernel, ``poolbench.strided``: the plain call, the call with ``out=``, and each instruction set.

The functions take every axis order and view as it lies. Under ``LayoutPolicy.BEST`` a contiguous input is brought into
the order that the kernel likes best (``strided_layout``) before the timed call; under GIVEN nothing is converted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.backends.geometry import contiguous, in_order, reference_axes
from poolbench.backends.indexed import IndexedCall
from poolbench.backends.strided_call import kernels_of, user_call
from poolbench.backends.strided_layout import preferred_order
from poolbench.backends.training import TrainingCall
from poolbench.errors import UsageError
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Ints, Kind
from poolbench.model.workload import Workload, channels_last_order, default_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from poolbench.backends.strided_call import Pool

    Array = NDArray[Any]
    Compute = Callable[[], Array]
    Destinations = Callable[[], tuple[Array, Array]]
    """Gives the array that a call is to return, and the one to pass as ``out``: the same, or a view of it."""


class Strided:
    """A function of ``poolbench.strided`` as its user calls it; the function allocates the output.

    Orders that are neither NC… nor N…C are passed as a transposed view, with an output that lies in the same order.
    """

    name = "strided"
    framework = ""
    isa = ""
    """The instruction set that the subject is bound to; "" for the one that the kernel chooses."""

    def supports(self, workload: Workload) -> Support:
        """Refuse averages of integers, and everything where the processor lacks what is bound."""
        if self._is_missing():
            return refused(f"This processor, or this build of poolbench, has no {self.isa} kernels.")
        if workload.pass_.is_training and find_spec("poolbench.strided.training") is None:
            return refused("This build of poolbench has no strided kernels that keep what a gradient needs.")
        if workload.spec.kind is Kind.AVG and not workload.dtype.is_float:
            return refused(f"The strided kernel averages floating types only, not {workload.dtype}.")
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return the instruction set that is bound. The thread count belongs to each call."""
        return {"POOLBENCH_ISA": self.isa} if self.isa else {}

    def load(self, threads: int) -> None:
        """Load the kernel, which starts no thread yet. Raises UsageError where it runs on another instruction set."""
        import ml_dtypes  # noqa: F401  registers bfloat16, which the kernel would import in its first call otherwise

        if self._is_missing():
            return
        chosen = _chosen_isa()
        if self.isa not in ("", chosen):
            raise UsageError(
                f"The subject '{self.name}' runs on {self.isa}, and this process on {chosen}: set POOLBENCH_ISA="
                f"{self.isa} before Python starts, as 'poolbench compare' does for its workers."
            )

    def facts(self) -> Mapping[str, str]:
        """Return the release, the instruction set in use, and how many kernels this processor can execute."""
        from poolbench import strided

        return {
            "poolbench": metadata.version("poolbench"),
            "isa": f"no {self.isa} here" if self._is_missing() else _chosen_isa(),
            "variants": str(len(strided.variants())),
        }

    def stop_recycling(self) -> None:
        """Give back the freed outputs that the kernel keeps (docs/decisions/0005-outputs.md)."""
        from poolbench.strided import _pool as compiled

        compiled.clear_outputs()

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Choose the function and its arguments; the input stays where it is, or is converted here, untimed."""
        self.stop_recycling()  # a kept output would lie where the last ones lay, however often buffers move
        workload, source = _in_best_order(workload, source)
        rank, array = workload.spec.rank, source.array
        natural = default_order(rank)
        to_natural = reference_axes(workload.order, natural)
        if workload.order == channels_last_order(rank):
            x, layout, back = array, "NHWC", to_natural
        else:
            x, layout, back = array.transpose(to_natural), "NCHW", tuple(range(rank + 2))
        if workload.pass_.is_training:
            return self._prepare_training(workload, source, x, layout)
        pool = user_call(workload, x, source.threads, layout)
        if workload.order in (natural, channels_last_order(rank)):
            compute = self._compute(pool)
        else:
            compute = self._compute_beside(pool, workload.output_shape, array.dtype, to_natural)

        def fetch(result: Array) -> Array:
            return result.transpose(to_natural)

        kernels = kernels_of(workload, x, source.threads, layout)
        if workload.spec.kind is not Kind.MAX:
            return Call(workload.order, compute, fetch, kernels=kernels)
        located = user_call(workload, x, source.threads, layout, return_indices=True)

        def locate() -> NDArray[np.int64]:
            indices: NDArray[np.int64] = located()[1].transpose(back)
            return indices

        return IndexedCall(workload.order, compute, fetch, locate, kernels=kernels)

    def _prepare_training(self, workload: Workload, source: Source, x: Array, layout: str) -> Prepared:
        """Prepare a training pass on ``x``, whose axes are in the order that ``layout`` says."""
        from poolbench.strided import training

        assert source.gradient is not None
        to_natural = reference_axes(workload.order, default_order(workload.spec.rank))
        is_known = workload.order in (default_order(workload.spec.rank), channels_last_order(workload.spec.rank))
        given = source.gradient if is_known else source.gradient.transpose(to_natural)
        outputs = self._destinations(workload.output_shape, x.dtype, to_natural, is_known=is_known)
        gradients = self._destinations(workload.input_shape, x.dtype, to_natural, is_known=is_known)
        pool, threads = user_call(workload, x, source.threads, layout, functions=training), source.threads

        if outputs is None or gradients is None:

            def forward() -> tuple[Array, Callable[[], Array]]:
                made, pullback = pool()
                return made, partial(pullback, given, threads=threads)
        else:

            def forward() -> tuple[Array, Callable[[], Array]]:
                result, view = outputs()
                pullback = pool(view)[1]

                def pull_back() -> Array:
                    gradient, seen = gradients()
                    pullback(given, out=seen, threads=threads)
                    return gradient

                return result, pull_back

        def fetch(result: Array) -> Array:
            return result.transpose(to_natural)

        return TrainingCall(
            layout=workload.order,
            pass_=workload.pass_,
            forward=forward,
            fetch=fetch,
            fetch_gradient=fetch,
            kernels=kernels_of(workload, x, threads, layout, gradient=given),
        )

    def _destinations(
        self, shape: Ints, dtype: np.dtype[Any], to_natural: Ints, *, is_known: bool
    ) -> Destinations | None:
        """Return what gives each call its array of ``shape``, and how the functions see it; None where they allocate.

        They do so in the orders that they know (``is_known``).
        """
        import numpy as np

        if is_known:
            return None

        def fresh() -> tuple[Array, Array]:
            result = np.empty(shape, dtype)
            return result, result.transpose(to_natural)

        return fresh

    def _compute(self, pool: Pool) -> Compute:
        """Return the timed call where the function knows the workload's order."""
        return pool

    def _compute_beside(self, pool: Pool, shape: Ints, dtype: np.dtype[Any], to_natural: Ints) -> Compute:
        """Return the timed call that writes to an array of ``shape``, seen by the function as (N, C, *spatial)."""
        import numpy as np

        def compute() -> Array:
            result = np.empty(shape, dtype)
            pool(result.transpose(to_natural))
            return result

        return compute

    def _is_missing(self) -> bool:
        """Whether this processor cannot execute what the subject is bound to."""
        return bool(self.isa) and self.isa not in _instruction_sets()


class Out(Strided):
    """The same call with ``out=``: every call writes to the array that the first one returned."""

    name = "strided:out"

    def _compute(self, pool: Pool) -> Compute:
        """Make the output by one plain call, and emptied, so that a call which writes nothing is found out."""
        result = pool()
        result.fill(0)
        return partial(pool, result)

    def _compute_beside(self, pool: Pool, shape: Ints, dtype: np.dtype[Any], to_natural: Ints) -> Compute:
        import numpy as np

        result = np.zeros(shape, dtype)
        view = result.transpose(to_natural)

        def compute() -> Array:
            pool(view)
            return result

        return compute

    def _destinations(self, shape: Ints, dtype: np.dtype[Any], to_natural: Ints, *, is_known: bool) -> Destinations:
        import numpy as np

        result = np.zeros(shape, dtype)
        pair = result, result if is_known else result.transpose(to_natural)
        return lambda: pair


class Baseline(Strided):
    """On what every processor has: SSE2 on x86-64, and no vectors on ARM."""

    name = "strided:baseline"
    isa = "baseline"


class Avx2(Strided):
    """On AVX2 with FMA."""

    name = "strided:avx2"
    isa = "avx2"


class Avx512(Strided):
    """On AVX-512 (F, BW, DQ, VL)."""

    name = "strided:avx512"
    isa = "avx512"


class Neon(Strided):
    """On ARM's NEON."""

    name = "strided:neon"
    isa = "neon"


def _in_best_order(workload: Workload, source: Source) -> tuple[Workload, Source]:
    """Return what to compute under the layout policy: the same, or the same with its axes in the preferred order.

    Views are what their workload is about, and are read as they lie.
    """
    order, known = workload.order, (default_order(workload.spec.rank), channels_last_order(workload.spec.rank))
    best = preferred_order(workload, _chosen_isa())
    is_fixed = source.layout is LayoutPolicy.GIVEN or not workload.view.is_contiguous
    if is_fixed or order not in known or order == best:
        return workload, source
    gradient = source.gradient
    if gradient is not None:
        gradient = in_order(gradient, order, best, workload.gradient_view)
    return replace(workload, order=best), replace(
        source, array=contiguous(source.array, order, best), gradient=gradient
    )


@cache
def _instruction_sets() -> frozenset[str]:
    """Return the instruction sets that this processor and this build have kernels for."""
    from poolbench import strided

    return frozenset(name.partition("/")[0] for name in strided.variants())


def _chosen_isa() -> str:
    """Return the instruction set in use. Raises ValueError where POOLBENCH_ISA names one that is not here."""
    from poolbench.strided import _pool as compiled

    return compiled.isa()
