"""LiteRT (TensorFlow Lite) on a model of one pooling, which its XNNPACK delegate computes."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.backends.geometry import contiguous, reference_axes
from poolbench.backends.litert_model import model_of, padding_of
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Kind
from poolbench.model.workload import DType, Workload, channels_last_order, default_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

PACKAGE = "ai-edge-litert"

_DTYPES = (DType.F32, DType.I8, DType.U8)


class LiteRt:
    """``Interpreter.invoke`` on an input that lies in the interpreter, and a copy of its output."""

    name = "litert"
    framework = PACKAGE
    shares_output = False
    """Whether the result is the interpreter's own tensor, written again by each call, and not a copy of it."""

    def supports(self, workload: Workload) -> Support:
        """Say whether a model of one pooling, or of a padding and a pooling, expresses ``workload``."""
        spec, dtype = workload.spec, workload.dtype
        if workload.pass_.is_training:
            return refused("LiteRT computes no gradients of pooling.")
        if spec.rank == 3:
            return refused("LiteRT pools over one and two spatial axes only.")
        if dtype not in _DTYPES:
            return refused(f"LiteRT's pooling is called here with f32, i8 and u8 alone, and not with {dtype}.")
        if spec.kind is Kind.AVG and not dtype.is_float:
            return refused(f"LiteRT's averages of {dtype} are rounded to whole numbers.")
        windowed = spec.as_windowed(workload.spatial)
        if windowed is None:
            return refused("LiteRT has no adaptive pooling: its windows are alike, and these are not.")
        if max(windowed.dilation) > 1:
            return refused("LiteRT's pooling has no dilation.")
        if spec.is_global:
            return SUPPORTED
        if padding_of(windowed, workload.spatial) is None:
            return refused("LiteRT divides averages by the window, or under SAME by what that reads of the input.")
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return nothing: the threads are the interpreter's, and wait without spinning."""
        return {}

    def load(self, threads: int) -> None:
        """Import LiteRT; the threads are those of the interpreter that ``prepare`` makes."""
        import ai_edge_litert.interpreter  # noqa: F401

    def facts(self) -> Mapping[str, str]:
        """Return the release, and whether the output is copied."""
        return {PACKAGE: metadata.version(PACKAGE), "output": "shared" if self.shares_output else "copied"}

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Make the interpreter; under GIVEN the timed call copies the caller's array into it, and back out."""
        from ai_edge_litert.interpreter import Interpreter

        rank, order = workload.spec.rank, workload.order
        native, natural = channels_last_order(rank), default_order(rank)
        content, *_ = model_of(workload)
        interpreter = Interpreter(model_content=content, num_threads=source.threads)
        interpreter.allocate_tensors()
        shapes = [
            tuple(shape[axis] for axis in reference_axes(natural, native))
            for shape in (workload.reference_input_shape, workload.reference_output_shape)
        ]
        x, y = (_view(interpreter, tensor, shape) for tensor, shape in enumerate(shapes))
        given = source.array.transpose(reference_axes(order, native))
        kernels = _computing(interpreter)
        invoke, output_shape, shares = interpreter.invoke, shapes[1], self.shares_output

        def pool() -> Array:
            invoke()
            if shares:
                return y
            return interpreter.get_tensor(1).reshape(output_shape)  # type: ignore[no-any-return]

        if source.layout is LayoutPolicy.BEST:
            x[...] = given
            return Call(native, pool, lambda result: contiguous(result, native, natural), kernels=kernels)

        def from_given() -> Array:
            x[...] = given
            return contiguous(pool(), native, order)

        return Call(native, from_given, lambda result: contiguous(result, order, natural), kernels=kernels)


class Out(LiteRt):
    """The same without the copy of the output, which the next call overwrites."""

    name = "litert:out"
    shares_output = True


def _view(interpreter: Any, tensor: int, shape: tuple[int, ...]) -> Array:
    """Return the memory of the interpreter's ``tensor`` as an array of ``shape``.

    The interpreter refuses to run while one of its own views is alive. This one is valid as long as no tensor is
    allocated anew, and keeps the interpreter alive.
    """
    import numpy as np

    own = interpreter.tensor(tensor)()
    memory = (ctypes.c_char * own.nbytes).from_address(own.ctypes.data)
    memory.interpreter = interpreter
    return np.frombuffer(memory, own.dtype).reshape(shape)


def _computing(interpreter: Any) -> dict[str, str]:
    """Return who pools, and who pads where that is an operator: the XNNPACK delegate, or LiteRT's own kernels."""
    details = interpreter._get_ops_details()  # there is no public function that tells
    delegates = [op for op in details if op["op_name"] == "DELEGATE"]
    pools = any(1 in list(op["outputs"]) for op in delegates)
    found = {"pool": "xnnpack" if pools else "built in"}
    if any(op["op_name"].startswith("PAD") for op in details):
        pads = any(0 in list(op["inputs"]) for op in delegates)
        found["pad"] = "xnnpack" if pads else "built in"
    return found
