"""oneDNN called through its C interface, with nothing between the array and its pooling primitive.

The constants are those of ``oneapi/dnnl/dnnl_types.h``. Semantics: maxima over what a window reads of the input,
averages over that or over the whole window (https://uxlfoundation.github.io/oneDNN/dev_guide_pooling.html).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.backends.geometry import (
    contiguous,
    divides_by_inside,
    divides_by_window,
    exact_padding,
    is_below_window,
    reference_axes,
)
from poolbench.errors import MissingFrameworkError
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.workload import DType, Workload, channels_last_order, default_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGE = "onednn-cpu-gomp"
LIBRARY = "libdnnl.so.3"

_DTYPES = {DType.F32: 3, DType.I8: 5, DType.U8: 6}
_CPU, _IN_ORDER, _FORWARD_INFERENCE = 1, 1, 96
_MAX, _AVG_OF_WINDOW, _AVG_OF_INSIDE = 0x1FF, 0x2FF, 0x3FF
_SOURCE, _DESTINATION = 1, 17
_STATUS = ("success", "out of memory", "invalid arguments", "not implemented", "last implementation reached",
           "runtime error", "not required")  # fmt: skip

_Dims = ctypes.c_int64 * 12


class _Argument(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_int), ("memory", ctypes.c_void_p))


class ChannelsFirst:
    """A pooling primitive on plain arrays whose channels stand before the spatial axes."""

    name = "onednn"
    framework = PACKAGE

    def supports(self, workload: Workload) -> Support:
        """Say whether one primitive computes ``workload``."""
        spec, dtype = workload.spec, workload.dtype
        if workload.pass_.is_training:
            return refused("Its backward primitive is not wired up here: this subject computes the forward pass alone.")
        if dtype is DType.I32:
            return refused("Its maxima of i32 are compared as float32, so that they come out rounded from 2**24 on.")
        if dtype not in _DTYPES:
            return refused(f"Its primitives are called here with f32, i8 and u8 alone, and not with {dtype}.")
        if spec.kind is Kind.AVG and dtype is not DType.F32:
            return refused(f"Its averages of {dtype} are rounded to whole numbers.")
        windowed = spec.as_windowed(workload.spatial)
        if windowed is None:
            return refused("There is no adaptive pooling in oneDNN: its windows are alike, and these are not.")
        if not is_below_window(exact_padding(windowed, workload.spatial), windowed):
            return refused("Padding must be below the window's size for oneDNN.")
        if spec.kind is Kind.AVG and _average(windowed, workload) is None:
            return refused("An average is divided by its window, or by what that reads of the input, alone.")
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return OpenMP's variables: oneDNN takes as many threads as OpenMP gives."""
        return {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}

    def load(self, threads: int) -> None:
        """Open the library; threads are OpenMP's."""
        _library()

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Open the library; nothing of the process changes."""
        _library()
        yield

    def facts(self) -> Mapping[str, str]:
        """Return the package's release and the library's instruction set, as it numbers them."""
        return {PACKAGE: metadata.version(PACKAGE), "isa": f"{_library().dnnl_get_effective_cpu_isa():#x}"}

    def native_order(self, rank: int) -> str:
        """Return the axis order that the primitive is given."""
        return default_order(rank)

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Make the primitive; under GIVEN the timed call brings the caller's array into its order and back."""
        import numpy as np

        native, order, given = self.native_order(workload.spec.rank), workload.order, source.array
        primitive = _Primitive(workload, native)
        shape = tuple(workload.output_shape[axis] for axis in reference_axes(order, native))
        dtype = given.dtype

        def pool(array: NDArray[Any]) -> NDArray[Any]:
            result: NDArray[Any] = np.empty(shape, dtype)
            primitive.run(array, result)
            return result

        natural = default_order(workload.spec.rank)
        if source.layout is LayoutPolicy.GIVEN:

            def compute() -> NDArray[Any]:
                return contiguous(pool(contiguous(given, order, native)), native, order)

            return Call(native, compute, lambda result: contiguous(result, order, natural))
        held = contiguous(given, order, native)
        return Call(native, lambda: pool(held), lambda result: contiguous(result, native, natural))


class ChannelsLast(ChannelsFirst):
    """The same on arrays whose channels are innermost."""

    name = "onednn:channels_last"

    def native_order(self, rank: int) -> str:
        """Return the axis order that the primitive is given."""
        return channels_last_order(rank)


