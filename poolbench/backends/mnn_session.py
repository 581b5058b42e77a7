"""MNN on a model of one pooling operator.

The model is written as the JSON form of MNN's schema (``schema/default/CaffeOp.fbs``, table ``Pool``), which its
converter turns into a file: Python has neither a constructor for it nor a way to load it from memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.backends.geometry import (
    contiguous,
    divides_by_inside,
    divides_by_window,
    exact_padding,
    is_below_window,
)
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Ints, Kind, PoolSpec
from poolbench.model.workload import DType, Workload, default_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_BLOCKED = "NC4HW4"
"""MNN's name for channels in blocks, which have as many as its kernels like: not four on every processor."""


class Mnn:
    """``Interpreter.runSession`` on an input that lies in the session, and a copy of its output as a plain array."""

    name = "mnn"
    framework = "MNN"
    shares_output = False
    """Whether the result is the session's own tensor, written again by each call, and not a copy of it."""

    def supports(self, workload: Workload) -> Support:
        """Say whether one operator of MNN computes ``workload``."""
        spec = workload.spec
        if workload.pass_.is_training:
            return refused("MNN's gradients are made of other operators, which are not called here.")
        if spec.rank == 3:
            return refused("MNN's pooling is called here over one and two spatial axes only.")
        if workload.dtype is not DType.F32:
            return refused(f"MNN's pooling is called here with f32 alone, and not with {workload.dtype}.")
        windowed = spec.as_windowed(workload.spatial)
        if windowed is None:
            return refused("MNN has no adaptive pooling: its windows are alike, and these are not.")
        if max(windowed.dilation) > 1:
            return refused("MNN's pooling has no dilation.")
        if not is_below_window(exact_padding(windowed, workload.spatial), windowed):
            return refused("Padding must be below the window's size for MNN.")
        if spec.kind is Kind.MAX:
            return SUPPORTED
        if _count_type(windowed, workload.spatial) is None:
            return refused(
                "MNN's averages count what a window reads of the input, or no more padding behind than before it."
            )
        if not _has_exact_reciprocals(windowed, workload.spatial):
            return refused("MNN multiplies by a rounded reciprocal before it adds, so that such averages are inexact.")
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return OpenMP's variables, which other copies of it in the process read; the threads are the session's."""
        return {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}

    def load(self, threads: int) -> None:
        """Import MNN and its converter; the threads are those of the session that ``prepare`` makes."""
        import _tools  # noqa: F401
        import MNN  # noqa: F401

    def facts(self) -> Mapping[str, str]:
        """Return the release, the precision of the calculation, and whether the output is copied."""
        output = "shared" if self.shares_output else "copied"
        return {"MNN": metadata.version("MNN"), "precision": "high", "output": output}

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Make the session; under GIVEN the timed call copies the caller's array into it, and back out."""
        natural, order, given = default_order(workload.spec.rank), workload.order, source.array
        session = _Session(workload, source.threads)
        layout = f"{natural.replace('c', 'C')}4c"  # MNN's own name is NC4HW4
        if source.layout is LayoutPolicy.GIVEN:

            def compute() -> Array:
                session.put(contiguous(given, order, natural))
                session.run()
                return contiguous(session.taken(), natural, order)

            return Call(natural, compute, lambda result: contiguous(result, order, natural))
        session.put(contiguous(given, order, natural))
        if self.shares_output:
            return Call(layout, session.run, lambda _: session.taken())

        def copied() -> Array:
            session.run()
            return session.taken()

        return Call(layout, copied, lambda result: result)


class Out(Mnn):
    """The same without the copy of the output, which the next call overwrites."""

    name = "mnn:out"
    shares_output = True


class _Session:
    """A session on a model of one pooling; one spatial axis is the width of a plane of height one."""

    def __init__(self, workload: Workload, threads: int) -> None:
        import numpy as np

        self._kept = _interpreter(workload)
        self._shape = workload.reference_output_shape
        self._planar_in, self._planar_out = (
            (batch, channels, *_planar(tuple(spatial)))
            for batch, channels, *spatial in (workload.reference_input_shape, self._shape)
        )
        self._session = self._kept.createSession({"backend": "CPU", "numThread": threads, "precision": "high"})
        self._x, self._y = self._kept.getSessionInput(self._session), self._kept.getSessionOutput(self._session)
        self._host_y = _host(np.empty(self._planar_out, np.float32), self._planar_out)

    def put(self, array: Array) -> None:
        """Copy ``array`` (batch, channels, *spatial) into the session's input."""
        self._x.copyFrom(_host(array, self._planar_in))

    def run(self) -> None:
        """Pool. Raises RuntimeError where MNN says that it failed."""
        status = self._kept.runSession(self._session)
        if status:
            raise RuntimeError(f"MNN ended with status {status}.")

    def taken(self) -> Array:
        """Return a copy of the session's output as a plain array (batch, channels, *spatial)."""
        import numpy as np

        self._y.copyToHostTensor(self._host_y)
        return np.array(self._host_y.getNumpyData()).reshape(self._shape)


