"""Applies the backends of one framework in a process that uses the framework itself, and tells what went wrong.

    python -m tests.unit.api.applying RESULT FRAMEWORK (fresh | used)

writes a JSON list of sentences to the file RESULT (not stdout: frameworks print to it). In a fresh process nobody
imported the framework before; in a used one it was imported, set and called.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

import poolbench
from poolbench.backends import registry
from poolbench.errors import UsageError
from poolbench.model.pooling import PoolSpec
from poolbench.model.workload import DType
from poolbench.verify import reference
from poolbench.verify.fill import numpy_dtype

SPECS = (PoolSpec.windowed("max", (2, 2)), PoolSpec.windowed("avg", (1, 2)))
COMPILED = ("torch:compile", "tensorflow:graph", "tensorflow:xla")
"""Backends that take their time for each call: they get the types that a process could narrow, and one other."""

MODULES = {"litert": "ai_edge_litert", "mnn": "MNN"}
"""Modules of frameworks that have another name."""


def values(dtype: DType) -> NDArray[Any]:
    """Return values that a narrower type does not hold, and whose averages of two are exact in ``dtype``."""
    whole = np.random.default_rng(0).integers(0, 40, (2, 3, 5, 6))
    if dtype is DType.I64:
        return whole + 2**40 + 3
    if dtype is DType.F64:
        return whole + 2.0**-40
    return whole.astype(numpy_dtype(dtype))


def wrong_answers(framework: str) -> Iterator[str]:
    """Yield a sentence for each backend, spec, dtype and byte order whose answer is neither right nor a refusal."""
    for name in registry.names():
        if name.partition(":")[0] != framework:
            continue
        for dtype in (DType.F64, DType.F32, DType.I64) if name in COMPILED else DType:
            x = values(dtype)
            for spec in SPECS:
                expected = reference.pool(spec, x).astype(x.dtype)
                for order in ("little", "big"):
                    given = x if order == sys.byteorder else x.astype(x.dtype.newbyteorder())
                    where = f"{name}, {spec.kind} of {order}-endian {dtype}"
                    try:
                        y = poolbench.apply(spec, given, name)
                    except UsageError:
                        continue
                    if y.dtype != x.dtype or not y.dtype.isnative or not np.array_equal(y, expected):
                        yield f"{where}: {y.dtype} {y.ravel()[:3]}, not {expected.ravel()[:3]}."
                    if not (y.flags.owndata and y.flags.writeable and y.flags.c_contiguous):
                        yield f"{where}: the result is not an array of its own."


def use(framework: str) -> None:
    """Use the framework as a caller might, with settings under which a backend could go wrong."""
    if framework == "torch":
        import torch

        torch.set_num_threads(3)
        torch.autocast("cpu", dtype=torch.bfloat16).__enter__()
    elif framework == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(2)
        tf.reduce_sum(tf.ones(3))  # from here on the threads cannot be changed
    elif framework == "jax":
        import jax

        for name in ("jax_debug_nans", "jax_debug_infs"):
            jax.config.update(name, True)
        jax.config.update("jax_numpy_dtype_promotion", "strict")


def settings(framework: str) -> dict[str, Any]:
    """Return what the process of the caller is set to."""
    found: dict[str, Any] = {}
    if framework == "torch":
        import torch
        import torch._inductor.config

        found["threads"] = torch.get_num_threads(), torch.get_num_interop_threads()
        found["modes"] = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
        found["random numbers of torch"] = torch.get_rng_state().tolist()
        found["onednn"] = torch.backends.mkldnn.enabled
        found["compile threads"] = torch._inductor.config.compile_threads
    elif framework == "tensorflow":
        import tensorflow as tf

        threading = tf.config.threading
        found["threads"] = (
            threading.get_intra_op_parallelism_threads(),
            threading.get_inter_op_parallelism_threads(),
        )
        found["eager"] = tf.executing_eagerly(), tf.config.functions_run_eagerly()
    elif framework == "jax":
        import jax

        found["config"] = {name: str(value) for name, value in jax.config.values.items()}
        found["type of a float"] = str(jax.numpy.ones(1, float).dtype)
    found |= {
        "environment": dict(os.environ),  # read last: what is imported above sets some
        "random numbers": [str(random.getstate()), str(np.random.get_state())],
        "floating-point errors": np.geterr(),
        "subnormal numbers": bool(np.float32(1e-42) * np.float32(1) != 0),
    }
    return found


def tensors(framework: str) -> dict[str, Any]:
    """Return the framework's own arrays of 1 to 16, of shape (1, 1, 4, 4)."""
    ramp = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
    if framework == "torch":
        import torch

        ours = torch.from_numpy(ramp)
        return {"a tensor": ours, "bfloat16": ours.bfloat16(), "a view": ours.repeat(1, 1, 1, 2)[..., :4]}
    if framework == "tensorflow":
        import tensorflow as tf

        return {"a tensor": tf.constant(ramp), "bfloat16": tf.cast(ramp, tf.bfloat16)}
    if framework == "jax":
        import jax.numpy as jnp

        return {"an array": jnp.asarray(ramp), "bfloat16": jnp.asarray(ramp.astype(ml_dtypes.bfloat16))}
    return {}


def changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each setting that differs."""
    for name, value in before.items():
        if after[name] != value:
            yield f"{name} changed from {value} to {after[name]}."


def problems_when_fresh(framework: str) -> list[str]:
    """Return what importing ``framework`` for a call leaves behind."""
    before = settings("")
    assert MODULES.get(framework, framework) not in sys.modules
    poolbench.apply(SPECS[0], values(DType.F32), first_of(framework))
    assert MODULES.get(framework, framework) in sys.modules or "libdnnl.so" in Path("/proc/self/maps").read_text(
        encoding="utf-8"
    )
    return list(changes(before, settings("")))


def problems_when_used(framework: str) -> list[str]:
    """Return what is wrong with the backends of ``framework`` in a process that uses it as well."""
    use(framework)
    before = settings(framework)
    found = list(wrong_answers(framework))
    for what, tensor in tensors(framework).items():
        for name in ("numpy", first_of(framework)):
            y = poolbench.apply(SPECS[0], tensor, name)
            if y.tolist() != [[[[6, 8], [14, 16]]]]:
                found.append(f"{name} pools {what} to {y.tolist()}.")
    return [*found, *changes(before, settings(framework))]


def first_of(framework: str) -> str:
    """Return the first of the backends of ``framework``."""
    return next(name for name in registry.names() if name.partition(":")[0] == framework)


if __name__ == "__main__":
    tell = {"fresh": problems_when_fresh, "used": problems_when_used}[sys.argv[3]]
    Path(sys.argv[1]).write_text(json.dumps(tell(sys.argv[2])), encoding="utf-8")
