"""The twelve functions against PyTorch's of the same names, and against the definition."""

from __future__ import annotations

import inspect
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from poolbench import strided
from poolbench.model.ids import parse_id
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.workload import DType, Workload
from poolbench.strided import _pool
from poolbench.verify import reference
from poolbench.verify.check import check
from poolbench.verify.fill import random_values
from tests.unit.verify.strategies import forward_workloads, integers_with_gaps

torch = pytest.importorskip("torch")
functional = torch.nn.functional

FUNCTIONS = [
    f"{prefix}{kind}_pool{rank}d" for prefix in ("", "adaptive_") for kind in ("max", "avg") for rank in (1, 2, 3)
]
SHAPES = {1: (2, 3, 23), 2: (2, 3, 11, 13), 3: (2, 3, 7, 6, 9)}
TORCH_DTYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16}
INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
SPECIALS = (np.nan, np.inf, -np.inf)

WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 2, "stride": 3},
    {"kernel_size": 5, "stride": 1, "padding": 2},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 3, "stride": 4, "padding": 1, "ceil_mode": True},
    {"kernel_size": 6, "stride": 5, "padding": 3, "ceil_mode": True},
    {"kernel_size": 1},
    {"kernel_size": 1, "stride": 2},
]


def made_of_few(shape: tuple[int, ...], seed: int = 0, dtype: str = "float32") -> NDArray[Any]:
    """Return small integers: there are ties in every window, and sums are exact."""
    return np.random.default_rng(seed).integers(0, 5, shape).astype(dtype)