class _Primitive:
    """A pooling primitive between two plain arrays in axis order ``native``; it lives as long as its objects do."""

    def __init__(self, workload: Workload, native: str) -> None:
        library = _library()
        spec = workload.spec.as_windowed(workload.spatial)
        assert spec is not None and spec.window is not None and spec.stride is not None
        padding = exact_padding(spec, workload.spatial)
        self._execute, self._wait, self._set = (
            library.dnnl_primitive_execute, library.dnnl_stream_wait, library.dnnl_memory_set_data_handle
        )  # fmt: skip
        engine = _made(library.dnnl_engine_create, _CPU, ctypes.c_size_t(0))
        self._stream = _made(library.dnnl_stream_create, engine, _IN_ORDER)
        descriptions = [
            _described(shape, native, _DTYPES[workload.dtype])
            for shape in (workload.reference_input_shape, workload.reference_output_shape)
        ]
        described = _made(
            library.dnnl_pooling_forward_primitive_desc_create, engine, _FORWARD_INFERENCE,
            _MAX if spec.kind is Kind.MAX else _average(spec, workload), *descriptions, _dims(spec.stride),
            _dims(spec.window), _dims([step - 1 for step in spec.dilation]), _dims([lo for lo, _ in padding]),
            _dims([hi for _, hi in padding]), None,
        )  # fmt: skip
        self._primitive = _made(library.dnnl_primitive_create, described)
        self._memories = [_made(library.dnnl_memory_create, description, engine, None) for description in descriptions]
        places = zip((_SOURCE, _DESTINATION), self._memories, strict=True)
        self._arguments = (_Argument * 2)(*(_Argument(place, memory.value) for place, memory in places))

    def run(self, source: NDArray[Any], result: NDArray[Any]) -> None:
        """Pool ``source`` into ``result``."""
        self._set(self._memories[0], source.__array_interface__["data"][0])
        self._set(self._memories[1], result.__array_interface__["data"][0])
        _check(self._execute(self._primitive, self._stream, 2, self._arguments))
        _check(self._wait(self._stream))


def _average(spec: PoolSpec, workload: Workload) -> int | None:
    """Return which of oneDNN's two averages divides as ``spec`` does; None where neither does."""
    if divides_by_inside(spec, workload.spatial):
        return _AVG_OF_INSIDE
    return _AVG_OF_WINDOW if divides_by_window(spec, workload.spatial) else None


def _described(shape: Sequence[int], native: str, dtype: int) -> ctypes.c_void_p:
    """Return the description of a plain array of ``shape`` (batch, channels, *spatial) that lies in ``native``."""
    names = default_order(len(shape) - 2)
    sizes = dict(zip(names, shape, strict=True))
    steps: dict[str, int] = {}
    step = 1
    for axis in reversed(native):
        steps[axis] = step
        step *= sizes[axis]
    create = _library().dnnl_memory_desc_create_with_strides
    return _made(create, len(shape), _dims(shape), dtype, _dims([steps[axis] for axis in names]))


def _made(create: Any, *arguments: Any) -> ctypes.c_void_p:
    """Return the object that one of the library's functions makes."""
    made = ctypes.c_void_p()
    _check(create(ctypes.byref(made), *arguments))
    return made


def _check(status: int) -> None:
    if status:
        known = _STATUS[status] if status < len(_STATUS) else f"status {status}"
        raise RuntimeError(f"oneDNN says: {known}.")


def _dims(values: Sequence[int]) -> Any:
    return _Dims(*values)


@cache
def _library() -> ctypes.CDLL:
    """Open the library that the package brought. Raises MissingFrameworkError where it brought none."""
    files = [file for file in metadata.files(PACKAGE) or () if file.name == LIBRARY]
    paths = [Path(str(metadata.distribution(PACKAGE).locate_file(file))) for file in files]
    if not paths or not paths[0].exists():
        raise MissingFrameworkError(
            f"The package {PACKAGE} has no {LIBRARY} here: install it anew with pip install 'poolbench[onednn]'."
        )
    library = ctypes.CDLL(str(paths[0]))
    for name in ("dnnl_primitive_execute", "dnnl_stream_wait", "dnnl_memory_set_data_handle"):
        getattr(library, name).restype = ctypes.c_int
    library.dnnl_memory_set_data_handle.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    return library
