"""JAX: ``lax.reduce_window`` under ``jax.jit``, as the pooling layers of its neural network libraries write it.

Rules are those of ``jax.lax.reduce_window`` (https://docs.jax.dev/en/latest/_autosummary/jax.lax.reduce_window.html).
Padding and dilation are the caller's per axis, and every axis order is as good as another, so nothing is composed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.backends.geometry import (
    buffer_of,
    contiguous,
    divides_by_window,
    divisors,
    exact_padding,
    in_order,
    lowest,
)
from poolbench.backends.training import TrainingCall
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import AXIS_NAMES, Kind, PoolSpec
from poolbench.model.workload import DType, View, ViewKind, Workload, channels_last_order, default_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = Any
    Pool = Callable[[Array], Array]

_HALVES = (DType.F16, DType.BF16)


class Jit:
    """One jitted function, waited for. Under BEST channels come last, the order of JAX's network libraries."""

    name = "jax"
    framework = "jax"

    def supports(self, workload: Workload) -> Support:
        """Say whether windows that are alike, in a type that JAX averages, are all that ``workload`` needs."""
        spec = workload.spec
        if spec.kind is Kind.AVG and not workload.dtype.is_float:
            return refused(f"JAX's mean of {workload.dtype} is a float, so it averages floating types only.")
        if spec.as_windowed(workload.spatial) is None:
            return refused("JAX has no adaptive pooling: its windows are alike, and these are not.")
        if workload.pass_.is_training and spec.kind is Kind.MAX and max(spec.dilation) > 1:
            return refused("JAX has no gradient of a maximum over dilated windows.")
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return what must be set before the import.

        The client takes its number of threads from NPROC; without the flag XLA cuts a loop into parts for each core
        all the same. Its threads sleep between calls.
        """
        variables = {
            "NPROC": str(threads),
            "OMP_NUM_THREADS": str(threads),
            "JAX_PLATFORMS": "cpu",
            "JAX_ENABLE_X64": "1",  # without it every float64 and int64 is narrowed
        }
        if threads == 1:
            variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        return variables

    def load(self, threads: int) -> None:
        """Import jax. The first operation starts its threads, after the fork."""
        import jax
        import jax.numpy  # noqa: F401

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Import jax, and compute on the CPU in the array's own type, whatever this process set for itself.

        Without 64-bit types every float64 and int64 is narrowed; checks for NaN raise for values that pooling takes.
        """
        import jax

        home = jax if hasattr(jax, "enable_x64") else import_module("jax.experimental")  # before 0.8
        with ExitStack() as settings:
            settings.enter_context(home.enable_x64(True))
            settings.enter_context(jax.default_device(jax.local_devices(backend="cpu")[0]))
            settings.enter_context(jax.numpy_dtype_promotion("standard"))
            settings.enter_context(jax.numpy_rank_promotion("allow"))
            settings.enter_context(jax.transfer_guard("allow"))
            settings.enter_context(jax.debug_nans(False))
            settings.enter_context(jax.debug_infs(False))
            yield

    def facts(self) -> Mapping[str, str]:
        """Return the releases and the flags. No question to a device: that would start the threads."""
        import os

        import jax
        import jaxlib

        return {
            "jax": jax.__version__,
            "jaxlib": jaxlib.__version__,
            "device": "cpu",
            "threads": os.environ.get("NPROC", "default"),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
        }

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Put the array on JAX's device and compile; under GIVEN the timed call takes the caller's array there."""
        import jax

        given = source.layout is LayoutPolicy.GIVEN
        order = workload.order if given else self.best_order(workload)
        pooling = self.pooling(workload, order)
        if workload.pass_.is_training:
            return _prepared_training(workload, source, order, pooling)
        pool, ready = jax.jit(pooling), jax.block_until_ready
        x = source.array if given else _on_device(contiguous(source.array, workload.order, order))
        ready(pool(x))  # compiles
        return Call(order, lambda: ready(pool(x)), _fetching(order))

    def best_order(self, workload: Workload) -> str:
        """Return the order of the axes that is timed under BEST."""
        return channels_last_order(workload.spec.rank)

    def pooling(self, workload: Workload, order: str) -> Pool:
        """Return the user's function of an array whose axes are in ``order``."""
        return _pooling(workload, order)