def with_specials(shape: tuple[int, ...], seed: int = 0, dtype: str = "float32") -> NDArray[Any]:
    """Return values among which NaN and infinities stand, mostly -inf, so that there are windows of nothing else."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape).astype(dtype)
    values[rng.random(shape) < 0.05] = np.nan
    values[rng.random(shape) < 0.05] = np.inf
    values[rng.random(shape) < 0.5] = -np.inf
    return values


def assert_equal(actual: Any, expected: Any) -> None:
    """Compare with a tensor: values, shape and dtype, NaN equal to NaN."""
    expected = expected.numpy()
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected, strict=True)


def pool(workload: Workload, x: NDArray[Any], **options: Any) -> Any:
    """Pool an array of shape (batch, channels, *spatial) as the workload says."""
    spec = workload.spec
    prefix = "adaptive_" if spec.is_adaptive else ""
    function = getattr(strided, f"{prefix}{spec.kind}_pool{spec.rank}d")
    if spec.is_adaptive:
        return function(x, spec.output, **options)
    options |= {"padding": spec.padding, "dilation": spec.dilation, "ceil_mode": spec.ceil_mode}
    if spec.kind is Kind.AVG:
        options |= {"count_include_pad": spec.include_padding, "divisor_override": spec.divisor}
    return function(x, spec.window, spec.stride, **options)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parameters_are_pytorchs_and_further_ones_are_given_by_keyword(name: str) -> None:
    parameters = inspect.signature(getattr(strided, name)).parameters
    own = {n: p.default for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD}
    options = {n: p.default for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    empty = inspect.Parameter.empty
    if name.startswith("max"):
        expected = {"input": empty, "kernel_size": empty, "stride": None, "padding": 0, "dilation": 1}
        expected |= {"ceil_mode": False, "return_indices": False}
    elif name.startswith("avg"):
        expected = {"input": empty, "kernel_size": empty, "stride": None, "padding": 0, "ceil_mode": False}
        expected |= {"count_include_pad": True} | ({} if name.endswith("1d") else {"divisor_override": None})
    else:
        expected = {"input": empty, "output_size": empty} | ({"return_indices": False} if "max" in name else {})
    assert list(own.items()) == list(expected.items())
    assert options.items() >= {"out": None, "threads": None, "layout": "NCHW"}.items()


def test_all_functions_are_exported_and_documented() -> None:
    assert set(strided.__all__) == {*FUNCTIONS, "explain", "variants", "get_include", "get_library"}
    assert set(strided.__all__) <= set(dir(strided))
    for name in strided.__all__:
        assert len(inspect.getdoc(getattr(strided, name)) or "") > 40
    with pytest.raises(AttributeError, match="max_pool4d"):
        strided.max_pool4d  # noqa: B018 - asking for it is the test


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", WINDOWS, ids=str)
@pytest.mark.parametrize("fill", [made_of_few, with_specials])
def test_maxima_and_indices_are_pytorchs(rank: int, options: dict[str, Any], fill: Any) -> None:
    x = fill(SHAPES[rank], seed=rank)
    expected, places = getattr(functional, f"max_pool{rank}d")(torch.from_numpy(x), **options, return_indices=True)
    function = getattr(strided, f"max_pool{rank}d")
    values, indices = function(x, **options, return_indices=True)
    assert_equal(values, expected)
    assert_equal(indices, places)
    assert_equal(function(x, **options), expected)


@pytest.mark.parametrize("dtype", [*TORCH_DTYPES, *INTEGERS])
def test_maxima_of_each_dtype_are_pytorchs(dtype: str) -> None:
    rng = np.random.default_rng(1)
    if dtype in INTEGERS:
        info = np.iinfo(dtype)
        x = rng.integers(info.min, info.max, (2, 5, 9, 10), dtype=dtype, endpoint=True)
        x[0] = info.min  # the padding must not be taken for larger
    else:
        x = with_specials((2, 5, 9, 10), dtype=dtype)
    expected, places = functional.max_pool2d(torch.from_numpy(x), 3, 2, 1, return_indices=True)
    values, indices = strided.max_pool2d(x, 3, 2, 1, return_indices=True)
    assert_equal(values, expected)
    assert_equal(indices, places)


def test_bfloat16_gives_bfloat16() -> None:
    x = torch.randn(2, 3, 8, 9, generator=torch.Generator().manual_seed(0)).bfloat16()
    for actual, expected in [
        (strided.max_pool2d(x, 3, 2, 1), functional.max_pool2d(x, 3, 2, 1)),
        (strided.avg_pool2d(x, 1), functional.avg_pool2d(x, 1)),
    ]:
        assert actual.dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(actual.astype(np.float32), expected.float().numpy())


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0), "dilation": (2, 3)},
        {"kernel_size": [2, 3], "stride": None, "dilation": 2},
        {"kernel_size": (3,), "stride": (2,), "padding": (1,), "dilation": 2, "ceil_mode": True},
        {"kernel_size": 2, "stride": (), "padding": 1},
        {"kernel_size": np.int64(2), "stride": np.array([2, 1])},
    ],
    ids=str,
)
def test_dilation_and_one_entry_per_axis(options: dict[str, Any]) -> None:
    x = with_specials((2, 3, 11, 12))
    plain = {
        name: value.tolist() if isinstance(value, np.generic | np.ndarray) else value for name, value in options.items()
    }
    expected, places = functional.max_pool2d(torch.from_numpy(x), **plain, return_indices=True)
    values, indices = strided.max_pool2d(x, **options, return_indices=True)
    assert_equal(values, expected)
    assert_equal(indices, places)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", WINDOWS, ids=str)
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_averages_of_exact_sums_are_pytorchs(rank: int, options: dict[str, Any], count_include_pad: bool) -> None:
    x = made_of_few(SHAPES[rank], dtype="float64")
    expected = getattr(functional, f"avg_pool{rank}d")(
        torch.from_numpy(x), **options, count_include_pad=count_include_pad
    ).numpy()
    actual = getattr(strided, f"avg_pool{rank}d")(x, **options, count_include_pad=count_include_pad)
    assert actual.dtype == np.float64
    np.testing.assert_array_max_ulp(actual, expected, maxulp=2)


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("divisor", [1, 7, 1000, -3])
def test_the_divisor_override_is_pytorchs(rank: int, divisor: int) -> None:
    x = made_of_few(SHAPES[rank], dtype="float64")
    options = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "divisor_override": divisor}
    expected = getattr(functional, f"avg_pool{rank}d")(torch.from_numpy(x), **options).numpy()
    np.testing.assert_array_max_ulp(getattr(strided, f"avg_pool{rank}d")(x, **options), expected, maxulp=2)


def test_averages_keep_nan_and_infinity() -> None:
    x = np.ones((1, 1, 2, 8), np.float32)
    x[0, 0, 0, [0, 2, 4, 5]] = [np.nan, np.inf, np.inf, -np.inf]
    np.testing.assert_array_equal(strided.avg_pool2d(x, 2)[0, 0, 0], [np.nan, np.inf, np.nan, 1])
    np.testing.assert_array_equal(strided.avg_pool2d(-x, 2)[0, 0, 0], [np.nan, -np.inf, np.nan, -1])


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 4, 5, 30, None])
def test_adaptive_pooling_is_pytorchs(rank: int, size: int | None) -> None:
    x = with_specials(SHAPES[rank])
    sizes = size if rank == 1 and size is not None else (size,) * rank
    torch_sizes = x.shape[2] if rank == 1 and size is None else sizes
    expected, places = getattr(functional, f"adaptive_max_pool{rank}d")(
        torch.from_numpy(x), torch_sizes, return_indices=True
    )
    values, indices = getattr(strided, f"adaptive_max_pool{rank}d")(x, sizes, return_indices=True)
    assert_equal(values, expected)
    assert_equal(indices, places)
    x = made_of_few(SHAPES[rank], dtype="float64")
    average = getattr(functional, f"adaptive_avg_pool{rank}d")(torch.from_numpy(x), torch_sizes).numpy()
    np.testing.assert_array_max_ulp(getattr(strided, f"adaptive_avg_pool{rank}d")(x, sizes), average, maxulp=2)


def test_an_output_size_of_none_is_the_inputs() -> None:
    x = made_of_few((2, 3, 7, 9))
    expected = functional.adaptive_max_pool2d(torch.from_numpy(x), (None, 4))
    assert_equal(strided.adaptive_max_pool2d(x, (None, 4)), expected)
    assert_equal(strided.adaptive_max_pool2d(x, None), torch.from_numpy(x))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unbatched_input(rank: int) -> None:
    x = made_of_few(SHAPES[rank][1:])
    expected = getattr(functional, f"max_pool{rank}d")(torch.from_numpy(x), 2)
    assert_equal(getattr(strided, f"max_pool{rank}d")(x, 2), expected)
    expected = getattr(functional, f"adaptive_avg_pool{rank}d")(torch.from_numpy(x), 1)
    np.testing.assert_array_max_ulp(getattr(strided, f"adaptive_avg_pool{rank}d")(x, 1), expected.numpy(), 2)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("batched", [True, False])
def test_channels_may_come_last_in_the_shape(rank: int, batched: bool) -> None:
    first = with_specials(SHAPES[rank])[slice(None) if batched else 0]
    channels = int(batched)
    last = np.ascontiguousarray(np.moveaxis(first, channels, -1))
    name = {1: "NLC", 2: "NHWC", 3: "NDHWC"}[rank]
    for layout in ("NHWC", name):
        function = getattr(strided, f"max_pool{rank}d")
        values, indices = function(first, 3, 2, 1, return_indices=True)
        values_last, indices_last = function(last, 3, 2, 1, return_indices=True, layout=layout)
        np.testing.assert_array_equal(np.moveaxis(values, channels, -1), values_last, strict=True)
        np.testing.assert_array_equal(np.moveaxis(indices, channels, -1), indices_last, strict=True)
        assert values_last.flags.c_contiguous


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_that_lie_innermost_stay_there(rank: int) -> None:
    x = np.moveaxis(np.ascontiguousarray(np.moveaxis(with_specials(SHAPES[rank]), 1, -1)), -1, 1)
    values, indices = getattr(strided, f"max_pool{rank}d")(x, 3, 2, 1, return_indices=True)
    expected, places = getattr(functional, f"max_pool{rank}d")(
        torch.from_numpy(np.ascontiguousarray(x)), 3, 2, 1, return_indices=True
    )
    assert_equal(values, expected)
    assert_equal(indices, places)
    assert np.moveaxis(values, 1, -1).flags.c_contiguous
    assert np.moveaxis(indices, 1, -1).flags.c_contiguous


def test_channels_last_tensors_keep_their_order_as_with_pytorch() -> None:
    x = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last)
    assert strided.max_pool2d(x, 2).strides == tuple(4 * s for s in functional.max_pool2d(x, 2).stride())
    # One channel, or one pixel, lies both ways at once: C order then.
    assert strided.max_pool2d(x[:, :1].contiguous(), 2).flags.c_contiguous


def test_an_empty_batch_gives_an_empty_output() -> None:
    x = np.zeros((0, 3, 6, 6), np.float32)
    assert strided.max_pool2d(x, 2).shape == (0, 3, 3, 3)
    values, indices = strided.adaptive_max_pool2d(x, 2, return_indices=True)
    assert values.shape == indices.shape == (0, 3, 2, 2)
    assert strided.avg_pool2d(x, 2, out=np.zeros((0, 3, 3, 3), np.float32)).shape == (0, 3, 3, 3)


def test_windows_of_padding_alone_average_to_zero() -> None:
    x = np.ones((1, 1, 2, 2), np.float32)
    row = strided.avg_pool2d(x, (2, 1), (2, 1), padding=((0, 0), (1, 2)))[0, 0]
    assert row.tolist() == [[0, 1, 1, 0, 0]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_planes_of_windows_that_are_padding_alone_average_to_zero(dtype: str) -> None:
    x = np.ones((1, 2, 1, 24, 24), dtype)
    y = strided.avg_pool3d(x, (1, 3, 3), 1, ((1, 1), (1, 1), (1, 1)))
    assert not y[:, :, 0].any() and not y[:, :, 2].any()
    np.testing.assert_array_equal(y[:, :, 1, 1:-1, 1:-1], 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_nan_behind_another_plane_of_an_overlapping_view_is_kept(dtype: str) -> None:
    """Rows and columns a step of one element each, so that both strides stay strides."""
    size = np.dtype(dtype).itemsize
    base = np.zeros(512, dtype)
    base[256 + 4] = np.nan
    x = np.lib.stride_tricks.as_strided(base, (1, 1, 2, 16, 16), (0, 0, 256 * size, size, size))
    y = strided.max_pool3d(x, (2, 1, 1), 2)
    expected = np.fmax.reduce(x, axis=2)[:, :, None, ::2, ::2]
    expected[np.isnan(x).any(axis=2)[:, :, None, ::2, ::2]] = np.nan
    np.testing.assert_array_equal(y, expected)


def test_padding_may_differ_by_side() -> None:
    x = np.array([[[-1.0, -2.0], [-3.0, -4.0]]])
    assert strided.max_pool2d(x, 2, 1, padding=((1, 0), (0, 1))).tolist() == [[[-1, -2], [-1, -2]]]
    assert strided.avg_pool2d(x, 2, 1, padding=((1, 0), (0, 1))).tolist() == [[[-0.75, -0.5], [-2.5, -1.5]]]
    assert strided.max_pool2d(x, 2, 1, padding=(0, (0, 1))).tolist() == [[[-1, -2]]]


@settings(max_examples=500, deadline=None)
@given(forward_workloads(), st.integers(0, 2**16), st.booleans())
def test_everything_agrees_with_the_definition(workload: Workload, seed: int, channels_last: bool) -> None:
    x = integers_with_gaps(workload, seed)
    expected = reference.pool(workload.spec, x)
    arranged = np.moveaxis(x, 1, -1) if channels_last else x
    actual = pool(workload, arranged, layout="NHWC" if channels_last else "NCHW")
    if channels_last:
        actual = np.moveaxis(actual, -1, 1)
    result = check(actual, expected, workload, exact=True)
    assert result.ok, result.detail


@settings(max_examples=200, deadline=None)
@given(forward_workloads().filter(lambda w: w.spec.kind is Kind.AVG), st.integers(0, 2**16))
def test_random_averages_round_as_little_as_can_be(workload: Workload, seed: int) -> None:
    x = random_values(workload, seed)
    expected = reference.pool(workload.spec, x)
    result = check(pool(workload, x), expected, workload, exact=False, scale=reference.mean_magnitude(workload.spec, x))
    assert result.ok, result.detail


@pytest.mark.parametrize(
    "text",
    [
        "avg2d-n1c20-h100w100-k3s10d3-f32-nchw",  # a window reaches over more rows than a band may hold
        "avg2d-n1c20-h90w45-k3s4p1-xpad-f32-nchw",
        "max2d-n1c20-h24w24-k5s3p1-f32-nchw",
        "avg3d-n1c20-d4h12w12-k2s2-f16-ncdhw",
    ],
)
def test_planes_that_take_several_bands(text: str) -> None:
    workload = parse_id(text)
    x = random_values(workload, 3)
    expected = reference.pool(workload.spec, x)
    scale = reference.mean_magnitude(workload.spec, x) if workload.spec.kind is Kind.AVG else None
    result = check(pool(workload, x), expected, workload, exact=workload.spec.kind is Kind.MAX, scale=scale)
    assert result.ok, result.detail


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("padding", [(0, 60), (60, 0)])
def test_bands_of_padding_alone(padding: tuple[int, int], dtype: str) -> None:
    x = made_of_few((2, 9, 60, 60), dtype=dtype)
    padded = np.pad(x, ((0, 0), (0, 0), padding, (0, 0)))
    actual = strided.avg_pool2d(x, 2, 5, padding=(padding, (0, 0)))
    np.testing.assert_array_equal(actual, strided.avg_pool2d(padded, 2, 5), strict=True)
    np.testing.assert_array_equal(actual, functional.avg_pool2d(torch.from_numpy(padded), 2, 5).numpy())


LARGE_AND_SMALL = [1e8, -1e8, 1, 1, 1, 1, 0.5]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_large_value_beside_small_ones_costs_no_more_than_with_pytorch(dtype: str) -> None:
    x = np.random.default_rng(13).choice(LARGE_AND_SMALL, (2, 3, 26, 26)).astype(dtype)
    exact = exact_averages(x, 13)
    expected = functional.avg_pool2d(torch.from_numpy(x), 13).numpy()
    actual = strided.avg_pool2d(x, 13)
    ours = np.abs(actual.astype(np.float64) - exact)
    theirs = np.abs(expected.astype(np.float64) - exact)
    assert (ours <= theirs + np.spacing(np.abs(exact).astype(dtype))).all()  # either may round its result


@pytest.mark.parametrize("window", [2, 3, 5])
def test_a_short_sum_keeps_the_bound_that_nine_elements_in_a_row_have(window: int) -> None:
    x = np.random.default_rng(window).choice(LARGE_AND_SMALL, (2, 3, 26, 26)).astype(np.float32)
    exact, magnitude = exact_averages(x, window), exact_averages(np.abs(x), window)
    off = np.abs(strided.avg_pool2d(x, window).astype(np.float64) - exact)
    assert (off <= 8 * 2.0**-24 * magnitude + np.spacing(np.abs(exact).astype(np.float32))).all()


@pytest.mark.parametrize("size", [7, 14, 16, 17, 40, 75])
def test_a_whole_plane_keeps_that_bound_too(size: int) -> None:
    x = np.random.default_rng(size).choice(LARGE_AND_SMALL, (2, 19, size, size)).astype(np.float32)
    exact, magnitude = exact_averages(x, size), exact_averages(np.abs(x), size)
    off = np.abs(strided.adaptive_avg_pool2d(x, 1).astype(np.float64) - exact)
    assert (off <= 8 * 2.0**-24 * magnitude + np.spacing(np.abs(exact).astype(np.float32))).all()


def exact_averages(x: NDArray[Any], window: int) -> NDArray[np.float64]:
    """Average non-overlapping windows of multiples of a half exactly, in Python's integers."""
    n, c, h, w = x.shape
    halves = np.vectorize(int, otypes=[object])(2 * x[:, :, : h // window * window, : w // window * window])
    sums = halves.reshape(n, c, h // window, window, w // window, window).sum(axis=(3, 5))
    return np.vectorize(lambda s: s / (2 * window * window), otypes=[np.float64])(sums)


def test_variants_are_named_by_what_they_are() -> None:
    names = strided.variants()
    assert len(set(names)) == len(names)
    for name in names:
        isa, by_pass, kernel, op, dtype = name.split("/")
        assert isa in ("baseline", "avx2", "avx512", "neon")
        assert by_pass in ("pool", "keep", "gradient")
        assert kernel
        assert op in ("max", "avg")
        assert dtype in set(DType)
    assert any(name.split("/")[0] == _pool.isa() for name in names)
    anything = {f"baseline/{by_pass}/scalar/max/{dtype}" for by_pass in ("pool", "keep") for dtype in DType}
    assert set(names) >= anything


def test_a_variant_can_be_asked_for_and_says_that_it_ran() -> None:
    x = made_of_few((1, 2, 8, 8))
    for name in strided.variants():
        isa, by_pass, kernel, op, dtype = name.split("/")
        if by_pass == "gradient":  # tests/unit/strided/test_training.py
            continue
        values = x.astype(ml_dtypes.bfloat16 if dtype == "bf16" else DType(dtype).numpy_name)
        if op == "max":
            answer = _pool.max_pool(2, values, 2, None, 0, 1, False, by_pass == "keep", None, 1, "NCHW", isa, kernel)
        else:
            answer = _pool.avg_pool(2, values, 2, None, 0, 1, False, True, None, None, 1, "NCHW", isa, kernel)
        if answer is None:  # this one does not do such a window
            continue
        result, ran = answer
        assert ran == name
        result = result[0] if by_pass == "keep" else result
        expected = reference.pool(PoolSpec.windowed(op, (2, 2)), x)
        np.testing.assert_array_equal(result.astype(np.float64), expected)
    assert _pool.max_pool(2, x, 2, None, 0, 1, False, False, None, 1, "NCHW", None, "no such kernel") is None
    result, ran = _pool.max_pool(2, x, 2, None, 0, 1, False, False, None, 1, "NCHW", None, None)
    assert ran in strided.variants()
