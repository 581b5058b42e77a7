from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from poolbench.model.ids import parse_id
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.workload import DType, Workload
from poolbench.verify import gradient as gradient_module
from poolbench.verify.gradient import gradient_and_magnitude, pool_gradient
from poolbench.verify.reference import pool
from tests.unit.verify.strategies import forward_workloads
from tests.unit.verify.test_reference import axis_taps

nan, inf = math.nan, math.inf


def sent_back(spec: PoolSpec, x: Any, given_: Any) -> Any:
    """Return the gradient of one channel of one batch as a list."""
    values, above = np.asarray(x, float), np.asarray(given_, float)
    return pool_gradient(spec, values[None, None], above[None, None])[0, 0].tolist()


def test_a_maximum_gets_the_whole_gradient_and_windows_that_share_it_add_up() -> None:
    spec = PoolSpec.windowed("max", (3,), stride=1)
    assert sent_back(spec, [0, 5, 1, 2, 3], [10, 20, 40]) == [0, 30, 0, 0, 40]


def test_the_first_of_equals_in_row_major_order_gets_it() -> None:
    spec = PoolSpec.windowed("max", (2, 2))
    assert sent_back(spec, np.zeros((2, 2)), [[1]]) == [[1, 0], [0, 0]]
    assert sent_back(spec, np.zeros((4, 4)), np.ones((2, 2))) == [[1, 0, 1, 0], [0] * 4] * 2, "tap by tap as well"
    assert sent_back(spec, [[0, 1], [1, 1]], [[1]]) == [[0, 1], [0, 0]]
    assert sent_back(spec, [[0, 0], [1, 1]], [[1]]) == [[0, 0], [1, 0]]
    assert sent_back(spec, [[0.0, -0.0], [-0.0, 0.0]], [[1]]) == [[1, 0], [0, 0]], "zeros of both signs are equal"


@pytest.mark.parametrize("spec", [PoolSpec.windowed("max", (3, 3)), PoolSpec.adaptive("max", (1, 1))])
def test_the_last_nan_gets_it(spec: PoolSpec) -> None:
    expected = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert sent_back(spec, [[1, nan, 2], [nan, nan, 9], [3, 4, inf]], [[1]]) == expected


def test_minus_infinity_alone_sends_it_to_the_first_element_and_never_to_padding() -> None:
    spec = PoolSpec.windowed("max", (2, 2), padding=1)
    found = sent_back(spec, np.full((4, 4), -inf), np.ones((3, 3)))
    assert found == [[1, 1, 0, 1], [1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 1]]


def test_nan_in_the_gradient_stays_where_it_is_sent() -> None:
    found = sent_back(PoolSpec.windowed("max", (2,)), [1, 2, 4, 3], [nan, 1])
    assert found[0] == 0 and math.isnan(found[1]) and found[2:] == [1, 0]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        # Windows of 3, stride 2, over 4 elements with one pad each side, ceil mode: they hold 0-1, 1-3 and 3, and the
        # last one counts the right pad but not the overhang. The gradients are 6, 60 and 600.
        ({"include_padding": True}, [2, 22, 20, 320]),
        ({"include_padding": False}, [3, 23, 20, 620]),
        ({"divisor": 4}, [1.5, 16.5, 15, 165]),
    ],
)
def test_divisor_rules(rules: dict[str, Any], expected: list[float]) -> None:
    spec = PoolSpec.windowed("avg", (3,), stride=2, padding=1, ceil_mode=True, **rules)
    assert sent_back(spec, [0, 0, 0, 0], [6, 60, 600]) == expected


def test_adaptive_windows_of_uneven_size_overlap() -> None:
    # 5 → 3: [0, 2), [1, 4), [3, 5)
    assert sent_back(PoolSpec.adaptive("avg", (3,)), [0] * 5, [2, 30, 400]) == [1, 11, 10, 210, 200]
    assert sent_back(PoolSpec.adaptive("max", (3,)), [0, 1, 2, 7, 3], [2, 30, 400]) == [0, 2, 0, 430, 0]


