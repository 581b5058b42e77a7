"""What the operators of JAX and TensorFlow are asked for: a pooling as numbers, and the shapes that come out of it.

The rules for shapes are the library's own, which is asked by its C interface.
"""

from __future__ import annotations

import ctypes
import functools
import operator
from dataclasses import dataclass
from typing import Any

from poolbench.strided.functional import OutputSizes, Padding, Sizes
from poolbench.strided.linking import get_library
from poolbench.strided.parameters import ZERO_DIVISOR, output_sizes, sizes

MAX, AVERAGE = 1, 2
TYPES = {
    name: number
    for number, name in enumerate(
        ("float64", "float32", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64"), start=1
    )
}
"""The types of elements by their names, and the C interface's numbers of them."""

FLOATS = ("float64", "float32", "float16", "bfloat16")
SAME_SIZE = -(1 << 63)
Shape = tuple[int | None, ...]
"""Sizes of an array; None, or what a framework has for it, where one is not known yet."""

TWICE = "Gradients of pooling by poolbench have no gradients of their own: use {} here."


@dataclass(frozen=True)
class Pooling:
    """What is pooled how; ``max_pooling`` and its like make one."""

    kind: int
    rank: int
    channels_last: bool
    adaptive: bool = False
    ceil_mode: bool = False
    count_include_pad: bool = True
    has_pairs: bool = False
    divisor: int = 0
    kernel_size: tuple[int, ...] = (0, 0, 0)
    stride: tuple[int, ...] = (0, 0, 0)
    dilation: tuple[int, ...] = (1, 1, 1)
    padding: tuple[int, ...] = (0, 0, 0)
    padding_behind: tuple[int, ...] = (0, 0, 0)
    output_size: tuple[int, ...] = (0, 0, 0)

    @functools.cached_property
    def numbers(self) -> tuple[int, ...]:
        """The same as the operators read it (``frameworks/packed.h``)."""
        flags = (self.adaptive, self.channels_last, self.ceil_mode, self.count_include_pad, self.has_pairs)
        lists = (self.kernel_size, self.stride, self.dilation, self.padding, self.padding_behind, self.output_size)
        return (
            *(self.kind, self.rank, *map(int, flags), self.divisor),
            *(number for each in lists for number in (*each, 0, 0, 0)[:3]),
        )

    @functools.cached_property
    def name(self) -> str:
        """The function that was called."""
        return f"{'adaptive_' * self.adaptive}{'max' if self.kind == MAX else 'avg'}_pool{self.rank}d"

    def pooled_axes(self, axes: int) -> range:
        """Return which of an array's axes are pooled."""
        return range(axes - self.rank, axes) if not self.channels_last else range(axes - self.rank - 1, axes - 1)


class _Request(ctypes.Structure):
    """``poolbench_pooling`` of the C header."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        *((name, ctypes.c_int32) for name in ("kind", "rank", "adaptive", "channels_last", "ceil_mode")),
        *((name, ctypes.c_int32) for name in ("count_include_pad", "has_pairs")),
        ("numbers", ctypes.c_int64 * 19),
    ]


class _Array(ctypes.Structure):
    """``poolbench_array``."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("data", "shape", "strides")),
        *((name, ctypes.c_int32) for name in ("dims", "type")),
    ]


