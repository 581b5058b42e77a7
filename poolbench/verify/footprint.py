"""How much memory checking a workload takes, by arithmetic, before any of it is asked for.

The figures are those of ``filling.make`` and of the references behind it; what a framework takes beside its input and
output is not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from poolbench.model.pooling import Kind
from poolbench.model.workload import DType, View, Workload

_WIDE = 8
"""Bytes of an element of the references: float64, or int64."""

_BLOCK_ELEMENTS = 1 << 18
_FORWARD_BYTES, _GRADIENT_BYTES = 4 * _WIDE, 10 * _WIDE
"""What the references hold at one time for each element of a block: the least is one plane, however large."""

_TAP_BYTES = 3 * _WIDE + 2
"""What they hold for each tap of each output along an axis: positions as they are, clipped, and in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Bytes: ``filling`` what one of the two fillings takes at most, ``making`` what making it takes beside that.

    ``worker`` is what a worker takes at least: the arrays that it is given, and those that it returns.
    """

    filling: int
    making: int
    worker: int

    @property
    def total(self) -> int:
        """What is there at one time while the second filling is made, and then while a worker uses both."""
        return 2 * self.filling + max(self.making, self.worker)


def footprint(workload: Workload) -> Footprint:
    """Return what checking and timing ``workload`` takes."""
    spec, size = workload.spec, workload.dtype.itemsize
    planes = workload.batch * workload.channels
    plane_in, plane_out = math.prod(workload.spatial), math.prod(workload.output_spatial)
    inputs, outputs = planes * plane_in, planes * plane_out
    is_average, trains = spec.kind is Kind.AVG, workload.pass_.is_training
    filling = inputs * size + outputs * (2 * _WIDE if is_average else size)
    worker = _buffer(workload, inputs, workload.view) + outputs * size
    if trains:
        filling += outputs * size + inputs * (_WIDE + (_WIDE if workload.dtype is DType.F64 else _WIDE // 2))
        worker += _buffer(workload, outputs, workload.gradient_view) + inputs * size
    block = max(plane_in, plane_out, min(_BLOCK_ELEMENTS, max(inputs, outputs)))
    taps = sum(windows.size * windows.largest for windows in spec.windows(workload.spatial))
    working = block * (_GRADIENT_BYTES if trains else _FORWARD_BYTES) + taps * _TAP_BYTES
    # Each part is copied to where workers can map it, and let go behind that.
    making = max(working, _WIDE * (max(inputs, outputs) if trains else outputs), inputs * size)
    return Footprint(filling=filling, making=making, worker=worker)


def _buffer(workload: Workload, elements: int, view: View) -> int:
    """Return the bytes of the buffer that so many elements are the ``view`` of."""
    channels = view.channels or workload.channels
    return elements // workload.channels * channels * workload.dtype.itemsize
