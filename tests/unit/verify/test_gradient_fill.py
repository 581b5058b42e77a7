from __future__ import annotations

import itertools

import numpy as np
import pytest

from poolbench.model.ids import parse_id
from poolbench.model.pooling import Kind
from poolbench.verify import filling
from poolbench.verify.check import gradient_bounds
from poolbench.verify.fill import exact_values
from poolbench.verify.gradient import pool_gradient
from poolbench.verify.gradient_fill import most_windows, training_gradient, training_input

MAXIMA = (
    "max1d-n2c3-w40-k7s2p3-{dtype}",
    "max2d-n2c3-h13w11-k3s2p1-{dtype}",
    "max2d-n1c2-h13w11-k2s1d3-{dtype}",
    "max2d-n2c2-h13w11-a4x3-{dtype}",
    "max2d-n2c2-h13w11-a1-{dtype}",
    "max3d-n1c2-d5h6w7-k3s1p1-{dtype}",
)


@pytest.mark.parametrize("dtype", ["f64", "f32", "f16", "bf16"])
@pytest.mark.parametrize("text", MAXIMA)
@pytest.mark.parametrize("exact", [True, False])
def test_no_window_of_a_maximum_has_two_equal_elements(text: str, dtype: str, exact: bool) -> None:
    workload = parse_id(text.format(dtype=dtype) + "-nc" + "dhw"[-int(text[3]) :] + ".train")
    x = training_input(workload, 5, exact=exact).astype(np.float64)
    assert x.shape == workload.reference_input_shape and np.isfinite(x).all()
    windows = workload.spec.windows(workload.spatial)
    for position in itertools.product(*windows):
        reads = tuple(slice(w.first, w.first + (w.count - 1) * w.step + 1, w.step) for w in position)
        window = np.sort(x[(..., *reads)].reshape(-1, np.prod([w.count for w in position])))
        assert (np.diff(window) >= 2.0**-13).all()


def test_values_are_of_both_signs_and_their_order_is_random() -> None:
    x = training_input(parse_id("max2d-n1c64-h32w32-k3s2p1-f32-nchw.train"), 0, exact=False)
    assert 0.45 < (x > 0).mean() < 0.55
    corner = [int(window.argmax()) for window in x[0, :, :3, :3].reshape(64, 9)]
    assert len(set(corner)) == 9, "each place of a window is the maximum somewhere"


def test_an_average_is_trained_on_what_it_is_inferred_on() -> None:
    workload = parse_id("avg2d-n1c2-h8w8-k2-f32-nchw.train")
    assert np.array_equal(training_input(workload, 3, exact=True), exact_values(workload, 3))


def test_the_same_seed_gives_the_same_values_and_another_others() -> None:
    workload = parse_id("max2d-n1c2-h8w8-k2-f32-nchw.train")
    for make in (training_input, training_gradient):
        assert np.array_equal(make(workload, 1, exact=False), make(workload, 1, exact=False))
        assert not np.array_equal(make(workload, 1, exact=False), make(workload, 2, exact=False))
        assert not np.array_equal(make(workload, 1, exact=False), make(workload, 1, exact=True))


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("max2d-n1c1-h8w8-k2", 1),
        ("max2d-n1c1-h8w8-k3s2p1", 4),
        ("avg2d-n1c1-h8w8-k3s1p1", 9),
        ("avg1d-n1c1-w9-k3s1d2", 3),
        ("max1d-n1c1-w3-k3s1", 1),
        ("avg1d-n1c1-w5-a3", 2),
        ("avg1d-n1c1-w2-a5", 3),
    ],
)
def test_most_windows(text: str, windows: int) -> None:
    assert most_windows(parse_id(text)) == windows


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("window", ["k2", "k3s1p1", "k13s1p6"])
def test_exact_gradients_of_maxima_are_integers_that_the_type_holds(dtype: str, window: str) -> None:
    workload = parse_id(f"max2d-n1c3-h20w20-{window}-{dtype}-nchw.train")
    filled = filling.make(workload, 0, exact=True)
    sums = pool_gradient(workload.spec, filled["input"], np.abs(filled["gradient"]))
    assert np.array_equal(filled["gradient"].astype(np.int64), filled["gradient"].astype(np.float64))
    assert filled["gradient"].any()
    assert sums.max() <= 2 ** {"f32": 24, "f16": 11, "bf16": 8}[dtype]
    assert gradient_bounds(workload)[0] == 0


def test_more_overlap_than_the_type_counts_makes_gradients_rare() -> None:
    workload = parse_id("max1d-n1c8-w4096-k512s1-bf16-ncw.train")
    above = training_gradient(workload, 0, exact=True).astype(np.float64)
    assert set(np.unique(above)) == {0, 1}
    sums = np.convolve(above[0, 0], np.ones(512))
    assert sums.max() <= 2**8


def test_a_filling_holds_what_its_pass_needs() -> None:
    forward = parse_id("avg2d-n1c1-h4w4-k2-f32-nchw")
    assert set(filling.make(forward, 0, exact=True)) == {"input", "expected"}
    assert set(filling.make(forward, 0, exact=False)) == {"input", "expected", "scale"}
    for ending in (".train", ".trainfwd", ".trainbwd"):
        trained = parse_id(f"max2d-n1c1-h4w4-k2-f32-nchw{ending}")
        assert trained.spec.kind is Kind.MAX
        exact = {"input", "expected", "gradient", "expected_gradient"}
        assert set(filling.make(trained, 0, exact=True)) == exact
        assert set(filling.make(trained, 0, exact=False)) == {*exact, "gradient_scale"}
