"""Runs backends of one framework on the basic shapes, in a process of their own.

    python -m tests.contract.checking RESULTS BACKEND…

appends one JSON line per backend to the file RESULTS (not stdout: frameworks print to it). Each backend is loaded here
and runs in forked children, one for each half of its shapes, as it does when it is measured.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.backends import registry
from poolbench.backends.base import Backend, Differentiated, Indexed, Prepared, Source
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy
from poolbench.model.workload import Pass, Workload, default_order
from poolbench.verify import fill, filling
from tests.contract.grid import few, workloads

SEED = 11

SLOW_TO_PREPARE = ("tensorflow:graph", "tensorflow:xla", "openvino", "strided:torch")
"""Backends that trace or compile each workload, or whose kernels another one checks: they get ``few`` shapes."""

COMPILED = {
    "torch:compile": (
        "max2d-n2c5-h9w12-k3s2p1-f32-nchw",
        "avg2d-n2c5-h9w12-k3s2p1_2-ceil-xpad-f32-nhwc",
        "avg2d-n2c5-h9w12-a4x5-bf16-nchw",
        "max1d-n2c5-w19-k3s1p2-i8-ncw",
        "max2d-n2c5-h9w12-k3s2p1-f32-nchw.train",
        "avg2d-n2c5-h9w12-k3s2p1-f32-nchw.trainbwd",
    ),
    "jax": (
        "max2d-n2c5-h9w12-k5s3p1_2-ceil-f32-nchw",
        "max2d-n2c5-h9w12-k2s1p1d2-i64-nhwc.c9",
        "max1d-n2c5-w19-k3s1p2-bf16-ncw",
        "avg2d-n2c5-h9w12-k3s2p1_2-ceil-xpad-f32-chwn.r",
        "avg3d-n2c5-d4h5w6-k3s2p1-div5-f64-ncdhw",
        "avg2d-n2c5-h9w12-k3s2p1-ceil-f16-nchw",
        "avg2d-n2c5-h9w12-a1-bf16-nchw",
        "max2d-n2c5-h9w12-k3s2p1-f32-nchw.train.gc9",
        "max3d-n2c5-d4h5w6-k2-f32-ncdhw.trainfwd",
        "avg2d-n2c5-h9w12-k3s2p1-bf16-nhwc.trainbwd.gt",
        "avg1d-n2c5-w19-a1-f32-ncw.train.gr",
    ),
    "strided:jax": (
        "max2d-n2c5-h9w12-k5s3p1_2-ceil-f32-nchw",
        "max2d-n2c5-h9w12-k2s1p1d2-i64-nhwc.c9",
        "avg2d-n2c5-h9w12-k3s2p1_2-ceil-xpad-f32-chwn.r",
        "avg2d-n2c5-h9w12-a4x5-bf16-nchw",
        "max2d-n2c5-h9w12-k3s2p1-f32-nchw.train.gc9",
        "avg2d-n2c5-h9w12-k3s2p1-bf16-nhwc.trainbwd.gt",
    ),
    "openvino:out": (
        "max2d-n2c5-h9w12-k3s2p1-f32-nchw",
        "max2d-n2c5-h9w12-k3s2p1-bf16-nhwc",
        "avg2d-n2c5-h9w12-k3s2p1-div5-f32-nchw",
        "avg2d-n2c5-h9w12-a4x5-f16-nchw",
    ),
}
"""Backends that take seconds for each workload: a handful."""


def shapes(backend: Backend) -> list[Workload]:
    """Return the basic shapes that ``backend`` is checked on: of those chosen, what it supports."""
    if backend.name in COMPILED:
        chosen = [parse_id(text) for text in COMPILED[backend.name]]
    else:
        chosen = few() if backend.name in SLOW_TO_PREPARE else workloads()
    return [workload for workload in chosen if backend.supports(workload).ok]


def problems(backend: Backend, workload: Workload) -> list[str]:
    """Return what is wrong with the answers of ``backend`` to ``workload``, in sentences."""
    found: list[str] = []
    for layout in LayoutPolicy:
        exact = layout is LayoutPolicy.BEST
        filled = filling.make(workload, SEED, exact=exact)
        values, expected = filled["input"], filled["expected"]
        prepared = backend.prepare(workload, source_of(workload, filled, layout))
        where = f"{workload.id}, layout {layout}"
        results = [filling.check_output(prepared.output(), filled, workload, exact=exact)]
        if workload.pass_.is_training:
            assert isinstance(prepared, Differentiated), where
            results.append(filling.check_input_gradient(prepared.gradient(), filled, workload, exact=exact))
            prepared.run()  # as it is timed: again and again
            results.append(filling.check_input_gradient(prepared.gradient(), filled, workload, exact=exact))
        found += [f"{where}: {result.detail}" for result in results if not result.ok]
        if layout is LayoutPolicy.GIVEN:
            for result, wanted in zip(timed(prepared, workload.pass_), expected_shapes(workload), strict=True):
                shape = tuple(getattr(result, "shape", ()))
                if shape != wanted:
                    found.append(f"{where}: a result has shape {shape}, not {wanted}.")
        # Channels in blocks of sixteen are written as oneDNN does: nChw16c.
        axes = re.sub(r"\d+c$", "", prepared.layout).lower()
        if sorted(axes) != sorted(default_order(workload.spec.rank)):
            found.append(f"{where}: '{prepared.layout}' is not an axis order.")
        if isinstance(prepared, Indexed) and not np.array_equal(located(backend, prepared, values), expected):
            found.append(f"{where}: the indices do not point at the maxima.")
        prepared.close()
    return found


def source_of(workload: Workload, filled: filling.Filling, layout: LayoutPolicy) -> Source:
    """Return the source that a worker would make of ``filled``."""
    array = fill.arrange(filled["input"], workload)
    array.flags.writeable = False  # as the worker maps it
    gradient = None
    if workload.pass_.is_training:
        gradient = fill.place(filled["gradient"], workload.order, workload.gradient_view)
        gradient.flags.writeable = False
    return Source(array=array, gradient=gradient, layout=layout)


def timed(prepared: Prepared, pass_: Pass) -> list[object]:
    """Return the results of the timed call: the output, the input's gradient, or both."""
    result: Any = prepared.run()
    match pass_:
        case Pass.TRAINING:
            return list(result)
        case Pass.TRAINING_FORWARD:
            return [result[0]]
        case _:
            return [result]