def _prepared_training(workload: Workload, source: Source, order: str, pool: Pool) -> Prepared:
    """Return the call with ``jax.vjp`` in one jitted function, or in one for the forward and one for its pullback.

    An array has no strides, so a gradient that is a view of something larger is an array of that something, and the
    jitted function takes the view. Under GIVEN the timed call takes the caller's arrays, whatever their strides.
    """
    import jax

    assert source.gradient is not None
    ready, fetch = jax.block_until_ready, _fetching(order)
    if source.layout is LayoutPolicy.GIVEN:
        x, g, view = source.array, source.gradient, None
    else:
        x = _on_device(contiguous(source.array, workload.order, order))
        view = workload.gradient_view
        g = _on_device(buffer_of(in_order(source.gradient, workload.order, order, view), order, view))

    def keep(values: Array) -> tuple[Array, Pool]:
        result: tuple[Array, Pool] = jax.vjp(pool, values)
        return result

    def pull(pullback: Pool, buffer: Array) -> Array:
        return pullback(_taken(buffer, view, order, workload.channels))[0]

    def both(values: Array, buffer: Array) -> tuple[Array, Array]:
        y, pullback = keep(values)
        return y, pull(pullback, buffer)

    kept, pulled, whole = jax.jit(keep), jax.jit(pull), jax.jit(both)

    def forward() -> tuple[Array, Callable[[], Array]]:
        y, pullback = ready(kept(x))
        return y, lambda: ready(pulled(pullback, g))

    call = TrainingCall(
        layout=order,
        pass_=workload.pass_,
        forward=forward,
        step=lambda: ready(whole(x, g)),
        fetch=fetch,
        fetch_gradient=fetch,
    )
    call.run()  # compiles
    return call


def _pooling(workload: Workload, order: str) -> Pool:
    """Return the user's function of an array whose axes are in ``order``. ``supports`` must hold."""
    import jax.numpy as jnp
    import numpy as np
    from jax import lax

    spec = workload.spec.as_windowed(workload.spatial)
    assert spec is not None and spec.window is not None and spec.stride is not None
    axes = [order.index(axis) for axis in AXIS_NAMES[spec.rank]]
    if workload.spec.is_global:
        reduce = jnp.max if spec.kind is Kind.MAX else jnp.mean
        return lambda x: reduce(x, axis=tuple(axes), keepdims=True)

    def placed(values: Any, other: Any) -> tuple[Any, ...]:
        """Return ``values``, one for each spatial axis, where these lie in ``order``, and ``other`` elsewhere."""
        return tuple(dict(zip(axes, values, strict=True)).get(i, other) for i in range(len(order)))

    windows = {
        "window_dimensions": placed(spec.window, 1),
        "window_strides": placed(spec.stride, 1),
        "padding": placed(exact_padding(spec, workload.spatial), (0, 0)),
        "window_dilation": placed(spec.dilation, 1),
    }
    dtype = getattr(jnp, workload.dtype.numpy_name)
    if spec.kind is Kind.MAX:
        least = np.asarray(lowest(workload.dtype), dtype)
        return lambda x: lax.reduce_window(x, least, lax.max, **windows)
    # Half types are summed in float32, as jnp.mean does: their own rounds each partial sum.
    wide = jnp.float32 if workload.dtype in _HALVES else dtype
    zero, divisor = np.zeros((), wide), _divisor(spec, workload, order).astype(wide)
    return lambda x: (lax.reduce_window(x.astype(wide), zero, lax.add, **windows) / divisor).astype(dtype)


def _divisor(spec: PoolSpec, workload: Workload, order: str) -> NDArray[Any]:
    """Return what the sums are divided by: a number, or an array to be broadcast against the output in ``order``."""
    import numpy as np

    counts = divisors(spec, workload.spatial)
    if spec.divisor is not None or divides_by_window(spec, workload.spatial):
        return np.asarray(counts.flat[0])
    natural = default_order(spec.rank)
    return contiguous(counts[None, None], natural, order)


def _taken(buffer: Array, view: View | None, order: str, channels: int) -> Array:
    """Return the ``view`` of ``buffer``, an array within a jitted function whose axes are in ``order``."""
    match view.kind if view else ViewKind.CONTIGUOUS:
        case ViewKind.CONTIGUOUS:
            return buffer
        case ViewKind.TRANSPOSED:
            return buffer.swapaxes(-1, -2)
        case ViewKind.REVERSED:
            return buffer[..., ::-1]
        case ViewKind.CHANNEL_SLICE:
            return buffer[(*[slice(None)] * order.index("c"), slice(channels))]


def _on_device(array: NDArray[Any]) -> Array:
    """Return a JAX array with a copy of ``array``."""
    import jax.numpy as jnp

    return jnp.array(array)


def _fetching(order: str) -> Callable[[Array], NDArray[Any]]:
    """Return what makes an array (batch, channels, *spatial) of a JAX array whose axes are in ``order``."""
    import numpy as np

    return lambda result: contiguous(np.asarray(result), order, default_order(len(order) - 2))
