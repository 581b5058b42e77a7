"""What the TensorFlow backends share: what TensorFlow can express, and how the call is written.

Rules are those of ``tf.nn`` (https://www.tensorflow.org/api_docs/python/tf/nn, "Notes on padding"), dtypes those that
its CPU kernels accepted when every combination was run. Its pooling computes in channels-last layouts only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Support, refused
from poolbench.backends.geometry import (
    contiguous,
    divides_by_inside,
    divides_by_window,
    divisors,
    exact_padding,
    is_same_padding,
    lowest,
    reference_axes,
)
from poolbench.errors import UsageError
from poolbench.model.pooling import Ints, Kind, Padding, PoolSpec
from poolbench.model.workload import DType, Workload, channels_last_order, default_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensor = Any
    Pool = Callable[[Tensor], Tensor]

_MEANS = (DType.I32, DType.I64)
"""Integers whose ``tf.reduce_mean`` is exact: narrower ones are summed in their own type and overflow."""

_VOLUMES = (DType.F32, DType.BF16)
"""What the three-dimensional kernels take on the CPU."""

_XLA_VOLUMES = {Kind.MAX: (*_VOLUMES, DType.F16), Kind.AVG: (*_VOLUMES, DType.F16, DType.F64)}
"""What XLA compiles in three dimensions."""


def supports(workload: Workload, *, xla: bool = False) -> Support:
    """Say whether TensorFlow can compute ``workload``, alone or with ``tf.pad`` before it and a factor after it."""
    spec, dtype = workload.spec, workload.dtype
    if spec.is_global and (spec.kind is Kind.MAX or dtype.is_float or dtype in _MEANS):
        return SUPPORTED
    if spec.kind is Kind.AVG and not dtype.is_float:
        return refused(f"TensorFlow's average pooling takes floating types only, not {dtype}.")
    if spec.as_windowed(workload.spatial) is None:
        return refused("TensorFlow has no adaptive pooling: its windows are alike, and these are not.")
    if spec.rank == 3 and dtype not in (_XLA_VOLUMES[spec.kind] if xla else _VOLUMES):
        return refused(f"TensorFlow's {spec.kind}_pool3d has no {dtype} on the CPU.")
    if _is_dilated(spec) and any(size != 1 for size in spec.stride or ()):
        return refused("TensorFlow dilates windows at stride 1 only.")
    return SUPPORTED


def environment(threads: int) -> dict[str, str]:
    """Return what must be set before the import: thread counts, and no spinning between parallel regions."""
    variables = {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",
        "KMP_BLOCKTIME": "0",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    if threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return variables


def load(threads: int) -> None:
    """Import TensorFlow and set its thread counts. Runs no operator: the first one starts the threads."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


@contextmanager
def scope() -> Iterator[None]:
    """Import TensorFlow into a process of someone else's; tensors are eager and on the CPU within the context.

    Thread counts are neither set nor asked for: they hold for the whole process, and cannot be changed once it has run
    an operator. Raises UsageError where eager execution is switched off.
    """
    import tensorflow as tf

    with tf.init_scope(), tf.device("/CPU:0"):
        if not tf.executing_eagerly():
            raise UsageError(
                "TensorFlow's eager execution is switched off in this process, and its subjects need it: leave "
                "tf.compat.v1.disable_eager_execution() out, or take another backend."
            )
        yield


def stop_recycling() -> None:
    """Have each tensor allocated and freed by itself, by a setting that TensorFlow reads with its first tensor.

    With oneDNN, as by default on x86, tensors otherwise lie in regions of 1 MiB and more that are never given back. The
    setting chooses the allocator alone, not the kernels.
    """
    import os

    os.environ["TF_ONEDNN_USE_SYSTEM_ALLOCATOR"] = "1"


def facts() -> dict[str, str]:
    """Return the release and the flags that change its answers or its kernels."""
    import os

    import tensorflow as tf

    return {
        "tensorflow": tf.__version__,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        "threads": str(tf.config.threading.get_intra_op_parallelism_threads()),
    }


def as_tensor(array: NDArray[Any], order: str) -> Tensor:
    """Return a tensor with a copy of ``array``, whose axes are in ``order``, in the channels-last layout."""
    import tensorflow as tf

    return tf.constant(contiguous(array, order, channels_last_order(array.ndim - 2)))


def to_array(tensor: Tensor, order: str) -> NDArray[Any]:
    """Return ``tensor``, whose axes are in ``order``, as an array (batch, channels, *spatial)."""
    return contiguous(tensor.numpy(), order, default_order(len(order) - 2))


def reordered(pool: Pool, order: str) -> Pool:
    """Return ``pool`` on tensors whose axes are in ``order``, input and output alike, transposing where needed."""
    import tensorflow as tf

    native = channels_last_order(len(order) - 2)
    if order == native:
        return pool
    there, back = reference_axes(order, native), reference_axes(native, order)
    return lambda x: tf.transpose(pool(tf.transpose(x, there)), back)