def expected_shapes(workload: Workload) -> list[tuple[int, ...]]:
    """Return the shapes of what ``timed`` returns, in the caller's order."""
    pass_ = workload.pass_
    return [workload.output_shape] * pass_.runs_forward + [workload.input_shape] * pass_.runs_backward


def located(backend: Backend, prepared: Prepared, values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return what the indices of ``prepared`` point at, by the convention that its framework documents."""
    assert isinstance(prepared, Indexed)
    indices = prepared.indices()
    batch, channels = values.shape[:2]
    flat = indices.reshape(batch, channels, -1)
    if backend.framework in ("onnxruntime", "openvino"):  # within the tensor
        return values.reshape(-1)[flat].reshape(indices.shape)
    if backend.framework == "tensorflow":  # (h * W + w) * C + c
        assert np.array_equal(flat % channels, np.broadcast_to(np.arange(channels)[:, None], flat.shape))
        flat = flat // channels
    return np.take_along_axis(values.reshape(batch, channels, -1), flat, axis=2).reshape(indices.shape)


def main(results: Path, names: list[str]) -> None:
    """Load the backends ``names``, fork for each, and append what was found to ``results``."""
    backends = [registry.create(name) for name in names]
    for backend in backends:
        backend.load(threads=1)
    for backend in backends:
        chosen = shapes(backend)
        for half in (chosen[::2], chosen[1::2]):
            child = os.fork()
            if child:
                _, status = os.waitpid(child, 0)
                if status:
                    crash = f"The child ended with {status}."
                    _append(results, {"backend": backend.name, "ids": [], "facts": {}, "problems": [crash]})
                continue
            code = 1
            try:
                _append(results, _report(backend, half))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)


def _report(backend: Backend, chosen: list[Workload]) -> dict[str, object]:
    found: list[str] = []
    for workload in chosen:
        try:
            found += problems(backend, workload)
        except Exception as error:
            found.append(f"{workload.id}: {type(error).__name__}: {error}")
    return {
        "backend": backend.name,
        "ids": [workload.id for workload in chosen],
        "facts": dict(backend.facts()),
        "problems": found,
    }


def _append(results: Path, report: dict[str, object]) -> None:
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