def _host(array: Array, shape: tuple[int, ...]) -> Any:
    """Return a plain tensor of ``shape`` with a copy of ``array``, from and to which a session's tensor is copied."""
    import MNN

    return MNN.Tensor(shape, MNN.Halide_Type_Float, array, MNN.Tensor_DimensionType_Caffe)


def _interpreter(workload: Workload) -> Any:
    """Return an interpreter of the model, which passes through files that are gone afterwards."""
    import _tools
    import MNN

    with TemporaryDirectory() as folder:
        text, model = Path(folder) / "model.json", Path(folder) / "model.mnn"
        text.write_text(json.dumps(_model(workload)), encoding="utf-8")
        _tools.mnnconvert(
            ["mnnconvert", "-f", "JSON", "--modelFile", str(text), "--MNNModel", str(model), "--bizCode", "pooling"]
        )
        return MNN.Interpreter(str(model))


def _model(workload: Workload) -> dict[str, Any]:
    """Return the model as MNN's converter reads it: an input in blocks, and the operator."""
    batch, channels, *spatial = workload.reference_input_shape
    dims = [batch, channels, *_planar(tuple(spatial))]
    entry = {"dims": dims, "dtype": "DT_FLOAT", "dformat": _BLOCKED}
    common = {"defaultDimentionFormat": _BLOCKED}  # spelt so in the schema
    return {
        "oplists": [
            {"type": "Input", "main_type": "Input", "main": entry, "name": "x", "outputIndexes": [0], **common},
            {
                "type": "Pooling",
                "main_type": "Pool",
                "main": _parameters(workload),
                "name": "y",
                "inputIndexes": [0],
                "outputIndexes": [1],
                **common,
            },
        ],
        "tensorName": ["x", "y"],
        "outputName": ["y"],
        "tensorNumber": 2,
        "preferForwardType": "CPU",
        "sourceType": "CAFFE",
        "usage": "INFERENCE",
    }


def _parameters(workload: Workload) -> dict[str, Any]:
    spec = workload.spec.as_windowed(workload.spatial)
    assert spec is not None and spec.window is not None and spec.stride is not None
    padding = [(0, 0)] * (2 - spec.rank) + list(exact_padding(spec, workload.spatial))
    (top, bottom), (left, right) = padding
    kernel_y, kernel_x = _planar(spec.window)
    stride_y, stride_x = _planar(spec.stride)
    return {
        "isGlobal": workload.spec.is_global,
        "type": "MAXPOOL" if spec.kind is Kind.MAX else "AVEPOOL",
        "kernelX": kernel_x,
        "kernelY": kernel_y,
        "strideX": stride_x,
        "strideY": stride_y,
        "padType": "CAFFE",
        "padX": left,
        "padY": top,
        "pads": [top, left, bottom, right],
        "ceilModel": False,
        "countType": _count_type(spec, workload.spatial) or "EXCLUDE_PADDING",
        "dataType": "DT_FLOAT",
    }


def _count_type(spec: PoolSpec, spatial: Ints) -> str | None:
    """Return how averages must count padding to be divided as ``spec`` says; None where neither way is right.

    Where MNN counts it, it counts no more behind the input than there is before it.
    """
    if divides_by_inside(spec, spatial):
        return "EXCLUDE_PADDING"
    is_covered = all(hi <= lo for lo, hi in exact_padding(spec, spatial))
    return "INCLUDE_PADDING" if is_covered and divides_by_window(spec, spatial) else None


def _has_exact_reciprocals(spec: PoolSpec, spatial: Ints) -> bool:
    """Whether each divisor is a power of two."""
    assert spec.window is not None
    if divides_by_window(spec, spatial):
        size = math.prod(spec.window)
        return size & (size - 1) == 0
    return max(spec.window) <= 2


def _planar(values: Ints) -> tuple[int, int]:
    """Return ``values`` of one or two spatial axes as those of a plane."""
    height, width = (1, *values) if len(values) == 1 else values
    return height, width
