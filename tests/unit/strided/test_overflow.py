"""Averages of numbers near the largest of their type: finite, by whichever kernel, because the average is."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench import strided
from poolbench.strided import _pool, training

DTYPES = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}
SHAPES = [(1, 1, 2, 2), (1, 16, 4, 4), (2, 3, 9, 17), (1, 33, 12, 12), (1, 2, 40, 70), (3, 64, 7, 7)]
CALLS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 2, "stride": 1},
    {"kernel_size": (1, 2), "stride": 1},
    {"kernel_size": 2, "stride": 1, "padding": 1, "count_include_pad": False},
]
LARGER: list[dict[str, Any]] = [
    {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False},
    {"kernel_size": 4},
]


def largest(dtype: str) -> float:
    return float(ml_dtypes.finfo(DTYPES[dtype]).max)


def extremes(shape: tuple[int, ...], dtype: str, *, mixed: bool) -> NDArray[Any]:
    """Return the largest numbers, of one sign or of both."""
    signs = np.random.default_rng(3).choice([-1, 1], shape) if mixed else np.ones(shape)
    return (signs * largest(dtype)).astype(DTYPES[dtype])


def by_every_kernel(x: NDArray[Any], dtype: str, options: dict[str, Any]) -> list[tuple[str, NDArray[Any]]]:
    arguments = (
        options["kernel_size"],
        options.get("stride"),
        options.get("padding", 0),
        1,
        False,
        options.get("count_include_pad", True),
        options.get("divisor_override"),
    )
    found = []
    for name in strided.variants():
        isa, by_pass, kernel, *of = name.split("/")
        if (by_pass, *of) != ("pool", "avg", dtype):
            continue
        for threads in (1, 2):
            answer = _pool.avg_pool(2, x, *arguments, None, threads, "NCHW", isa, kernel)
            if answer is not None:
                found.append((name, answer[0].astype(np.float64)))
    return found


@pytest.mark.parametrize("mixed", [False, True], ids=["one sign", "both signs"])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_averages_are_finite(dtype: str, channels_last: bool, mixed: bool) -> None:
    # Quarters of so few elements are exact, so all kernels must say the same; beyond, the order of the sum shows.
    kernels = set()
    for shape in SHAPES:
        x = extremes(shape, dtype, mixed=mixed)
        if channels_last:
            x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        for options in (*CALLS, *LARGER):
            if min(shape[2:]) < np.max(options["kernel_size"]):
                continue
            expected = _reference(x, options)
            for name, output in by_every_kernel(x, dtype, options):
                kernels.add(name)
                precision = float(ml_dtypes.finfo(DTYPES[dtype]).eps)
                close = np.abs(output * 0.25 - expected * 0.25) <= 4 * precision * (largest(dtype) * 0.25)
                assert close.all(), (name, shape, options)
                if options in CALLS and not mixed:
                    assert (output == largest(dtype)).all(), (name, shape, options)
            assert np.isfinite(strided.avg_pool2d(x, **options).astype(np.float64)).all()
        assert np.isfinite(strided.adaptive_avg_pool2d(x, 1).astype(np.float64)).all()
        assert np.isfinite(training.avg_pool2d(x, 2)[0].astype(np.float64)).all()
    assert len(kernels) >= 2


def _reference(x: NDArray[Any], options: dict[str, Any]) -> NDArray[Any]:
    """Return the averages of numbers that are small enough to be added up, made large again."""
    small = np.ldexp(x.astype(np.float64), -8)
    return np.ldexp(np.asarray(strided.avg_pool2d(small, **options)), 8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_average_beyond_the_range_is_infinite_and_what_was_infinite_stays(dtype: str) -> None:
    for shape in SHAPES:
        x = extremes(shape, dtype, mixed=False)
        for _, output in by_every_kernel(x, dtype, {"kernel_size": 2, "divisor_override": 2}):
            assert (output == np.inf).all()
        x[..., 0, 0] = -np.inf
        x[..., 1, 1] = np.nan if shape[1] == 1 else -np.inf
        for name, output in by_every_kernel(x, dtype, {"kernel_size": 2}):
            first = output[..., 0, 0]
            assert (np.isnan(first) if shape[1] == 1 else first == -np.inf).all(), name
            assert (output.reshape(*shape[:2], -1)[..., 1:] == largest(dtype)).all(), name


@pytest.mark.parametrize("along", ["rows", "columns"])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_averages_are_finite(dtype: str, channels_last: bool, along: str) -> None:
    rows = [name.split("/") for name in strided.variants()]
    kernels = [(None, None)] + [(row[0], row[2]) for row in rows if row[1] == "gradient" and row[3:] == ["avg", dtype]]
    for shape in SHAPES:
        x = np.ones(shape, DTYPES[dtype])
        if channels_last:
            x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        for options in ({"kernel_size": 2, "stride": 1}, {"kernel_size": 2, "divisor_override": 1, "stride": 1}):
            output, pullback = training.avg_pool2d(x, **options)
            grad = extremes(output.shape, dtype, mixed=False)
            if "divisor_override" in options:  # what neighbours send cancels
                grad[(..., slice(1, None, 2), slice(None)) if along == "rows" else (..., slice(1, None, 2))] *= -1
            for isa, kernel in kernels:
                answer = _pool.pull_back(pullback, grad, None, 2, isa, kernel)
                if answer is None:
                    continue
                gradient = answer[0].astype(np.float64)
                inside = gradient[..., 1:-1, 1:-1]
                if "divisor_override" in options:
                    assert (inside == 0).all(), (answer[1], shape)
                else:
                    assert (inside == largest(dtype)).all(), (answer[1], shape)
                    assert np.isfinite(gradient).all(), (answer[1], shape)
