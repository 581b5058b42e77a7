"""A TensorFlow Lite model of one pooling, written as its flatbuffer: no TensorFlow is needed for it.

Operators are those of ``tensorflow/compiler/mlir/lite/schema/schema.fbs``. Two-dimensional pooling has the channels
last, and ``SAME`` or ``VALID`` for its padding; any other is an operator before it, as the converter writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from poolbench.backends.geometry import (
    divides_by_inside,
    divides_by_window,
    exact_padding,
    is_same_padding,
    lowest,
)
from poolbench.model.pooling import Ints, Kind, PoolSpec
from poolbench.model.workload import DType, Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FILE = b"TFL3"


def padding_of(spec: PoolSpec, spatial: Ints) -> str | None:
    """Return how the windows of ``spec`` are written: ``VALID``, ``SAME``, ``PAD`` (before ``VALID``) or not at all.

    The divisors of averages are the window under ``VALID`` and ``PAD``, and what it reads of the input under ``SAME``.
    """
    is_max = spec.kind is Kind.MAX
    if is_same_padding(spec, spatial) and (is_max or divides_by_inside(spec, spatial)):
        return "SAME"
    if not is_max and not divides_by_window(spec, spatial):
        return None
    return "PAD" if any(any(sides) for sides in exact_padding(spec, spatial)) else "VALID"


def model_of(workload: Workload) -> tuple[bytes, tuple[int, ...], tuple[int, ...]]:
    """Return the model, and the shapes of its input and output: (batch, height, width, channels).

    One spatial axis is the width of a plane of height one. The input is tensor 0, the output tensor 1.
    """
    from ai_edge_litert import schema_py_generated as schema

    spec = workload.spec.as_windowed(workload.spatial)
    assert spec is not None and spec.window is not None and spec.stride is not None
    x, y = ((n, *_planar(spatial), c) for n, c, *spatial in (workload.reference_input_shape,
                                                            workload.reference_output_shape))  # fmt: skip
    graph = _Graph(schema, workload.dtype)
    graph.tensor("x", x)
    graph.tensor("y", y)
    if workload.spec.is_global:
        _reduce(graph, spec.kind)
        return graph.written(), x, y
    padding = padding_of(spec, workload.spatial)
    entry = 0
    if padding == "PAD":
        entry = _pad(graph, spec, workload, x)
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.SAME if padding == "SAME" else schema.Padding.VALID
    options.filterHeight, options.filterWidth = _planar(spec.window)
    options.strideH, options.strideW = _planar(spec.stride)
    name = "MAX_POOL_2D" if spec.kind is Kind.MAX else "AVERAGE_POOL_2D"
    graph.operator(name, [entry], 1, "Pool2DOptions", options)
    return graph.written(), x, y


def _reduce(graph: _Graph, kind: Kind) -> None:
    import numpy as np

    options = graph.schema.ReducerOptionsT()
    options.keepDims = True
    axes = graph.constant("axes", np.array([1, 2], np.int32))
    graph.operator("REDUCE_MAX" if kind is Kind.MAX else "MEAN", [0, axes], 1, "ReducerOptions", options)


def _pad(graph: _Graph, spec: PoolSpec, workload: Workload, shape: tuple[int, ...]) -> int:
    """Put the padding in front: with zeros for averages, with the lowest value for maxima."""
    import numpy as np

    sides = exact_padding(spec, workload.spatial)
    pairs = [(0, 0), *([(0, 0)] * (2 - len(sides))), *sides, (0, 0)]
    padded = graph.tensor("padded", tuple(size + lo + hi for size, (lo, hi) in zip(shape, pairs, strict=True)))
    amounts = graph.constant("sides", np.array(pairs, np.int32))
    if spec.kind is Kind.AVG:
        graph.operator("PAD", [0, amounts], padded, "PadOptions", graph.schema.PadOptionsT())
    else:
        value = graph.constant("lowest", np.array([lowest(workload.dtype)], workload.dtype.numpy_name))
        graph.operator("PADV2", [0, amounts, value], padded, "PadV2Options", graph.schema.PadV2OptionsT())
    return padded


def _planar(values: Sequence[int]) -> tuple[int, int]:
    """Return ``values`` of one or two spatial axes as those of a plane."""
    height, width = (1, *values) if len(values) == 1 else values
    return height, width


class _Graph:
    """The tensors and operators of a model, in the flatbuffer's own types."""

    def __init__(self, schema: Any, dtype: DType) -> None:
        self.schema = schema
        self._dtype = dtype
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.buffers = [schema.BufferT()]  # the first one is empty: it stands for "no constant"
        self._model.operatorCodes = []
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._graph.inputs, self._graph.outputs = [0], [1]
        self._model.subgraphs = [self._graph]

    def tensor(self, name: str, shape: Sequence[int], *, dtype: str = "", buffer: int = 0) -> int:
        """Add a tensor of the workload's type, and return its number. 8-bit integers stand for themselves."""
        types = self.schema.TensorType
        found = self.schema.TensorT()
        found.name, found.shape, found.buffer = name.encode(), list(shape), buffer
        kinds = {"f32": types.FLOAT32, "i8": types.INT8, "u8": types.UINT8, "i32": types.INT32}
        found.type = kinds[dtype or self._dtype.value]
        if not dtype and not self._dtype.is_float:
            found.quantization = self.schema.QuantizationParametersT()
            found.quantization.scale, found.quantization.zeroPoint = [1.0], [0]
        self._graph.tensors.append(found)
        return len(self._graph.tensors) - 1

    def constant(self, name: str, values: NDArray[Any]) -> int:
        """Add a tensor with ``values``, and return its number."""
        buffer = self.schema.BufferT()
        buffer.data = list(values.tobytes())
        self._model.buffers.append(buffer)
        dtype = "i32" if values.dtype == "int32" else ""
        return self.tensor(name, values.shape, dtype=dtype, buffer=len(self._model.buffers) - 1)

    def operator(self, name: str, inputs: list[int], output: int, kind: str, options: Any) -> None:
        """Add an operator with its ``options``, which are of the ``kind`` that the schema names."""
        code = self.schema.OperatorCodeT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1 if self._dtype.is_float else 2  # 8-bit integers came with the second versions
        self._model.operatorCodes.append(code)
        found = self.schema.OperatorT()
        found.opcodeIndex = len(self._model.operatorCodes) - 1
        found.inputs, found.outputs = inputs, [output]
        found.builtinOptionsType, found.builtinOptions = getattr(self.schema.BuiltinOptions, kind), options
        self._graph.operators.append(found)

    def written(self) -> bytes:
        """Return the model's file."""
        import flatbuffers

        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), file_identifier=_FILE)
        return bytes(builder.Output())
