"""Pooling of JAX's arrays: the functions of ``poolbench.strided`` for ``jax.jit``, ``jax.grad`` and ``jax.vmap``.

    from poolbench.strided import jax as pooling

    y = pooling.max_pool2d(x, 3, stride=2, padding=1, layout="NHWC")

Names and parameters are those of ``poolbench.strided``, but for ``out`` and ``threads``: JAX's arrays are not written
to, and there are as many threads as XLA has. JAX's arrays lie in C order. So channels that come last are said by
``layout="NHWC"``; a ``transpose`` before a call is a copy.

``jax.jit``, ``jax.grad``, ``jax.vjp`` and ``jax.vmap`` go through, one within the other. Gradients have no gradients of
their own, and there is no forward mode. Maxima keep one byte for each output, up to windows of 256 elements. Indices
are int64, or int32 where JAX has no 64-bit types.

It needs JAX 0.5 or newer, no compiler, and arrays in the CPU's memory. Raises ImportError with older ones. The
functions raise ValueError for sizes and shapes that do not fit each other, and TypeError for types that are not pooled.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from poolbench.strided.framework_functions import Functions
from poolbench.strided.linking import beside_module
from poolbench.strided.request import MAX, TWICE, Pooling, describe

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

_HANDLERS = ("pool", "pool_with_indices", "pool_kept", "pool_with_indices_kept", "gradient")


def _register() -> None:
    """Tell XLA where the handlers are."""
    if not hasattr(jax, "ffi"):
        raise ImportError(
            f"poolbench.strided.jax needs JAX 0.5 or newer, and this is {jax.__version__}: its interface for foreign "
            "functions begins there. poolbench.strided itself pools the arrays of older ones."
        )
    library = ctypes.CDLL(beside_module("libpoolbench_jax.so", "for JAX"))
    for name in _HANDLERS:
        handler = jax.ffi.pycapsule(getattr(library, f"poolbench_jax_{name}"))
        jax.ffi.register_ffi_target(f"poolbench_{name}", handler, platform="cpu")


_register()


def _pool(input: Any, pooling: Pooling, with_indices: bool) -> Any:
    if not hasattr(input, "dtype"):
        raise TypeError(f"input is a {type(input).__qualname__}, not an array: pass jax.numpy.asarray(input).")
    return _function(pooling, bool(with_indices))(input)


@functools.lru_cache(maxsize=1024)
def _function(pooling: Pooling, with_indices: bool) -> Callable[[Any], Any]:
    """Return the function of an array that JAX compiles and differentiates."""

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def pool(input: Any) -> Any:
        results = _called(input, pooling, with_indices, False)
        return results if with_indices else results[0]

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def keeping(input: Any) -> Any:
        return _called(input, pooling, with_indices, pooling.kind == MAX)

    def kept_and_shape(input: Any, results: Any) -> Any:
        # What comes back has the input's shape: an array without elements brings it there.
        return (results[-1] if pooling.kind == MAX else None), jnp.empty((0, *input.shape), input.dtype)

    def forward(input: Any) -> Any:
        results = keeping(input)
        return (results[:2] if with_indices else results[0]), kept_and_shape(input, results)

    def forward_keeping(input: Any) -> Any:
        results = keeping(input)
        return results, kept_and_shape(input, results)

    def backward(saved: Any, grads: Any) -> Any:
        return (gradient(grads[0] if with_indices else grads, *saved),)

    def backward_keeping(saved: Any, grads: Any) -> Any:
        return (gradient(grads[0], *saved),)

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def gradient(grad: Any, kept: Any, like: Any) -> Any:
        call = jax.ffi.ffi_call(
            "poolbench_gradient", jax.ShapeDtypeStruct(like.shape[1:], like.dtype), vmap_method="broadcast_all"
        )
        given = (grad,) if kept is None else (grad, kept)
        return call(*given, pooling=_attribute(pooling))

    def refuse(*_: Any) -> Any:
        raise RuntimeError(TWICE.format("jax.lax.reduce_window"))

    pool.defvjp(forward, backward)
    keeping.defvjp(forward_keeping, backward_keeping)
    gradient.defvjp(refuse, refuse)
    pool.__name__ = pooling.name
    return jax.jit(pool)  # type: ignore[no-any-return]


def _called(input: Any, pooling: Pooling, with_indices: bool, keeps: bool) -> tuple[Any, ...]:
    """Return the output, the indices if wanted, and what is kept for the gradient if that is."""
    shape, kept = describe(pooling, input.shape, input.dtype.name)
    if None in shape:
        raise ValueError(f"{pooling.name}: the pooled axes of {input.shape} must have sizes that are known.")
    results = [jax.ShapeDtypeStruct(shape, input.dtype)]
    if with_indices:
        wide = jax.config.jax_enable_x64
        results.append(jax.ShapeDtypeStruct(shape, jnp.int64 if wide else jnp.int32))
    if keeps:
        results.append(jax.ShapeDtypeStruct(shape, np.dtype(kept)))
    name = f"poolbench_pool{'_with_indices' * with_indices}{'_kept' * keeps}"
    call = jax.ffi.ffi_call(name, tuple(results), vmap_method="broadcast_all")
    return tuple(call(input, pooling=_attribute(pooling)))


def _attribute(pooling: Pooling) -> Any:
    return np.array(pooling.numbers, np.int64)


_functions = Functions(_pool)
max_pool1d, max_pool2d, max_pool3d = _functions.max_pool1d, _functions.max_pool2d, _functions.max_pool3d
avg_pool1d, avg_pool2d, avg_pool3d = _functions.avg_pool1d, _functions.avg_pool2d, _functions.avg_pool3d
adaptive_max_pool1d = _functions.adaptive_max_pool1d
adaptive_max_pool2d = _functions.adaptive_max_pool2d
adaptive_max_pool3d = _functions.adaptive_max_pool3d
adaptive_avg_pool1d = _functions.adaptive_avg_pool1d
adaptive_avg_pool2d = _functions.adaptive_avg_pool2d
adaptive_avg_pool3d = _functions.adaptive_avg_pool3d
