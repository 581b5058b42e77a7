"""OpenVINO on a model of one pooling, compiled by its CPU plugin.

Rules are those of MaxPool-14, AvgPool-14, AdaptiveMaxPool-8, AdaptiveAvgPool-8, ReduceMax-1 and ReduceMean-1
(https://docs.openvino.ai/2025/documentation/openvino-ir-format/operation-sets.html), dtypes those that the CPU plugin
computed exactly when every combination was run: it does not refuse the others, but computes them in float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.backends.geometry import contiguous, fits, is_below_window, operator_padding, overhangs, reference_axes
from poolbench.backends.indexed import IndexedCall
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Ints, Kind, PoolSpec
from poolbench.model.workload import DType, Workload, default_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Output = Any

_FLOATS = (DType.F32, DType.F16, DType.BF16)
_MAX_DTYPES = (*_FLOATS, DType.I8, DType.U8, DType.I16)
"""The integers that float32 holds, in which the plugin takes all maxima but those of 8 bits."""


class OpenVino:
    """``CompiledModel`` called on an array. The plugin's kernels have the channels before the spatial axes."""

    name = "openvino"
    framework = "openvino"
    shares_output = False
    """Whether the result is the request's own tensor, written again by each call, and not a copy of it."""

    def supports(self, workload: Workload) -> Support:
        """Say whether one operator of OpenVINO can express ``workload``, and computes its dtype exactly."""
        spec, dtype = workload.spec, workload.dtype
        if workload.pass_.is_training:
            return refused("OpenVINO computes no gradients.")
        if dtype not in (_MAX_DTYPES if spec.kind is Kind.MAX else _FLOATS):
            if spec.kind is Kind.AVG and not dtype.is_float:
                return refused(f"OpenVINO's averages of {dtype} are rounded or saturated, not truncated.")
            return refused(f"OpenVINO's CPU plugin computes {dtype} in float32, which does not hold it.")
        if spec.is_adaptive:
            return SUPPORTED
        if spec.kind is Kind.AVG and max(spec.dilation) > 1:
            return refused("OpenVINO's AvgPool has no dilation.")
        if _counts_overhang(spec, workload.spatial):
            return refused("OpenVINO's AvgPool counts what ceil mode overhangs where it counts padding.")
        assert spec.window is not None
        padding = operator_padding(spec, workload.spatial)
        if not is_below_window(padding, spec):
            return refused("OpenVINO takes padding below the window's size only.")
        if not fits(spec, workload.spatial, padding):
            return refused("OpenVINO takes no window that is longer than the padded input.")
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return what must be set before the import. The thread count itself belongs to the compiled model."""
        return {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "OPENVINO_TELEMETRY_DISABLED": "1"}

    def load(self, threads: int) -> None:
        """Import openvino; the threads are those of the model that ``prepare`` compiles."""
        _operators()

    def facts(self) -> Mapping[str, str]:
        """Return the release, the device and what the precision of its calculation is."""
        import openvino

        return {
            "openvino": openvino.get_version(),
            "device": "CPU",
            "precision": "the workload's",
            "output": "shared" if self.shares_output else "copied",
        }

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Compile the model; under GIVEN it has the caller's order, and transposes on both sides where needed.

        Its input is a tensor, since the model would copy an array that must not be written to. Only what is not
        contiguous is copied into one by the timed call.
        """
        natural, dtype, shared = default_order(workload.spec.rank), workload.dtype, self.shares_output
        given = source.layout is LayoutPolicy.GIVEN
        order = workload.order if given else natural
        array = source.array if given else contiguous(source.array, workload.order, natural)
        compiled = _compiled(workload, order, source.threads)
        if array.flags.c_contiguous:
            tensor = _tensor(array, dtype)

            def compute() -> NDArray[Any]:
                return compiled(tensor, share_outputs=shared)[0]  # type: ignore[no-any-return]
        else:

            def compute() -> NDArray[Any]:
                return compiled(_tensor(array, dtype), share_outputs=shared)[0]  # type: ignore[no-any-return]

        def fetch(result: NDArray[Any]) -> NDArray[Any]:
            # bfloat16, which NumPy lacks, is handed out as float16, bit by bit.
            return contiguous(result.view(array.dtype), order, natural)

        # Of bfloat16 it tells no indices, of 8-bit integers wrong ones beside padding in three dimensions.
        if _operator(workload.spec) != "max_pool" or dtype is not DType.F32:
            return Call(natural, compute, fetch)

        def locate() -> NDArray[np.int64]:
            lying = _tensor(contiguous(source.array, workload.order, natural), dtype)
            indices = _compiled(workload, natural, source.threads, indices=True)(lying)[0]
            return indices.astype("int64")  # type: ignore[no-any-return]

        return IndexedCall(natural, compute, fetch, locate)


