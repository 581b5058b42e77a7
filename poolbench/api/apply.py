"""``poolbench.apply``; ``poolbench/__init__.py`` documents it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.backends import registry
from poolbench.backends.base import Source
from poolbench.errors import InvalidSpecError, UsageError
from poolbench.model.ids import parse_id
from poolbench.model.pooling import PoolSpec
from poolbench.model.workload import DType, Workload


def apply(spec: PoolSpec | Workload | str, x: NDArray[Any], backend: str) -> NDArray[Any]:
    """Pool ``x`` with one backend, in this process."""
    workload = _workload_for(spec, x)
    if workload.pass_.is_training:
        raise UsageError(
            f"apply pools forward alone, and {workload.id} is a training pass: leave its ending from .train on out."
        )
    if x.shape != workload.input_shape or x.dtype.name != workload.dtype.numpy_name:
        raise InvalidSpecError(
            f"The array is {x.dtype.name} of shape {x.shape}; the workload {workload.id} takes "
            f"{workload.dtype.numpy_name} of shape {workload.input_shape}."
        )
    chosen = registry.create(backend)
    registry.require(chosen)
    support = chosen.supports(workload)
    if not support.ok:
        raise UsageError(f"The backend '{backend}' cannot compute {workload.id}: {support.reason}")
    chosen.load(threads=1)
    prepared = chosen.prepare(workload, Source(array=x))
    try:
        return prepared.output()
    finally:
        prepared.close()


def _workload_for(spec: PoolSpec | Workload | str, x: NDArray[Any]) -> Workload:
    if isinstance(spec, str):
        return parse_id(spec)
    if isinstance(spec, Workload):
        return spec
    if x.ndim != spec.rank + 2:
        raise InvalidSpecError(
            f"The spec pools {spec.rank} spatial axes, so the array needs {spec.rank + 2} axes "
            f"(batch, channels, spatial); it has the shape {x.shape}."
        )
    by_name = {dtype.numpy_name: dtype for dtype in DType}
    if x.dtype.name not in by_name:
        raise InvalidSpecError(f"Arrays of {x.dtype.name} cannot be pooled; {', '.join(sorted(by_name))} can.")
    batch, channels, *spatial = x.shape
    return Workload(
        spec=spec, batch=batch, channels=channels, spatial=tuple(spatial), dtype=by_name[np.dtype(x.dtype).name]
    )