def test_more_outputs_than_inputs() -> None:
    # 2 → 5: windows [0, 1), [0, 1), [0, 2), [1, 2), [1, 2)
    assert sent_back(PoolSpec.adaptive("avg", (5,)), [0, 0], [1, 10, 200, 1000, 10000]) == [111, 11100]
    assert sent_back(PoolSpec.adaptive("max", (5,)), [3, 2], [1, 10, 200, 1000, 10000]) == [211, 11000]


def test_dilation_and_gaps_leave_elements_without_gradient() -> None:
    spec = PoolSpec.windowed("avg", (2,), stride=5, dilation=2)
    assert sent_back(spec, [0] * 8, [2, 4]) == [1, 0, 1, 0, 0, 2, 0, 2]


def test_a_gradient_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 1, 2\), its gradient \(1, 1, 3\)"):
        pool_gradient(PoolSpec.windowed("avg", (2,)), np.zeros((1, 1, 4)), np.zeros((1, 1, 3)))


def test_the_magnitude_is_what_is_added_up() -> None:
    spec = PoolSpec.windowed("avg", (2,), stride=1)
    x, above = np.zeros((1, 1, 3)), np.array([[[4.0, -4]]])
    found, scale = gradient_and_magnitude(spec, x, above)
    assert (found[0, 0].tolist(), scale[0, 0].tolist()) == ([2, 0, -2], [2, 4, 2])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_every_float_type_gives_float64(dtype: Any) -> None:
    found = pool_gradient(PoolSpec.windowed("max", (2,)), np.array([[[1, 2]]], dtype), np.array([[[3]]], dtype))
    assert found.dtype == np.float64 and found[0, 0].tolist() == [0, 3]


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for kind in Kind:
        spec = PoolSpec.windowed(kind, (3, 2), stride=2, padding=1)
        x = rng.standard_normal((3, 5, 6, 7))
        above = rng.standard_normal((3, 5, *spec.output_spatial((6, 7))))
        monkeypatch.setattr(gradient_module, "_BLOCK_ELEMENTS", 1 << 18)
        whole = pool_gradient(spec, x, above)
        for elements in (1, 42, 100, 500):
            monkeypatch.setattr(gradient_module, "_BLOCK_ELEMENTS", elements)
            assert np.array_equal(pool_gradient(spec, x, above), whole)


