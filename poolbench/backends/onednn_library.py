"""oneDNN's C interface through ctypes: the library, how arrays are described to it, and primitives.

Constants and signatures are those of ``oneapi/dnnl/dnnl_types.h`` and ``dnnl.h`` of oneDNN 3.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolbench.backends.geometry import reference_axes
from poolbench.backends.placement import empty_where
from poolbench.errors import MissingFrameworkError
from poolbench.model.workload import DType, default_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

PACKAGE = "onednn-cpu-gomp"
LIBRARY = "libdnnl.so.3"

DTYPES = {DType.F32: 3, DType.I8: 5, DType.U8: 6}
SOURCE, DESTINATION, WORKSPACE, SOURCE_GRADIENT, DESTINATION_GRADIENT = 1, 17, 64, 129, 145

_CPU, _IN_ORDER, _AVX512 = 1, 1, 0x20
_ASKED_FOR_NAME, _ASKED_FOR_WORKSPACE = 8, 135
_STATUS = ("success", "out of memory", "invalid arguments", "not implemented", "last implementation reached",
           "runtime error", "not required")  # fmt: skip
_CALLED_WHEN_TIMED = ("dnnl_primitive_execute", "dnnl_stream_wait", "dnnl_memory_set_data_handle")

_Dims = ctypes.c_int64 * 12


class _Argument(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_int), ("memory", ctypes.c_void_p))


@dataclass(frozen=True, slots=True)
class Form:
    """How an array lies: its axes in ``order``, and the channels in blocks of ``block`` innermost (0: not in blocks).

    A blocked array is one of NumPy's with one more axis: (batch, blocks, *spatial, block). The last block is filled up
    with zeros, as oneDNN demands.
    """

    order: str
    block: int = 0

    def __str__(self) -> str:
        """The name in oneDNN's own way of writing: ``nchw``, ``nChw16c``."""
        return f"{self.order.replace('c', 'C')}{self.block}c" if self.block else self.order

    def shape(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of the array that holds ``sizes``, which are (batch, channels, *spatial)."""
        natural = default_order(len(sizes) - 2)
        if self.block:
            return (sizes[0], -(-sizes[1] // self.block), *sizes[2:], self.block)
        return tuple(sizes[axis] for axis in reference_axes(natural, self.order))

    def describe(self, sizes: Sequence[int], dtype: DType) -> ctypes.c_void_p:
        """Return the library's description of an array of ``sizes`` (batch, channels, *spatial)."""
        if self.block:
            create = library().dnnl_memory_desc_create_with_tag
            return made(create, len(sizes), dims(sizes), DTYPES[dtype], _tag(len(sizes), self.block))
        shape = self.shape(sizes)
        return describe_view(shape, [math.prod(shape[axis + 1 :]) for axis in range(len(shape))], self.order, dtype)

    def pack(self, array: Array, order: str) -> Array:
        """Return ``array``, whose axes are in ``order``, in this form: itself where it lies so, else a copy."""
        natural = default_order(len(order) - 2)
        if not self.block:
            source = array.transpose(reference_axes(order, self.order))
            if source.flags.c_contiguous:
                return source
            result = empty_where(array, source.shape)
            result[...] = source
            return result
        source = array.transpose(reference_axes(order, natural))
        result = empty_where(array, self.shape(source.shape))
        result[...] = 0
        for first in range(0, source.shape[1], self.block):
            part = source[:, first : first + self.block]
            result[:, first // self.block, ..., : part.shape[1]] = part.transpose(0, *range(2, source.ndim), 1)
        return result

    def unpack(self, array: Array, channels: int) -> Array:
        """Return what ``array`` holds in this form, as (batch, channels, *spatial)."""
        import numpy as np

        if not self.block:
            return np.ascontiguousarray(array.transpose(reference_axes(self.order, default_order(array.ndim - 2))))
        last = array.ndim - 1
        planes = array.transpose(0, 1, last, *range(2, last))
        return np.ascontiguousarray(planes.reshape(planes.shape[0], -1, *planes.shape[3:])[:, :channels])


class Engine:
    """The processor, and the stream that primitives are executed on."""

    def __init__(self) -> None:
        self.handle = made(library().dnnl_engine_create, _CPU, ctypes.c_size_t(0))
        self.stream = made(library().dnnl_stream_create, self.handle, _IN_ORDER)


class Primitive:
    """A primitive made from its ``description``, with a memory at each of its ``places``."""

    def __init__(self, engine: Engine, description: ctypes.c_void_p, places: Mapping[int, ctypes.c_void_p]) -> None:
        found = library()
        self._execute, self._wait, self._set = (getattr(found, name) for name in _CALLED_WHEN_TIMED)
        self._stream = engine.stream
        self._primitive = made(found.dnnl_primitive_create, description)
        self._memories = {
            place: made(found.dnnl_memory_create, shape, engine.handle, None) for place, shape in places.items()
        }
        self._count = len(places)
        self._held: dict[int, Array] = {}
        pairs = [_Argument(place, memory.value) for place, memory in self._memories.items()]
        self._arguments = (_Argument * self._count)(*pairs)
        name = ctypes.c_char_p()
        check(found.dnnl_primitive_desc_query(description, _ASKED_FOR_NAME, 0, ctypes.byref(name)))
        self.name = (name.value or b"").decode()
        """Which of oneDNN's implementations computes, such as ``jit:avx512_core``."""

    def place(self, place: int, array: Array) -> None:
        """Let the memory at ``place`` be ``array``'s, which must live on until the primitive was executed."""
        self._set(self._memories[place], array.__array_interface__["data"][0])

    def place_new(self, place: int, array: Array) -> None:
        """Do the same for a contiguous array that may be written to, in a third of the time."""
        buffer: Any = array  # NumPy declares its arrays as buffers from Python 3.12 on
        self._set(self._memories[place], ctypes.addressof(ctypes.c_char.from_buffer(buffer)))

    def hold(self, place: int, array: Array) -> None:
        """Let the memory at ``place`` be ``array``'s from now on, and keep that alive."""
        self.place(place, array)
        self._held[place] = array

    def execute(self) -> None:
        """Compute, and wait for the end."""
        check(self._execute(self._primitive, self._stream, self._count, self._arguments))
        check(self._wait(self._stream))


def reorder(engine: Engine, source: ctypes.c_void_p, destination: ctypes.c_void_p) -> Callable[[Array, Array], Array]:
    """Return a function that copies the first array into the second, which it returns: the library's own reorder."""
    description = made(library().dnnl_reorder_primitive_desc_create, source, engine.handle, destination, engine.handle,
                       None)  # fmt: skip
    primitive = Primitive(engine, description, {SOURCE: source, DESTINATION: destination})

    def copy(array: Array, result: Array) -> Array:
        primitive.place(SOURCE, array)
        primitive.place_new(DESTINATION, result)
        primitive.execute()
        return result

    return copy


def describe_view(shape: Sequence[int], steps: Sequence[int], order: str, dtype: DType) -> ctypes.c_void_p:
    """Return the description of an array whose axes are in ``order``; ``steps`` are its strides in elements."""
    axes = reference_axes(order, default_order(len(order) - 2))
    sizes = [shape[axis] for axis in axes]
    strides = dims([steps[axis] for axis in axes])
    return made(library().dnnl_memory_desc_create_with_strides, len(sizes), dims(sizes), DTYPES[dtype], strides)


def workspace(description: ctypes.c_void_p) -> tuple[ctypes.c_void_p, int] | None:
    """Return what a forward keeps for its backward: the memory's description and bytes; None where it keeps nothing."""
    found = ctypes.c_void_p(library().dnnl_primitive_desc_query_md(description, _ASKED_FOR_WORKSPACE, 0))
    if not found.value:
        return None
    size = library().dnnl_memory_desc_get_size(found)
    return (found, size) if size else None


def widest_block() -> int:
    """Return how many channels a block of oneDNN's own layout has on this processor."""
    return 16 if isa() & _AVX512 else 8


def isa() -> int:
    """Return the instruction set in use, as the library numbers it."""
    return int(library().dnnl_get_effective_cpu_isa())


def made(create: Any, *arguments: Any) -> ctypes.c_void_p:
    """Return the object that one of the library's functions makes. Raises RuntimeError with the library's reason."""
    result = ctypes.c_void_p()
    check(create(ctypes.byref(result), *arguments))
    return result


def check(status: int) -> None:
    """Raise RuntimeError where ``status`` is not that of success."""
    if status:
        known = _STATUS[status] if status < len(_STATUS) else f"status {status}"
        raise RuntimeError(f"oneDNN says: {known}.")


def dims(values: Sequence[int]) -> Any:
    """Return ``values`` as the library takes sizes, strides and paddings."""
    return _Dims(*values)


@cache
def library() -> ctypes.CDLL:
    """Open the library that the package brought. Raises MissingFrameworkError where it brought none."""
    files = [file for file in metadata.files(PACKAGE) or () if file.name == LIBRARY]
    paths = [Path(str(metadata.distribution(PACKAGE).locate_file(file))) for file in files]
    if not paths or not paths[0].exists():
        raise MissingFrameworkError(
            f"The package {PACKAGE} has no {LIBRARY} here: install it anew with pip install 'poolbench[onednn]'."
        )
    found = ctypes.CDLL(str(paths[0]))
    for name in _CALLED_WHEN_TIMED:
        getattr(found, name).restype = ctypes.c_int
    found.dnnl_memory_set_data_handle.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    found.dnnl_primitive_desc_query_md.restype = ctypes.c_void_p
    found.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
    found.dnnl_fmt_tag2str.restype = ctypes.c_char_p
    return found


@cache
def _tag(axes: int, block: int) -> int:
    """Return the number of the blocked layout of ``axes`` axes: it differs between releases, its name does not."""
    letters = "abcdef"[:axes]
    name = f"{letters.replace('b', 'B')}{block}b".encode()
    tags = range(4096)
    for tag in tags:
        if library().dnnl_fmt_tag2str(tag) == name:
            return tag
    raise RuntimeError(f"oneDNN has no layout {name.decode()}.")
