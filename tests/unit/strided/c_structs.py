"""The structs of ``poolbench/pooling.h``, for calls of the C functions without a compiler."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench import strided

MAX, AVERAGE = 1, 2
SAME_SIZE = -(2**63)
OK, WRONG_VALUE, WRONG_TYPE = 0, 1, 2
TYPES = ("float64", "float32", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64")

Triple = ctypes.c_int64 * 3
Five = ctypes.c_int64 * 5


class Error(ctypes.Structure):
    _fields_ = [("message", ctypes.c_char * 1024)]


class CArray(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("dims", ctypes.c_int32),
        ("type", ctypes.c_int32),
    ]


class Pooling(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        *((name, ctypes.c_int32) for name in ("kind", "rank", "adaptive", "channels_last", "ceil_mode")),
        *((name, ctypes.c_int32) for name in ("count_include_pad", "has_pairs")),
        ("divisor_override", ctypes.c_int64),
        *((name, Triple) for name in ("kernel_size", "stride", "dilation", "padding", "padding_behind")),
        ("output_size", Triple),
    ]


class Output(ctypes.Structure):
    _fields_ = [("dims", ctypes.c_int32), ("kept_type", ctypes.c_int32), ("shape", Five), ("strides", Five)]


def pooling_of(kind: int, rank: int, **fields: Any) -> Pooling:
    """As the header's function of this name, with ``fields``."""
    pooling = Pooling(ctypes.sizeof(Pooling), kind, rank, count_include_pad=1, dilation=Triple(1, 1, 1))
    for name, value in fields.items():
        setattr(pooling, name, Triple(*value) if isinstance(value, tuple) else value)
    return pooling


def array_of(source: NDArray[Any], **fields: Any) -> CArray:
    sizes = ctypes.c_int64 * source.ndim
    array = CArray(
        source.ctypes.data,
        sizes(*source.shape),
        sizes(*source.strides),
        source.ndim,
        TYPES.index(source.dtype.name) + 1,
    )
    for name, value in fields.items():
        setattr(array, name, value)
    return array


class Library:
    """The functions, each with what it says where it fails."""

    def __init__(self) -> None:
        self.functions = ctypes.CDLL(strided.get_library())

    def call(self, name: str, *arguments: Any) -> tuple[int, str]:
        error = Error()
        given = [ctypes.byref(each) if isinstance(each, ctypes.Structure) else each for each in arguments]
        code = getattr(self.functions, f"poolbench_{name}")(*given, ctypes.byref(error))
        return code, error.message.decode()

    def describe(self, pooling: Pooling, source: CArray) -> Output:
        output = Output()
        assert self.call("describe", pooling, source, output) == (OK, "")
        return output


def empty(shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
    return np.empty(shape, dtype)
