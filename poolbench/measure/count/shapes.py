"""The part of a workload that is short enough to be counted: fewer images, channels and rows of the same layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from poolbench.errors import InvalidSpecError
from poolbench.model.workload import Workload

MOST_TAPS = 16_384
"""Elements under windows, added up over all outputs. Scalar code takes some ten instructions for each."""

LEAST_CHANNELS = 16
"""As many as the widest vector has lanes for float32: fewer would take another way through channels-last code."""


def scaled(workload: Workload, most_taps: int = MOST_TAPS) -> Workload:
    """Return ``workload`` with as few images, channels and rows as bring it below ``most_taps``, or to its least.

    It depends on the workload alone, so that all subjects and revisions are counted on the same. The window, the width
    of a row (halved last of all), the type, the order and the view stay.
    """
    smaller = replace(workload, batch=1)
    while taps(smaller) > most_taps:
        following = next(_lesser(smaller), None)
        if following is None:
            return smaller
        smaller = following
    return smaller


def taps(workload: Workload) -> int:
    """Return how many elements lie under all windows, padding included."""
    outputs = math.prod(workload.output_spatial)
    window = workload.spec.window
    per_output = math.prod(window) if window is not None else max(math.prod(workload.spatial) // outputs, 1)
    return workload.batch * workload.channels * outputs * per_output


def _lesser(workload: Workload) -> Iterator[Workload]:
    """Yield the next smaller ones, the best first."""
    if workload.channels > LEAST_CHANNELS:
        yield replace(workload, channels=max(workload.channels // 2, LEAST_CHANNELS))
    # Outer axes first: the innermost decides how vectors and their rests fall.
    for axis, size in enumerate(workload.spatial):
        if size > 1:
            spatial = tuple((size + 1) // 2 if place == axis else whole for place, whole in enumerate(workload.spatial))
            try:
                lesser = replace(workload, spatial=spatial)
            except InvalidSpecError:  # the window would no longer fit
                continue
            if _keeps_rows(workload, lesser, axis):
                yield lesser


def _keeps_rows(workload: Workload, lesser: Workload, axis: int) -> bool:
    """Whether enough outputs are left along ``axis``: in a plane one at no edge; in a volume whole rows matter more."""
    had, has = workload.output_spatial[axis], lesser.output_spatial[axis]
    return has >= min(had, 3 if len(workload.spatial) < 3 else 2) and taps(lesser) < taps(workload)