class Out(OpenVino):
    """The same with ``share_outputs=True``: no copy is made of the result, which the next call overwrites."""

    name = "openvino:out"
    shares_output = True


def _operators() -> Any:
    """Return the set of operators; releases before 2025 have it elsewhere."""
    try:
        return import_module("openvino.opset14")
    except ModuleNotFoundError as error:
        if error.name == "openvino":
            raise
        return import_module("openvino.runtime.opset14")


def _compiled(workload: Workload, order: str, threads: int, *, indices: bool = False) -> Any:
    """Return the compiled model whose input and output have their axes in ``order``; of the indices if asked."""
    import openvino

    config = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # the harness decides where a worker runs
        # Otherwise the plugin computes float32 in bfloat16 where the processor can.
        "INFERENCE_PRECISION_HINT": workload.dtype.value if workload.dtype.is_float else "f32",
    }
    return openvino.Core().compile_model(_model(workload, order, indices=indices), "CPU", config)


def _model(workload: Workload, order: str, *, indices: bool) -> Any:
    import numpy as np
    import openvino

    op = _operators()
    spec, natural = workload.spec, default_order(workload.spec.rank)
    sizes = dict(zip(natural, workload.reference_input_shape, strict=True))
    entry = op.parameter([sizes[axis] for axis in order], getattr(openvino.Type, workload.dtype.value))

    def transposed(value: Output, axes: Ints) -> Output:
        return op.transpose(value, op.constant(np.array(axes))).output(0) if order != natural else value

    pooled = _pooling(workload)(transposed(entry.output(0), reference_axes(order, natural)))
    if indices:
        return openvino.Model([pooled.output(1)], [entry], "indices")
    value = pooled.output(0)
    if spec.divisor is not None:
        factor = math.prod(spec.window or ()) / spec.divisor
        value = op.multiply(value, op.convert(op.constant(factor, np.float32), workload.dtype.value)).output(0)
    return openvino.Model([transposed(value, reference_axes(natural, order))], [entry], "pooling")


def _operator(spec: PoolSpec) -> str:
    """Return the name of the operator that computes ``spec``."""
    if spec.is_global:
        return "reduce_max" if spec.kind is Kind.MAX else "reduce_mean"
    return f"{'adaptive_' if spec.is_adaptive else ''}{spec.kind.value}_pool"


def _pooling(workload: Workload) -> Any:
    """Return the function from an output of the graph, with the channels first, to the node that pools it."""
    import numpy as np

    op = _operators()
    spec = workload.spec
    operator = getattr(op, _operator(spec))
    if spec.is_global:
        axes = op.constant(np.arange(2, spec.rank + 2))
        return lambda x: operator(x, axes, True)
    if spec.is_adaptive:
        output = op.constant(np.array(spec.output))
        # The plugin has no 64-bit indices here, and does not fall back on its own.
        return lambda x: operator(x, output, *(("i32",) if spec.kind is Kind.MAX else ()))
    assert spec.window is not None and spec.stride is not None
    padding = operator_padding(spec, workload.spatial)
    sides = [lo for lo, _ in padding], [hi for _, hi in padding]
    rounding = "ceil_torch" if spec.ceil_mode and spec.divisor is None else "floor"
    stride, window = list(spec.stride), list(spec.window)
    if spec.kind is Kind.MAX:
        dilation = list(spec.dilation)
        return lambda x: operator(x, stride, dilation, *sides, window, rounding)
    excluded = not spec.include_padding
    return lambda x: operator(x, stride, *sides, window, excluded, rounding)


def _counts_overhang(spec: PoolSpec, spatial: Ints) -> bool:
    """Whether an average over padding would be divided by taps beyond it; without padding they are left out."""
    counted = spec.kind is Kind.AVG and spec.include_padding and spec.divisor is None
    return counted and spec.is_padded and any(overhangs(spec, spatial))


def _tensor(array: NDArray[Any], dtype: DType) -> Any:
    """Return a tensor with a copy of ``array``."""
    import openvino

    tensor = openvino.Tensor(getattr(openvino.Type, dtype.value), list(array.shape))
    tensor.data.view(array.dtype)[...] = array
    return tensor