def pooling(workload: Workload, *, xla: bool = False) -> Pool:
    """Return the user's call for ``workload``: from a channels-last tensor to one. ``supports`` must hold."""
    import tensorflow as tf

    spec = workload.spec
    if spec.is_global:
        axes = tuple(range(1, spec.rank + 1))
        reduce = tf.reduce_max if spec.kind is Kind.MAX else tf.reduce_mean
        return lambda x: reduce(x, axes, keepdims=True)
    windowed = spec.as_windowed(workload.spatial)
    assert windowed is not None
    if windowed.kind is Kind.MAX:
        return _maximum(windowed, workload, explicit=not xla)
    return _average(windowed, workload)


def with_indices(workload: Workload) -> Pool | None:
    """Return the call that gives TensorFlow's indices, ``(h * W + w) * C + c``; None where it has none.

    ``tf.nn.max_pool_with_argmax`` knows two dimensions, no dilation and no padding of its user's.
    """
    import tensorflow as tf

    spec = workload.spec.as_windowed(workload.spatial)
    if spec is None or spec.kind is not Kind.MAX or spec.rank != 2 or _is_dilated(spec):
        return None
    rule = _padding_rule(spec, workload.spatial)
    if rule is None:
        return None
    return lambda x: tf.nn.max_pool_with_argmax(x, spec.window, spec.stride, rule, output_dtype=tf.int64)[1]


def indices_array(tensor: Tensor) -> NDArray[np.int64]:
    """Return TensorFlow's indices as an array (batch, channels, *spatial)."""
    return to_array(tensor, channels_last_order(2))


def _is_dilated(spec: PoolSpec) -> bool:
    return any(size != 1 for size in spec.dilation)


def _padding_rule(spec: PoolSpec, spatial: Ints) -> str | None:
    """Return the name that TensorFlow has for the padding, or None where it has none."""
    if not any(lo or hi for lo, hi in exact_padding(spec, spatial)):
        return "VALID"
    return "SAME" if is_same_padding(spec, spatial) else None


def _pool(spec: PoolSpec) -> Callable[[Tensor, Any], Tensor]:
    """Return TensorFlow's pooling with the windows of ``spec`` as a function of a tensor and a padding."""
    import tensorflow as tf

    if _is_dilated(spec):
        arguments = {"window_shape": spec.window, "pooling_type": spec.kind.upper(), "dilations": spec.dilation}
        return lambda x, padding: tf.nn.pool(x, padding=padding, **arguments)
    call = getattr(tf.nn, f"{spec.kind}_pool{spec.rank}d")
    return lambda x, padding: call(x, spec.window, spec.stride, padding)


def _maximum(spec: PoolSpec, workload: Workload, *, explicit: bool) -> Pool:
    """Return the call for a maximum; ``explicit`` says whether the padding may be given to the operator itself."""
    import tensorflow as tf

    pool = _pool(spec)
    rule = _padding_rule(spec, workload.spatial)
    # Dilated windows are computed on a rearranged input, where SAME would pad with zeros.
    if rule is not None and not (rule == "SAME" and _is_dilated(spec)):
        return lambda x: pool(x, rule)
    padding = exact_padding(spec, workload.spatial)
    sides = _sides(padding)
    assert spec.window is not None
    within = all(max(pair) < k for pair, k in zip(padding, spec.window, strict=True))
    if explicit and spec.rank == 2 and not _is_dilated(spec) and within:
        return lambda x: pool(x, sides)
    value = lowest(workload.dtype)
    return lambda x: pool(tf.pad(x, sides, constant_values=tf.constant(value, x.dtype)), "VALID")


def _average(spec: PoolSpec, workload: Workload) -> Pool:
    """Return the call for an average: TensorFlow divides by what lies inside the input, everything else is composed."""
    import tensorflow as tf

    pool = _pool(spec)
    spatial = workload.spatial
    rule = _padding_rule(spec, spatial)
    if rule == "SAME" and not _is_dilated(spec) and divides_by_inside(spec, spatial):
        return lambda x: pool(x, "SAME")
    sides = _sides(exact_padding(spec, spatial))

    def padded(x: Tensor) -> Tensor:
        return pool(x if rule == "VALID" else tf.pad(x, sides), "VALID")

    if divides_by_window(spec, spatial):
        return padded
    assert spec.window is not None
    ratio = math.prod(spec.window) / divisors(spec, spatial)
    factor = tf.constant(ratio[None, ..., None], getattr(tf, workload.dtype.numpy_name))
    return lambda x: padded(x) * factor


def _sides(padding: Padding) -> Sequence[tuple[int, int]]:
    """Return ``padding`` for all axes of a channels-last tensor."""
    return [(0, 0), *padding, (0, 0)]
