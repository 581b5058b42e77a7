"""ONNX Runtime on a model of one node (two where a divisor must be corrected).

Rules are those of the operators MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool and ReduceMax
(https://onnx.ai/onnx/operators/), dtypes those that the CPU provider accepted when every combination was run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.backends.geometry import contiguous, is_below_window, operator_padding
from poolbench.backends.indexed import IndexedCall
from poolbench.errors import MissingFrameworkError
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Kind
from poolbench.model.workload import DType, Workload, default_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMATS = (((1, 20), 21, 10), ((1, 15), 19, 9), ((0, 0), 18, 8))
"""Opset and file format by the first release of ONNX Runtime that knows them; it refuses later ones."""

DILATED_AVERAGE_OPSET = 19
"""The first opset in which averages have dilations."""

_MAX_DTYPES = (DType.F64, DType.F32, DType.F16, DType.I8, DType.U8)
_GLOBAL_MAX_DTYPES = (*_MAX_DTYPES, DType.I32, DType.I64)
_AVG_DTYPES = (DType.F32, DType.F16)
_GLOBAL_AVG_DTYPES = (*_AVG_DTYPES, DType.F64, DType.I32)
"""Not i64: its ReduceMean loses what float64 cannot hold."""


class OnnxRuntime:
    """``InferenceSession.run`` on the CPU provider, which computes with the channels before the spatial axes."""

    name = "onnxruntime"
    framework = "onnxruntime"
    companions = ("onnx",)
    _arena = True
    """Whether sessions keep freed memory for later runs, as they do by default."""

    def supports(self, workload: Workload) -> Support:
        """Say whether one node of ONNX can express ``workload``."""
        spec, dtype = workload.spec, workload.dtype
        if workload.pass_.is_training:
            return refused("ONNX Runtime's package for inference computes no gradients.")
        is_max = spec.kind is Kind.MAX
        if dtype in (_GLOBAL_MAX_DTYPES if is_max else _GLOBAL_AVG_DTYPES) and spec.is_global:
            return SUPPORTED
        if dtype not in (_MAX_DTYPES if is_max else _AVG_DTYPES):
            return refused(f"ONNX Runtime's {_operator(workload)} has no {dtype} on the CPU.")
        windowed = spec.as_windowed(workload.spatial)
        if windowed is None:
            return refused("ONNX has no adaptive pooling: its windows are alike, and these are not.")
        if not is_below_window(operator_padding(windowed, workload.spatial), windowed):
            return refused("ONNX Runtime takes padding below the window's size only.")
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return what must be set before the import. The thread count itself belongs to the session."""
        return {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "CUDA_VISIBLE_DEVICES": ""}

    def load(self, threads: int) -> None:
        """Import onnxruntime and onnx; the threads are those of the session that ``prepare`` makes."""
        _import_both()
        import onnxruntime

        onnxruntime.set_default_logger_severity(3)  # errors only

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Import the same, and leave the process's logger alone, whose severity cannot be asked for."""
        _import_both()
        yield

    def facts(self) -> Mapping[str, str]:
        """Return the releases, and the opset of the model."""
        import onnx
        import onnxruntime

        return {
            "onnxruntime": onnxruntime.__version__,
            "onnx": onnx.__version__,
            "opset": str(_format()[0]),
            "provider": "CPUExecutionProvider",
        }

    def stop_recycling(self) -> None:
        """Make sessions without the arena, which requests more than a run needs and gives nothing back."""
        self._arena = False

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Make a session; under GIVEN the timed call brings the caller's array into ONNX's layout and back."""
        import numpy as np

        natural = default_order(workload.spec.rank)
        if _is_dilated_average(workload) and _format()[0] < DILATED_AVERAGE_OPSET:
            raise RuntimeError(
                f"this release of ONNX Runtime has no dilated average: that is opset {DILATED_AVERAGE_OPSET}."
            )
        run = _session(workload, source.threads, indices=False, arena=self._arena).run
        layout, order, given = natural, workload.order, source.array
        if source.layout is LayoutPolicy.GIVEN:

            def compute() -> NDArray[Any]:
                return contiguous(run(None, {"x": contiguous(given, order, natural)})[0], natural, order)

            def fetch(result: NDArray[Any]) -> NDArray[Any]:
                return contiguous(result, order, natural)
        else:
            feed = {"x": contiguous(given, order, natural)}

            def compute() -> NDArray[Any]:
                return run(None, feed)[0]  # type: ignore[no-any-return]

            def fetch(result: NDArray[Any]) -> NDArray[Any]:
                return result

        if _operator(workload) != "MaxPool":
            return Call(layout, compute, fetch)

        def locate() -> NDArray[np.int64]:
            session = _session(workload, source.threads, indices=True)
            return np.asarray(session.run(["i"], {"x": contiguous(given, order, natural)})[0], np.int64)

        return IndexedCall(layout, compute, fetch, locate)


def _import_both() -> None:
    """Import what ``prepare`` needs, so that a worker need not import it again."""
    try:
        import onnx  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingFrameworkError(
            "The subject 'onnxruntime' needs the package onnx, which is not installed here: "
            "pip install 'poolbench[onnxruntime]'."
        ) from error
    import onnxruntime  # noqa: F401


def _session(workload: Workload, threads: int, *, indices: bool, arena: bool = True) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    options.log_severity_level = 3  # errors only
    # A pool that spins between calls would take the core of whoever is measured next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        _model(workload, indices=indices), sess_options=options, providers=["CPUExecutionProvider"]
    )


def _format() -> tuple[int, int]:
    """Return the opset and the version of the file format for the runtime that is installed."""
    import onnxruntime

    release = tuple(int(part) for part in onnxruntime.__version__.split(".")[:2])
    return next((opset, ir_version) for since, opset, ir_version in FORMATS if release >= since)


def _operator(workload: Workload) -> str:
    """Return the operator that computes ``workload``."""
    spec, dtype = workload.spec, workload.dtype
    if not spec.is_global:
        return "MaxPool" if spec.kind is Kind.MAX else "AveragePool"
    if dtype in _AVG_DTYPES:  # the types of both global operators
        return "GlobalMaxPool" if spec.kind is Kind.MAX else "GlobalAveragePool"
    return "ReduceMax" if spec.kind is Kind.MAX else "ReduceMean"


def _is_dilated_average(workload: Workload) -> bool:
    windowed = workload.spec.as_windowed(workload.spatial)
    return workload.spec.kind is Kind.AVG and windowed is not None and max(windowed.dilation) > 1


def _model(workload: Workload, *, indices: bool) -> bytes:
    """Return the serialised model; ``indices`` adds the output "i"."""
    from onnx import TensorProto, helper

    spec = workload.spec
    element = getattr(TensorProto, _ELEMENT_TYPES[workload.dtype])
    operator = _operator(workload)
    inputs, outputs, constants = ["x"], ["y"], []
    if operator.startswith("Reduce"):
        inputs.append("axes")
        constants.append(helper.make_tensor("axes", TensorProto.INT64, [spec.rank], range(2, spec.rank + 2)))
    factor = _factor(workload)
    nodes = []
    if factor != 1:
        nodes.append(helper.make_node("Mul", ["pooled", "factor"], ["y"]))
        constants.append(helper.make_tensor("factor", element, [], [factor]))
        outputs = ["pooled"]
    declared = [helper.make_tensor_value_info("y", element, workload.reference_output_shape)]
    if indices:
        outputs.append("i")
        declared.append(helper.make_tensor_value_info("i", TensorProto.INT64, workload.reference_output_shape))
    nodes.insert(0, helper.make_node(operator, inputs, outputs, **_attributes(workload)))
    entry = helper.make_tensor_value_info("x", element, workload.reference_input_shape)
    graph = helper.make_graph(nodes, "pooling", [entry], declared, constants)
    opset, ir_version = _format()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    return bytes(model.SerializeToString())


def _attributes(workload: Workload) -> dict[str, Any]:
    spec = workload.spec.as_windowed(workload.spatial)
    if workload.spec.is_global or spec is None:
        return {}
    padding = operator_padding(spec, workload.spatial)
    attributes: dict[str, Any] = {
        "kernel_shape": spec.window,
        "strides": spec.stride,
        "pads": [lo for lo, _ in padding] + [hi for _, hi in padding],
        "ceil_mode": int(spec.ceil_mode and spec.divisor is None),
    }
    if max(spec.dilation) > 1:
        attributes["dilations"] = spec.dilation
    if spec.kind is Kind.AVG:
        attributes["count_include_pad"] = int(spec.include_padding)
    return attributes


def _factor(workload: Workload) -> float:
    """Return what an average must be multiplied by, since ONNX has no divisor of its user's."""
    spec = workload.spec
    if spec.divisor is None:
        return 1.0
    assert spec.window is not None
    return math.prod(spec.window) / spec.divisor


_ELEMENT_TYPES = {
    DType.F64: "DOUBLE",
    DType.F32: "FLOAT",
    DType.F16: "FLOAT16",
    DType.I8: "INT8",
    DType.U8: "UINT8",
    DType.I32: "INT32",
    DType.I64: "INT64",
}
