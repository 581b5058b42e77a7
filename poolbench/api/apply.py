"""``poolbench.apply``; ``poolbench/__init__.py`` documents it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.api.arrays import as_array
from poolbench.api.process import process_kept
from poolbench.backends import registry
from poolbench.backends.base import Backend, Scoped, Source
from poolbench.errors import InvalidSpecError, UsageError
from poolbench.model.ids import parse_id
from poolbench.model.pooling import PoolSpec
from poolbench.model.subject import LIMIT
from poolbench.model.workload import DType, Workload


def apply(spec: PoolSpec | Workload | str, x: Any, backend: str) -> NDArray[Any]:
    """Pool ``x`` with one backend, in this process."""
    given = parse_id(spec) if isinstance(spec, str) else spec
    array = as_array(x)
    workload = _workload_for(given, array) if isinstance(given, PoolSpec) else given
    if workload.pass_.is_training:
        raise UsageError(
            f"apply pools forward alone, and {workload.id} is a training pass: leave its ending from .train on out."
        )
    if array.shape != workload.input_shape or array.dtype.name != workload.dtype.numpy_name:
        raise InvalidSpecError(
            f"The array is {array.dtype.name} of shape {array.shape}; the workload {workload.id} takes "
            f"{workload.dtype.numpy_name} of shape {workload.input_shape}."
        )
    chosen = _created(backend)
    support = chosen.supports(workload)
    if not support.ok:
        raise UsageError(f"The backend '{backend}' cannot compute {workload.id}: {support.reason}")
    with process_kept(), _loaded(chosen):
        prepared = chosen.prepare(workload, Source(array=array))
        try:
            # Some outputs are read-only, or lie in memory that the framework writes again.
            return np.array(prepared.output(), order="C")
        finally:
            prepared.close()


def _created(name: str) -> Backend:
    """Return the backend ``name``, whose framework is installed. Raises UsageError for one that pools nothing right."""
    full = registry.resolve(name)
    if full == LIMIT or registry.is_for_tests(full):
        what = "pools nothing" if full == LIMIT else "is planted for tests of the harness"
        raise UsageError(f"The backend '{full}' {what}, so apply cannot use it: see 'poolbench list backends'.")
    chosen = registry.create(full)
    registry.require(chosen)
    return chosen


@contextmanager
def _loaded(backend: Backend) -> Iterator[None]:
    """Import what ``backend`` needs, and have it compute right in this process, which is the caller's."""
    if isinstance(backend, Scoped):
        with backend.scope():
            yield
    else:
        backend.load(threads=1)
        yield


def _workload_for(spec: PoolSpec, x: NDArray[Any]) -> Workload:
    if x.ndim != spec.rank + 2:
        raise InvalidSpecError(
            f"The spec pools {spec.rank} spatial axes, so the array needs {spec.rank + 2} axes "
            f"(batch, channels, spatial); it has the shape {x.shape}."
        )
    by_name = {dtype.numpy_name: dtype for dtype in DType}
    if x.dtype.name not in by_name:
        raise InvalidSpecError(f"Arrays of {x.dtype.name} cannot be pooled; {', '.join(sorted(by_name))} can.")
    batch, channels, *spatial = x.shape
    return Workload(spec=spec, batch=batch, channels=channels, spatial=tuple(spatial), dtype=by_name[x.dtype.name])
