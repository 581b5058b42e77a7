"""What bad input gets: an exception of Python's whose sentence names the argument, and the shapes where they matter."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from poolbench import strided
from poolbench.strided import _pool, training

X = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)
HUGE = 2**62
SHAPE = r"\(1, 2, 4, 4\)"

BAD_SIZES: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("max_pool2d", (5,), {}, rf"kernel_size \(5, 5\) does not fit along h: .* spans 5 .* padded input 4 .*{SHAPE}"),
    ("max_pool2d", ((2, 5),), {}, rf"kernel_size \(2, 5\) does not fit along w.*{SHAPE}"),
    ("max_pool2d", (3,), {"dilation": 2}, rf"does not fit along h: the window spans 5 .*dilation 2.*{SHAPE}"),
    ("max_pool2d", (HUGE,), {}, "kernel_size .* does not fit"),
    ("max_pool2d", (2,), {"dilation": HUGE}, "does not fit"),
    ("max_pool2d", (2**63 - 1,), {"dilation": 2**63 - 1}, "does not fit"),
    ("max_pool2d", (10**30,), {}, "kernel_size holds a number that 64 bits cannot hold"),
    ("max_pool2d", (0,), {}, rf"kernel_size is \(0, 0\): each entry must be at least 1; .*{SHAPE}"),
    ("max_pool2d", ((2, -1),), {}, r"kernel_size is \(2, -1\)"),
    ("max_pool2d", (2, 0), {}, r"stride is \(0, 0\): each entry must be at least 1"),
    ("max_pool2d", (2, -(2**63)), {}, "stride is .*at least 1"),
    ("max_pool2d", (2,), {"dilation": 0}, r"dilation is \(0, 0\)"),
    ("max_pool2d", (2,), {"padding": -1}, r"padding is \(-1, -1\): each entry must be at least 0"),
    ("max_pool2d", (2,), {"padding": ((0, -1), 0)}, r"padding is \(-1, 0\)"),
    ("max_pool2d", (2,), {"padding": 2}, rf"padding is 2 along h: it may be at most half .* 1 .*\(lo, hi\).*{SHAPE}"),
    ("avg_pool2d", (3,), {"padding": (1, 2)}, r"padding is 2 along w: it may be at most half"),
    ("max_pool2d", (2,), {"padding": 2**63 - 1}, "padding .* overflow"),
    ("max_pool2d", (HUGE,), {"padding": HUGE // 2}, "padding .* overflow"),
    ("max_pool2d", (2, 1), {"padding": ((2, 0), 0)}, rf"leaves the window of output 0 nothing .*lessen.*{SHAPE}"),
    ("max_pool2d", (2, 1), {"padding": (0, (0, 2))}, "along w leaves the window of output 4 nothing"),
    ("max_pool2d", (2, 1), {"padding": ((4, 4), 0), "dilation": (6, 1)}, "leaves the window of output 2 nothing"),
    ("avg_pool2d", (2, 1), {"padding": ((2, 0), 0), "count_include_pad": False}, "nothing of the input to read"),
    ("max_pool2d", ((2, 2, 2),), {}, r"kernel_size \(2, 2, 2\) has 3 entries: pooling over 2 axes takes one, or 2"),
    ("max_pool2d", (2, (1, 1, 1)), {}, r"stride \(1, 1, 1\) has 3 entries"),
    ("max_pool2d", ((),), {}, r"kernel_size \(\) has 0 entries"),
    ("avg_pool2d", (2,), {"divisor_override": 0}, "divisor_override is 0"),
    ("avg_pool2d", (HUGE,), {"padding": ((2**61, 2**61), (0, 0))}, "padding .* overflow"),
    ("avg_pool2d", (2**40,), {"padding": ((2**40, 0), (2**40, 0))}, r"kernel_size \(\d+, \d+\) counts more elements"),
    ("avg_pool2d", (1,), {"padding": ((2**40, 0), (2**40, 0))}, r"output would have shape \(1, 2, \d+, \d+\)"),
    ("adaptive_max_pool2d", (0,), {}, rf"output_size asks for 0 along h: it must be at least 1.*{SHAPE}"),
    ("adaptive_avg_pool2d", ((2, -1),), {}, "output_size asks for -1 along w"),
    ("adaptive_avg_pool2d", (2**63 - 1,), {}, "output_size asks for .* overflows"),
    ("adaptive_avg_pool2d", (2**40,), {}, "output would have shape"),
    ("adaptive_avg_pool2d", ((1, 2, 3),), {}, r"output_size \(1, 2, 3\) has 3 entries"),
    ("max_pool2d", (2,), {"threads": 0}, "threads is 0; it must be at least 1"),
    ("max_pool2d", (2,), {"layout": "CHWN"}, "layout is CHWN: it must be 'NCHW' .* or 'NHWC'"),
    ("max_pool2d", (2,), {"layout": "NCDHW"}, "layout is NCDHW"),
    ("max_pool2d", (2,), {"layout": None}, "layout is None"),
    ("max_pool1d", (2,), {}, rf"4 axes and shape {SHAPE}: pooling over 1 axis takes \(C, L\) or \(N, C, L\)"),
]


@pytest.mark.parametrize(("name", "arguments", "options", "sentence"), BAD_SIZES, ids=str)
def test_numbers_that_do_not_fit(name: str, arguments: tuple[Any, ...], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as error:
        getattr(strided, name)(X, *arguments, **options)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((2.0,), {}, "kernel_size must be an integer or a sequence of one integer per axis; it is 2.0, of type float"),
        (("22",), {}, "kernel_size must be .* of type str"),
        ((None,), {}, "kernel_size must be .* NoneType"),
        (((2, 2.5),), {}, "kernel_size must be"),
        ((2, {"a": 1}), {}, "stride must be"),
        ((2,), {"padding": ((1, 2, 3), 0)}, r"padding must be .*\(lo, hi\) pair per axis"),
        ((2,), {"padding": (None, 0)}, "padding must be"),
        ((2,), {"dilation": None}, "dilation must be"),
        ((2,), {"ceil_mode": 2}, "ceil_mode must be True or False; it is 2"),
        ((2,), {"return_indices": None}, "return_indices must be True or False"),
        ((2,), {"threads": 1.5}, "threads must be a number of threads"),
    ],
    ids=str,
)
def test_arguments_of_the_wrong_type(arguments: tuple[Any, ...], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        strided.max_pool2d(X, *arguments, **options)


def test_a_pair_for_one_axis_is_pointed_out() -> None:
    with pytest.raises(ValueError, match=r"a \(lo, hi\) pair is written \(\(lo, hi\),\)"):
        strided.max_pool1d(X[0], 2, padding=(1, 0))


@pytest.mark.parametrize("shape", [(), (4,), (4, 4), (1, 1, 1, 4, 4)])
def test_wrong_rank(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape, np.float32)
    with pytest.raises(ValueError, match=r"The input has .*pooling over 2 axes takes \(C, H, W\) or \(N, C, H, W\)"):
        strided.max_pool2d(x, 2)
    with pytest.raises(ValueError, match=r"takes \(H, W, C\) or \(N, H, W, C\)"):
        strided.max_pool2d(x, 2, layout="NHWC")


def test_more_axes_than_any_pooling_takes() -> None:
    with pytest.raises(ValueError, match="input has 6 axes"):
        strided.max_pool3d(np.zeros((1,) * 6, np.float32), 1)


@pytest.mark.parametrize("shape", [(1, 0, 4, 4), (1, 1, 0, 4), (0, 1, 4, 0), (0, 4, 4)])
def test_windows_want_channels_and_places(shape: tuple[int, ...]) -> None:
    for call in (lambda x: strided.max_pool2d(x, 1), lambda x: strided.avg_pool2d(x, 1)):
        with pytest.raises(ValueError, match="the axes that are pooled may not be empty, and the channels only where"):
            call(np.zeros(shape, np.float32))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_may_be_empty_where_pytorchs_may(rank: int, kind: str, layout: str) -> None:
    torch = pytest.importorskip("torch")
    name = f"adaptive_{kind}_pool{rank}d"
    taken = 0
    for shape, size, length in itertools.product(((2, 0), (0,), (0, 0), (0, 3)), (1, 2), (1, 3)):
        x = torch.zeros(*shape, *(length,) * rank)
        array = np.zeros(x.shape, np.float32)
        if layout == "NHWC":
            array = np.moveaxis(array, len(shape) - 1, -1)
        try:
            expected = getattr(torch.nn.functional, name)(x, size).numpy()
        except RuntimeError:
            for functions in (strided, training):
                with pytest.raises(ValueError, match="may not be empty"):
                    getattr(functions, name)(array, size, layout=layout)
            continue
        output, pullback = getattr(training, name)(array, size, layout=layout)
        for found in (output, getattr(strided, name)(array, size, layout=layout)):
            assert (np.moveaxis(found, -1, len(shape) - 1) if layout == "NHWC" else found).shape == expected.shape
        assert pullback(output).shape == array.shape
        taken += 1
    assert taken >= 8


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("shape", [(2, 0, 0, 0), (2, 3, 0, 4), (0, 0, 4), (3, 4, 0)])
def test_no_pooled_axis_may_be_empty(shape: tuple[int, ...], size: int) -> None:
    for name in ("adaptive_max_pool2d", "adaptive_avg_pool2d"):
        with pytest.raises(ValueError, match="the axes that are pooled may not be empty"):
            getattr(strided, name)(np.zeros(shape, np.float32), size)


@pytest.mark.parametrize("empty", [[], (), np.array([], int)], ids=["list", "tuple", "array"])
@pytest.mark.parametrize("name", ["max_pool1d", "avg_pool1d", "max_pool2d", "avg_pool2d", "max_pool3d", "avg_pool3d"])
def test_an_empty_stride_is_the_default(name: str, empty: Any) -> None:
    x = np.arange(4 ** int(name[-2]), dtype=np.float32).reshape((1, 1) + (4,) * int(name[-2]))
    expected = getattr(strided, name)(x, 2)
    np.testing.assert_array_equal(getattr(strided, name)(x, 2, empty), expected)
    np.testing.assert_array_equal(getattr(training, name)(x, 2, stride=empty)[0], expected)


def test_the_window_must_fit_an_empty_batch_as_well() -> None:
    with pytest.raises(ValueError, match="kernel_size"):
        strided.max_pool2d(np.zeros((0, 1, 4, 4), np.float32), 5)


@pytest.mark.parametrize("dtype", ["bool", "uint16", "uint32", "uint64", "complex64", "longdouble", "U4", "O", "M8[s]"])
def test_dtypes_that_no_function_takes(dtype: str) -> None:
    x = np.zeros((1, 4, 4), dtype)
    with pytest.raises(TypeError, match=f"elements of type {x.dtype}".replace("[", r"\[")) as error:
        strided.max_pool2d(x, 2)
    assert "float64, float32, float16, bfloat16, int8, uint8, int16, int32 and int64" in str(error.value)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
def test_averages_take_floats_alone(dtype: str) -> None:
    with pytest.raises(TypeError, match="an average is taken of float64, float32, float16 and bfloat16"):
        strided.avg_pool2d(np.zeros((1, 4, 4), dtype), 2)


def test_bytes_in_the_other_order() -> None:
    with pytest.raises(TypeError, match="whose bytes are in the other order"):
        strided.max_pool2d(X.astype(X.dtype.newbyteorder()), 2)


@pytest.mark.parametrize("x", [[[[1.0]]], None, 3.5, object()])
def test_things_that_are_not_arrays(x: Any) -> None:
    with pytest.raises(TypeError, match=r"input is of type .*neither DLPack nor the buffer protocol"):
        strided.max_pool2d(x, 1)


def test_tensors_that_cannot_be_read() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"requires a gradient.*pass input\.detach\(\)"):
        strided.max_pool2d(torch.zeros(1, 4, 4, requires_grad=True), 2)
    with pytest.raises(TypeError, match="elements of type complex64"):
        strided.max_pool2d(torch.zeros(1, 4, 4, dtype=torch.complex64), 2)
    with pytest.raises(TypeError, match="elements of type bool"):
        strided.max_pool2d(torch.zeros(1, 4, 4, dtype=torch.bool), 2)
    with pytest.raises((TypeError, ValueError), match="input"):
        strided.max_pool2d(torch.zeros(1, 4, 4, device="meta"), 2)
    with pytest.raises(TypeError, match="does not give out its memory"):
        strided.max_pool2d(torch.zeros(1, 4, 4).to_sparse(), 2)


class Elsewhere:
    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self, **options: Any) -> Any:
        raise AssertionError("nobody may ask for it")


def test_arrays_on_other_devices() -> None:
    with pytest.raises(ValueError, match="input is a Elsewhere on DLPack device type 2: only arrays in the CPU's"):
        strided.max_pool2d(Elsewhere(), 2)


def read_only() -> Any:
    out = np.zeros((1, 2, 2, 2), np.float32)
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(
    ("out", "kind", "sentence"),
    [
        (
            np.zeros((1, 2, 2, 3), np.float32),
            ValueError,
            rf"out has shape \(1, 2, 2, 3\); .*{SHAPE} has \(1, 2, 2, 2\)",
        ),
        (np.zeros((2, 2, 2), np.float32), ValueError, r"out has shape \(2, 2, 2\)"),
        (np.zeros((1, 2, 2, 2), np.float64), TypeError, "out has elements of type f64; it must have the input's"),
        (np.zeros((1, 2, 2, 2), ">f4"), TypeError, "out has elements of type .*other order"),
        (read_only(), ValueError, "out is a read-only array"),
        (b"12345678", ValueError, "out is a bytes that cannot be written"),
        (np.broadcast_to(np.zeros((1, 2, 2, 1), np.float32), (1, 2, 2, 2)), ValueError, "out is a read-only array"),
        (
            np.lib.stride_tricks.as_strided(np.zeros(9, np.float32), (1, 2, 2, 2), (0, 16, 8, 0)),
            ValueError,
            "by which its elements overlap",
        ),
        (
            np.lib.stride_tricks.as_strided(np.zeros(9, np.float32), (1, 2, 2, 2), (32, 16, 4, 4)),
            ValueError,
            "by which its elements overlap",
        ),
        (X[:, :, :2, :2], ValueError, rf"out of shape \(1, 2, 2, 2\) shares memory with the input of shape {SHAPE}"),
        (X[:, :, 3:1:-1, ::2], ValueError, "shares memory with the input"),
        (X.reshape(-1)[-8:].reshape(1, 2, 2, 2), ValueError, "shares memory with the input"),
        ([1.0], TypeError, "out is of type list"),
        ((np.zeros((1, 2, 2, 2), np.float32), None), TypeError, "out is of type tuple"),
    ],
    ids=str,
)
def test_outputs_that_cannot_be_written(out: Any, kind: type[Exception], sentence: str) -> None:
    before = X.copy()
    with pytest.raises(kind, match=sentence):
        strided.max_pool2d(X, 2, out=out)
    np.testing.assert_array_equal(X, before)


def test_pairs_of_outputs_that_cannot_be_written() -> None:
    out = np.zeros((1, 2, 2, 2), np.float32)
    memory = np.zeros(16, np.int64)
    indices = memory[:8].reshape(1, 2, 2, 2)
    for pair, kind, sentence in [
        ((out,), ValueError, "out has 1 entries"),
        ((out, out.astype(np.int32)), TypeError, r"out\[1\] has elements of type i32; it must have int64"),
        ((out, indices[:, :1]), ValueError, r"out\[1\] has shape"),
        ((memory.view(np.float32)[4:12].reshape(out.shape), indices), ValueError, r"out\[1\] .* shares memory"),
    ]:
        with pytest.raises(kind, match=sentence):
            strided.max_pool2d(X, 2, return_indices=True, out=pair)


def test_tensors_that_are_read_only() -> None:
    tf = pytest.importorskip("tensorflow")
    with pytest.raises(ValueError, match="out is a EagerTensor, which does not let others write"):
        strided.max_pool2d(X, 2, out=tf.zeros((1, 2, 2, 2)))


def test_sizes_whose_product_overflows() -> None:
    one = np.zeros((1, 1, 1, 1), np.int8)
    wide = np.lib.stride_tricks.as_strided(one, (1, 1, 2**31, 2**31), (0, 0, 0, 0))
    with pytest.raises(ValueError, match=r"input's sizes.*overflow"):
        strided.max_pool2d(wide, 1)
    far = np.lib.stride_tricks.as_strided(one, (1, 1, 1, 3), (0, 0, 0, 2**62))
    with pytest.raises(ValueError, match=r"input's sizes.*overflow"):
        strided.max_pool2d(far, 1)


def test_outputs_too_large_for_memory() -> None:
    with pytest.raises(MemoryError, match=r"output of shape \(1, 2, 17592186044416, 4\) needs \d+ bytes"):
        strided.adaptive_max_pool2d(X, (2**44, 4))


def test_a_wrong_engine_or_instruction_set() -> None:
    with pytest.raises(ValueError, match="no instruction set sse9"):
        _pool.max_pool(2, X, 2, None, 0, 1, False, False, None, 1, "NCHW", "sse9", None)
    with pytest.raises(TypeError, match="takes 11, 13 or 14 arguments"):
        _pool.max_pool(2, X)
    with pytest.raises(ValueError, match="rank"):
        _pool.max_pool(4, X, 2, None, 0, 1, False, False, None, 1, "NCHW")
