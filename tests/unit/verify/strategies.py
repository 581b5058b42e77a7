"""Small workloads that every part of the definition shows in, and inputs for them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from poolbench.errors import InvalidSpecError
from poolbench.model.pooling import Kind
from poolbench.model.workload import DType, Workload, default_order
from tests.unit.model.strategies import adaptive_specs, views, windowed_specs


@st.composite
def forward_workloads(draw: st.DrawFn) -> Workload:
    """Every spec, order and view; averages of floats only."""
    rank = draw(st.sampled_from([1, 2, 3]))
    spec = draw(windowed_specs(rank) | adaptive_specs(rank))
    channels = draw(st.integers(1, 5))
    dtypes = [dtype for dtype in DType if dtype.is_float or spec.kind is Kind.MAX]
    try:
        return Workload(
            spec=spec,
            batch=draw(st.integers(1, 3)),
            channels=channels,
            spatial=draw(st.tuples(*[st.integers(1, 9)] * rank)),
            dtype=draw(st.sampled_from(dtypes)),
            order="".join(draw(st.permutations(default_order(rank)))),
            view=draw(views(channels)),
        )
    except InvalidSpecError:  # the window does not fit the shape
        return draw(forward_workloads())


def integers_with_gaps(workload: Workload, seed: int) -> NDArray[Any]:
    """Return values of the workload's dtype whose sums are exact in float64, with a few that are NaN or infinite."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-20, 20, workload.reference_input_shape)
    if not workload.dtype.is_float:
        low = 0 if workload.dtype is DType.U8 else -20
        return np.maximum(values, low).astype(workload.dtype.numpy_name)
    floats = values.astype(np.float64)
    if workload.spec.kind is Kind.MAX:
        floats[rng.random(floats.shape) < 0.05] = np.nan
        floats[rng.random(floats.shape) < 0.3] = -np.inf
    return floats.astype(ml_dtypes.bfloat16 if workload.dtype is DType.BF16 else workload.dtype.numpy_name)