def distinct_values(workload: Workload, seed: int) -> NDArray[np.float64]:
    """Return numbers that are at least one apart, in random order."""
    shape = workload.reference_input_shape
    size = math.prod(shape)
    return np.random.default_rng(seed).permutation(np.arange(float(size)) - size // 2).reshape(shape)


@settings(max_examples=100, deadline=None)
@given(forward_workloads(), st.integers(0, 99))
def test_is_the_derivative_of_the_forward_reference(workload: Workload, seed: int) -> None:
    """Central differences along random directions: the forward is piecewise linear, so they err by rounding."""
    rng = np.random.default_rng(seed)
    x = distinct_values(workload, seed)
    above = rng.standard_normal(workload.reference_output_shape)
    found = pool_gradient(workload.spec, x, above)
    step = 1 / 8  # less than half of the least distance, so that no maximum changes its place
    for _ in range(4):
        direction = rng.uniform(-1, 1, x.shape)
        difference = pool(workload.spec, x + step * direction) - pool(workload.spec, x - step * direction)
        numeric = float((above * difference).sum()) / (2 * step)
        scale = float((np.abs(above) * np.abs(pool(workload.spec, np.abs(x)))).sum())
        assert float((found * direction).sum()) == pytest.approx(numeric, rel=1e-9, abs=1e-12 * scale)


@pytest.mark.parametrize("kind", list(Kind))
def test_each_element_has_its_own_derivative(kind: Kind) -> None:
    spec = PoolSpec.windowed(kind, (3, 2), stride=2, padding=((1, 0), (0, 1)), ceil_mode=True)
    workload = Workload(spec=spec, batch=2, channels=2, spatial=(5, 4), dtype=DType.F64)
    x, step = distinct_values(workload, 1), 0.25
    above = np.random.default_rng(2).standard_normal(workload.reference_output_shape)
    found = pool_gradient(spec, x, above)
    for place in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        numeric = (above * (pool(spec, up) - pool(spec, down))).sum() / (2 * step)
        assert found[place] == pytest.approx(numeric, rel=1e-10, abs=1e-10)


@settings(max_examples=100, deadline=None)
@given(forward_workloads(), st.integers(0, 99))
def test_equals_the_definition_element_by_element(workload: Workload, seed: int) -> None:
    """Small integers with ties, NaN and infinities; the gradients are integers, so that maxima are exact."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, workload.reference_input_shape).astype(np.float64)
    if workload.spec.kind is Kind.MAX:
        x[rng.random(x.shape) < 0.1] = np.nan
        x[rng.random(x.shape) < 0.2] = -np.inf
    above = rng.integers(-9, 10, workload.reference_output_shape).astype(np.float64)
    found = pool_gradient(workload.spec, x, above)
    for n, c in itertools.product(range(workload.batch), range(workload.channels)):
        expected = by_hand(workload.spec, x[n, c], above[n, c])
        np.testing.assert_allclose(found[n, c], expected, rtol=1e-12, atol=1e-12)


def by_hand(spec: PoolSpec, plane: NDArray[Any], above: NDArray[Any]) -> NDArray[np.float64]:
    """Send each window's gradient back, one tap at a time."""
    result = np.zeros(plane.shape)
    for position in np.ndindex(*above.shape):
        taps = list(itertools.product(*(axis_taps(spec, a, o, plane.shape[a]) for a, o in enumerate(position))))
        ends = [length + spec.padding[axis][1] for axis, length in enumerate(plane.shape)]
        counted = sum(all(at < end for at, end in zip(tap, ends, strict=True)) for tap in taps)
        inside = [tap for tap in taps if all(0 <= at < n for at, n in zip(tap, plane.shape, strict=True))]
        if spec.kind is Kind.AVG:
            for tap in inside:
                result[tap] += above[position] / (spec.divisor or (counted if spec.include_padding else len(inside)))
            continue
        best = inside[0]
        for tap in inside:
            if plane[tap] > plane[best] or math.isnan(plane[tap]):
                best = tap
        result[best] += above[position]
    return result


TORCH_WINDOWS = (
    "k2", "k3s1p1", "k3s2p1", "k3s2-ceil", "k3s2p1-ceil", "k2s3p1-ceil", "k2s1p1d2", "k1s2", "a1", "a4", "a7",
)  # fmt: skip


@pytest.mark.parametrize("window", TORCH_WINDOWS)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", list(Kind))
def test_agrees_with_autograd_in_float64(kind: Kind, rank: int, window: str) -> None:
    torch = pytest.importorskip("torch")
    from poolbench.backends import torch_pooling

    sizes = {1: "w19", 2: "h9w12", 3: "d5h6w7"}[rank]
    workload = parse_id(f"{kind}{rank}d-n2c3-{sizes}-{window}-f64")
    if kind is Kind.AVG and "d2" in window:
        workload = replace(workload, spec=replace(workload.spec, dilation=(1,) * rank))
    rng = np.random.default_rng(3)
    # Few values, so that there are ties, and NaN where a maximum can meet one.
    x = rng.integers(-3, 4, workload.reference_input_shape).astype(np.float64)
    if kind is Kind.MAX:
        x[rng.random(x.shape) < 0.05] = np.nan
    above = rng.standard_normal(workload.reference_output_shape)
    leaf = torch.tensor(x, requires_grad=True)
    (wanted,) = torch.autograd.grad(torch_pooling.pooling(workload)(leaf), leaf, torch.tensor(above))
    found = pool_gradient(workload.spec, x, above)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-13, atol=1e-14)
