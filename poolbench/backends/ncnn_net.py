"""ncnn on a net of one pooling layer.

Parameters are those of ``Pooling``, ``Pooling1D`` and ``Pooling3D``
(https://github.com/Tencent/ncnn/blob/master/docs/developer-guide/operators.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from poolbench.model.pooling import Kind
from poolbench.model.workload import DType, Workload, default_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Mat = Any

_HEADER = "7767517\n2 2\nInput x 0 1 x\n"
_PACKED = 1
"""How ``extract`` is asked to leave a blob as the layer made it."""

_LAYERS = {1: "Pooling1D", 2: "Pooling", 3: "Pooling3D"}
# The numbers of a layer's parameters along w, h and d.
_WINDOW, _STRIDE, _OUTPUT = (1, 11, 21), (2, 12, 22), (8, 18, 28)
_BEFORE, _BEHIND = (3, 13, 23), (14, 15, 16)
_KIND, _GLOBAL, _PAD_MODE, _COUNTS_PADDING, _ADAPTIVE = 0, 4, 5, 6, 7
_EXPLICIT = 1


class Ncnn:
    """``Extractor.extract`` on a blob in the layout that the layer prefers; one call for each sample of the batch."""

    name = "ncnn"
    framework = "ncnn"

    def supports(self, workload: Workload) -> Support:
        """Say whether one layer of ncnn computes ``workload``."""
        spec = workload.spec
        if workload.pass_.is_training:
            return refused("The library ncnn computes no gradients.")
        if workload.dtype is not DType.F32:
            return refused(f"Pooling of ncnn is called here with f32 alone, and not with {workload.dtype}.")
        if spec.is_adaptive:
            return SUPPORTED
        if max(spec.dilation) > 1:
            return refused("Pooling has no dilation in ncnn.")
        if not is_below_window(exact_padding(spec, workload.spatial), spec):
            return refused("A window that lies in the padding alone has no maximum and no average in ncnn.")
        if spec.kind is Kind.AVG and _counts_padding(workload) is None:
            return refused("Averages in ncnn are divided by the window, or by what that reads of the input.")
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return OpenMP's variables; the thread count itself belongs to the net."""
        return {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}

    def load(self, threads: int) -> None:
        """Import ncnn; the threads are those of the net that ``prepare`` makes."""
        import ncnn  # noqa: F401

    def facts(self) -> Mapping[str, str]:
        """Return the release, and the precision that blobs are stored with."""
        import ncnn

        return {"ncnn": ncnn.__version__, "precision": "f32"}

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Make the net, and the blobs in its preferred packing; under GIVEN the timed call makes them."""
        import ncnn
        import numpy as np

        natural, order, given = default_order(workload.spec.rank), workload.order, source.array
        net = _net(workload, source.threads)
        shape = workload.reference_output_shape

        def joined(blobs: Sequence[Mat]) -> Array:
            """Return the results, which are plain, as one array (batch, channels, *spatial)."""
            result: Array = np.empty(shape, np.float32)
            for sample, blob in zip(result, blobs, strict=True):
                sample[...] = np.asarray(blob).reshape(sample.shape)
            return result

        if source.layout is LayoutPolicy.GIVEN:
            pool_plain = _pooling(net, 0)

            def compute() -> Array:
                samples = contiguous(given, order, natural)
                return contiguous(joined([pool_plain(_blob(sample)) for sample in samples]), natural, order)

            return Call(natural, compute, lambda result: contiguous(result, order, natural))
        blobs = [_blob(sample).clone() for sample in contiguous(given, order, natural)]
        pool = _pooling(net, _PACKED)
        # What comes out is packed as the layer likes it: so is what a layer before it would have left.
        pack = pool(blobs[0]).elempack
        if pack > 1:
            blobs = [ncnn.convert_packing(blob, pack, net.opt) for blob in blobs]

        def run() -> list[Mat]:
            return [pool(blob) for blob in blobs]

        def fetch(result: list[Mat]) -> Array:
            return joined([ncnn.convert_packing(blob, 1, net.opt) if blob.elempack > 1 else blob for blob in result])

        return Call(f"{natural.replace('c', 'C')}{pack}c" if pack > 1 else natural, run, fetch)


def _net(workload: Workload, threads: int) -> Any:
    """Return the net; without weights, there is nothing to load."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        setattr(net.opt, f"use_{name}", False)
    arguments = " ".join(f"{key}={value}" for key, value in _parameters(workload).items())
    text = f"{_HEADER}{_LAYERS[workload.spec.rank]} y 1 1 x y {arguments}\n"
    if net.load_param_mem(text) or net.load_model(ncnn.DataReaderFromEmpty()):
        raise RuntimeError(f"ncnn cannot load its own layer: {text.splitlines()[-1]}.")
    return net


def _parameters(workload: Workload) -> dict[int, int]:
    spec, spatial = workload.spec, workload.spatial
    found = {_KIND: 0 if spec.kind is Kind.MAX else 1}
    if spec.is_global:
        return {**found, _GLOBAL: 1}
    if spec.output is not None:
        return {**found, _ADAPTIVE: 1, **dict(zip(_OUTPUT, reversed(spec.output), strict=False))}
    assert spec.window is not None and spec.stride is not None
    padding = exact_padding(spec, spatial)
    for numbers, values in (
        (_WINDOW, spec.window),
        (_STRIDE, spec.stride),
        (_BEFORE, [lo for lo, _ in padding]),
        (_BEHIND, [hi for _, hi in padding]),
    ):
        found |= dict(zip(numbers, reversed(values), strict=False))
    counts = spec.kind is Kind.AVG and _counts_padding(workload)
    return {**found, _PAD_MODE: _EXPLICIT, _COUNTS_PADDING: int(bool(counts))}


def _counts_padding(workload: Workload) -> bool | None:
    """Return whether averages must count the padding to be right; None where they are wrong either way."""
    if divides_by_inside(workload.spec, workload.spatial):
        return False
    return True if divides_by_window(workload.spec, workload.spatial) else None


def _blob(sample: Array) -> Mat:
    """Return a blob on the memory of ``sample`` (channels, *spatial), which is contiguous and must outlive it."""
    import ncnn

    return ncnn.Mat(sample)


def _pooling(net: Any, packing: int) -> Callable[[Mat], Mat]:
    """Return the function from a blob to the pooled one."""
    entry, exit_ = net.input_indexes()[0], net.output_indexes()[0]
    create = net.create_extractor

    def pool(blob: Mat) -> Mat:
        extractor = create()
        extractor.input(entry, blob)
        status, result = extractor.extract(exit_, packing)
        if status:
            raise RuntimeError(f"ncnn ended with status {status}.")
        return result

    return pool
