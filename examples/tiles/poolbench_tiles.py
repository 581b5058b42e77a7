"""Pooling of windows that tile the input, by reshaping."""

from collections.abc import Mapping

from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import AXIS_NAMES, Kind
from poolbench.model.workload import Workload, default_order


class Tiles:
    """One ``reshape`` and one reduction."""

    name = "tiles"
    framework = ""

    def supports(self, workload: Workload) -> Support:
        spec = workload.spec.as_windowed(workload.spatial)
        if workload.pass_.is_training:
            return refused("Tiles have no training pass.")
        if spec is None or spec.window != spec.stride or spec.is_padded or max(spec.dilation) > 1:
            return refused("Tiles are windows without overlap, gap, padding or dilation.")
        if any(size % k for size, k in zip(workload.spatial, spec.window, strict=True)) or spec.divisor:
            return refused("Tiles must fill the input and divide by their size.")
        if spec.kind is Kind.AVG and not workload.dtype.is_float:
            return refused(f"Tiles average floating types only, not {workload.dtype}.")
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        return {"OMP_NUM_THREADS": str(threads)}

    def load(self, threads: int) -> None:
        import numpy  # noqa: F401

    def facts(self) -> Mapping[str, str]:
        import numpy

        return {"numpy": numpy.__version__}

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        import numpy as np

        order, windows = workload.order, workload.spec.as_windowed(workload.spatial).window
        best = default_order(workload.spec.rank)
        array = source.array
        if source.layout is LayoutPolicy.BEST:
            array, order = np.ascontiguousarray(array.transpose([order.index(a) for a in best])), best
        k = dict(zip(AXIS_NAMES[workload.spec.rank], windows, strict=True))
        sizes = zip(order, array.shape, strict=True)
        tiled = [part for a, size in sizes for part in (size // k.get(a, 1), k.get(a, 1))]
        reduce = np.max if workload.spec.kind is Kind.MAX else np.mean
        inner = tuple(range(1, len(tiled), 2))
        back = [order.index(a) for a in best]
        return Call(order, lambda: reduce(array.reshape(tiled), axis=inner), lambda y: y.transpose(back))