class _Output(ctypes.Structure):
    """``poolbench_output``."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("dims", "kept_type")),
        *((name, ctypes.c_int64 * 5) for name in ("shape", "strides")),
    ]


@functools.cache
def _describe() -> Any:
    return ctypes.CDLL(get_library()).poolbench_describe


@functools.lru_cache(maxsize=4096)
def describe(pooling: Pooling, shape: Shape, type_name: str) -> tuple[Shape, str]:
    """Return the shape of what comes out of an array, and the type of what a maximum keeps for its gradient.

    Sizes that are not integers, such as None, are not known: they are taken to fit, and so is the output's own.

    Raises ValueError for shapes that do not fit the pooling, and TypeError for types that it cannot be done with.
    """
    if type_name not in TYPES:
        wanted = f"maxima are taken of {', '.join(TYPES)}, averages of {', '.join(FLOATS)}"
        raise TypeError(f"{pooling.name}: input has elements of {type_name}; {wanted}. Convert it first.")
    pooled = pooling.pooled_axes(len(shape))
    fits = [1] * len(shape)
    for i, axis in enumerate(pooled):
        if axis >= 0:
            span = (pooling.kernel_size[i] - 1) * pooling.dilation[i] + 1
            fits[axis] = 1 if pooling.adaptive else max(span, 1)
    known = [size if isinstance(size, int) else fits[axis] for axis, size in enumerate(shape)]
    output = _asked(pooling, known, TYPES[type_name])
    told: list[Any] = list(output.shape[: output.dims])
    for axis, size in enumerate(shape):
        if not isinstance(size, int) and not (axis in pooled and _is_fixed(pooling, axis - pooled.start)):
            told[axis] = None if axis in pooled else size
    kept = {number: name for name, number in TYPES.items()}.get(output.kept_type, "")
    return tuple(told), kept


def _is_fixed(pooling: Pooling, axis: int) -> bool:
    """Whether the output's size along that pooled axis does not depend on the input's."""
    return pooling.adaptive and pooling.output_size[axis] != SAME_SIZE


def _asked(pooling: Pooling, shape: list[int], type_number: int) -> _Output:
    numbers = pooling.numbers
    request = _Request(ctypes.sizeof(_Request), *numbers[:7], (ctypes.c_int64 * 19)(*numbers[7:]))
    sizes_of_array = (ctypes.c_int64 * len(shape))(*shape)
    array = _Array(None, ctypes.addressof(sizes_of_array), None, len(shape), type_number)
    output, message = _Output(), ctypes.create_string_buffer(1024)
    code = _describe()(ctypes.byref(request), ctypes.byref(array), ctypes.byref(output), message)
    if code != 0:
        kinds: dict[int, type[Exception]] = {1: ValueError, 2: TypeError, 3: MemoryError}
        raise kinds.get(code, RuntimeError)(message.value.decode())
    return output


@functools.lru_cache(maxsize=1024, typed=True)
def max_pooling(
    rank: int, kernel_size: Sizes, stride: Sizes | None, padding: Padding, dilation: Sizes, ceil_mode: bool, layout: str
) -> Pooling:
    """Return the pooling that ``max_pool`` of so many axes is asked for. Raises ValueError for what does not fit."""
    return _windows(MAX, rank, kernel_size, stride, padding, dilation, ceil_mode, layout)


@functools.lru_cache(maxsize=1024, typed=True)
def avg_pooling(
    rank: int,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Padding,
    dilation: Sizes,
    ceil_mode: bool,
    layout: str,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Pooling:
    """Return the pooling that ``avg_pool`` of so many axes is asked for. Raises ValueError for what does not fit."""
    if divisor_override == 0:
        raise ValueError(ZERO_DIVISOR)
    more = {"count_include_pad": bool(count_include_pad), "divisor": divisor_override or 0}
    return _windows(AVERAGE, rank, kernel_size, stride, padding, dilation, ceil_mode, layout, **more)


@functools.lru_cache(maxsize=1024, typed=True)
def adaptive_pooling(kind: int, rank: int, output_size: OutputSizes, layout: str) -> Pooling:
    """Return the pooling that an adaptive function is asked for. Raises ValueError for what does not fit."""
    wanted = output_sizes(output_size, rank, SAME_SIZE)
    return Pooling(kind, rank, _is_channels_last(layout, rank), adaptive=True, output_size=wanted)


def _windows(
    kind: int,
    rank: int,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Padding,
    dilation: Sizes,
    ceil_mode: bool,
    layout: str,
    **more: Any,
) -> Pooling:
    window = sizes(kernel_size, rank, "kernel_size")
    before, behind = _sides(padding, rank)
    return Pooling(
        kind,
        rank,
        _is_channels_last(layout, rank),
        ceil_mode=bool(ceil_mode),
        kernel_size=window,
        stride=window if stride is None else sizes(stride, rank, "stride") or window,
        dilation=sizes(dilation, rank, "dilation"),
        padding=before,
        padding_behind=behind,
        has_pairs=bool(behind),
        **more,
    )


def _sides(padding: Padding, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the padding before each pooled axis and, where a pair is given, behind each."""
    if isinstance(padding, int) or all(isinstance(side, int) for side in padding):
        return sizes(padding, rank, "padding"), ()  # type: ignore[arg-type]
    if len(padding) != rank:
        raise ValueError(f"padding is {padding}: give one number or pair for each of the {rank} pooled axes.")
    pairs = [(side, side) if isinstance(side, int) else tuple(side) for side in padding]
    for pair in pairs:
        if len(pair) != 2:
            raise ValueError(f"padding is {padding}: an axis has one number, or a pair of before and behind.")
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def _is_channels_last(layout: str, rank: int) -> bool:
    names = {"NCHW": False, "NHWC": True}
    names |= {1: {"NCL": False, "NLC": True, "NCW": False, "NWC": True}, 3: {"NCDHW": False, "NDHWC": True}}.get(
        rank, {}
    )
    if layout not in names:
        raise ValueError(
            f"layout is {layout!r}: it must be 'NCHW' (channels before the pooled axes) or 'NHWC' (channels after "
            "them), whatever the number of pooled axes."
        )
    return names[layout]


def frozen(given: Any, name: str) -> Any:
    """Return integers, lists and lists of lists of them as what a cache can look up. Raises TypeError for others."""
    if type(given) is int or given is None:
        return given
    if isinstance(given, (list, tuple)):
        return tuple(frozen(each, name) for each in given)
    try:
        return operator.index(given)
    except TypeError:
        raise TypeError(f"{name} is {given!r}: give an integer, or one for each pooled axis.") from None
