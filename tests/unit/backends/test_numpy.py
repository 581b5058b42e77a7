from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolbench.backends.base import Prepared, Source
from poolbench.backends.numpy_loops import Loops
from poolbench.backends.numpy_shifted import Shifted
from poolbench.backends.numpy_windows import Windows
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Kind
from poolbench.model.workload import Workload
from poolbench.verify.check import check
from poolbench.verify.fill import arrange, exact_values, random_values
from poolbench.verify.reference import mean_magnitude, pool
from tests.unit.verify.strategies import forward_workloads, integers_with_gaps

BACKENDS = (Loops(), Windows(), Shifted())
backends = pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)


@settings(max_examples=200, deadline=None)
@given(forward_workloads(), st.integers(0, 99), st.sampled_from(LayoutPolicy))
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # NumPy's own, on NaN
def test_equal_to_the_reference(workload: Workload, seed: int, layout: LayoutPolicy) -> None:
    """On integers with NaN and infinities, and on random values; the input stays as it was."""
    for x, exact in ((integers_with_gaps(workload, seed), True), (random_values(workload, seed), False)):
        expected, scale = pool(workload.spec, x), mean_magnitude(workload.spec, x)
        array = arrange(x, workload)
        for backend in BACKENDS:
            assert backend.supports(workload).ok
            prepared = backend.prepare(workload, Source(array=array, layout=layout))
            # Averages of signed integers may cancel, so they are judged by what was summed as well.
            rounds = workload.spec.kind is Kind.AVG
            result = check(prepared.output(), expected, workload, exact=exact and not rounds, scale=scale)
            assert result.ok, f"{backend.name}: {result.detail}"
            assert np.array_equal(array, arrange(x, workload), equal_nan=workload.dtype.is_float)


@backends
@pytest.mark.parametrize(
    "text",
    [
        "avg2d-n8c4-h28w28-k28-f32-nchw",
        "avg2d-n1c4-h80w128-k80x128-f32-nchw",
        "avg2d-n1c4-h60w60-a2-bf16-nhwc",
        "max1d-n2c4-w15000-k15000-f32-ncw",
        "max2d-n1c16-h12w16-k13s1p6-f32-nchw",
        "avg2d-n1c4-h14w14-a4-f16-nchw",
        "max1d-n2c3-w2000-k128s1-f32-nwc",
        "avg2d-n1c3-h56w56-k3s1p1-xpad-f32-nhwc",
    ],
)
def test_large_windows(backend: Any, text: str) -> None:
    workload = parse_id(text)
    for fill, exact in ((exact_values, True), (random_values, False)):
        x = fill(workload, 0)
        prepared = backend.prepare(workload, Source(array=arrange(x, workload)))
        scale = mean_magnitude(workload.spec, x)
        result = check(prepared.output(), pool(workload.spec, x), workload, exact=exact, scale=scale)
        assert result.ok, result.detail


@backends
def test_runs_in_the_callers_order_into_fresh_memory(backend: Any) -> None:
    workload = parse_id("max2d-n2c3-h8w10-k2-f32-nhwc")
    prepared = backend.prepare(workload, Source(array=arrange(exact_values(workload, 0), workload)))
    assert isinstance(prepared, Prepared)
    assert prepared.layout == "nhwc"
    first, second = prepared.run(), prepared.run()
    assert isinstance(first, np.ndarray) and isinstance(second, np.ndarray)
    assert first.shape == workload.output_shape and first.flags.c_contiguous
    assert not np.shares_memory(first, second)
    assert prepared.output().shape == workload.reference_output_shape


@backends
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("avg2d-n1c1-h4w4-k2-i8-nchw", "Averages of integers are not implemented by this backend: i8 was asked for."),
    ],
)
def test_refuses_with_a_sentence(backend: Any, text: str, reason: str) -> None:
    support = backend.supports(parse_id(text))
    assert not support.ok
    assert support.reason == reason


@backends
def test_says_what_it_is(backend: Any) -> None:
    backend.load(3)
    assert backend.framework == "numpy"
    assert backend.name.startswith("numpy:")
    assert backend.environment(3)["OMP_NUM_THREADS"] == "3"
    facts = backend.facts()
    assert facts["numpy"] == np.__version__
    assert facts["simd"]


@backends
def test_closed_call_does_not_run(backend: Any) -> None:
    workload = parse_id("max1d-n1c1-w4-k2-f32-ncw")
    prepared = backend.prepare(workload, Source(array=arrange(exact_values(workload, 0), workload)))
    prepared.close()
    with pytest.raises(RuntimeError, match="closed"):
        prepared.run()
