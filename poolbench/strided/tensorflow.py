"""Pooling of TensorFlow's tensors: the functions of ``poolbench.strided`` with gradients, in ``tf.function`` too.

    from poolbench.strided import tensorflow as pooling

    y = pooling.max_pool2d(x, 3, stride=2, padding=1, layout="NHWC")

Names, parameters and defaults are those of ``poolbench.strided``, but for ``out`` and ``threads``: tensors are not
written to, and there are as many threads as ``tf.config.threading.get_intra_op_parallelism_threads()`` says. The
default is channels first, as it is there; TensorFlow's own order is ``layout="NHWC"``.

A call is an operator of TensorFlow, ``PoolbenchPool``, which XLA (``jit_compile=True``) does not compile. A gradient
pools maxima again, as TensorFlow's own does, and has no gradient of its own. Sizes that are not known while a graph is
built stay unknown.

It was tried with TensorFlow 2.21, needs no compiler, and takes tensors in the CPU's memory. Raises ImportError where
TensorFlow lacks what the operators need. The functions raise ValueError for sizes and shapes that do not fit each
other, and TypeError for types that are not pooled. What a graph finds out when it runs is
``tf.errors.InvalidArgumentError``.
"""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf

from poolbench.strided.framework_functions import Functions
from poolbench.strided.linking import beside_module
from poolbench.strided.request import TWICE, Pooling, describe

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


def _load() -> Any:
    """Load the operators and return TensorFlow's functions for them."""
    loaded = tf.load_op_library(beside_module("libpoolbench_tensorflow.so", "for TensorFlow"))
    if not hasattr(loaded, "poolbench_gradient"):
        raise ImportError(
            f"poolbench's operators do not go with TensorFlow {tf.__version__}, which lacks something of its interface "
            "for kernels in C: install a newer release."
        )
    return loaded


_OPERATORS = _load()


@functools.cache
def _threads() -> int:
    """Return how many threads TensorFlow lets an operator take, 0 for as many as there are processors."""
    return int(tf.config.threading.get_intra_op_parallelism_threads())


def _pool(input: Any, pooling: Pooling, with_indices: bool) -> Any:
    if not isinstance(input, tf.Tensor):
        input = tf.convert_to_tensor(input)
    shape = input.shape
    sizes = None
    if shape.rank is not None:
        sizes = describe(pooling, tuple(shape), input.dtype.name)[0]
    given = {"pooling": pooling.numbers, "threads": _threads()}
    if with_indices:
        results = _OPERATORS.poolbench_pool_with_indices(input, **given)
        return tuple(_sized(result, sizes) for result in results)
    return _sized(_OPERATORS.poolbench_pool(input, **given), sizes)


def _sized(result: Any, sizes: Any) -> Any:
    """Return ``result``, whose shape a graph does not know yet."""
    if sizes is not None and not tf.executing_eagerly():
        result.set_shape(sizes)
    return result


@tf.RegisterGradient("PoolbenchPool")  # type: ignore[untyped-decorator]
def _gradient(operation: Any, grad: Any, *of_indices: Any) -> Any:
    input = operation.inputs[0]
    given = {name: operation.get_attr(name) for name in ("pooling", "threads")}
    result = _OPERATORS.poolbench_gradient(grad, input, **given)
    return _sized(result, input.shape)


tf.RegisterGradient("PoolbenchPoolWithIndices")(_gradient)


@tf.RegisterGradient("PoolbenchGradient")  # type: ignore[untyped-decorator]
def _refuse(operation: Any, grad: Any) -> Any:
    raise RuntimeError(TWICE.format("tf.nn.pool"))


_functions = Functions(_pool)
max_pool1d, max_pool2d, max_pool3d = _functions.max_pool1d, _functions.max_pool2d, _functions.max_pool3d
avg_pool1d, avg_pool2d, avg_pool3d = _functions.avg_pool1d, _functions.avg_pool2d, _functions.avg_pool3d
adaptive_max_pool1d = _functions.adaptive_max_pool1d
adaptive_max_pool2d = _functions.adaptive_max_pool2d
adaptive_max_pool3d = _functions.adaptive_max_pool3d
adaptive_avg_pool1d = _functions.adaptive_avg_pool1d
adaptive_avg_pool2d = _functions.adaptive_avg_pool2d
adaptive_avg_pool3d = _functions.adaptive_avg_pool3d
