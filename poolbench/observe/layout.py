"""From strides to what an id says of memory: an order of the axes, and a view."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poolbench.model.pooling import Ints
from poolbench.model.workload import CONTIGUOUS, View, ViewKind, channels_last_order, default_order


@dataclass(frozen=True, slots=True)
class Layout:
    """How an array lies in memory. ``note`` says where an id cannot say it; order and view are then the nearest."""

    order: str
    view: View = CONTIGUOUS
    note: str = ""


def layout_of(shape: Ints, strides: Ints) -> Layout:
    """Return the layout of an array of shape (batch, channels, *spatial) whose ``strides`` count elements.

    Axes of length 1 have no say. Channels outermost is taken where several orders fit.
    """
    sizes, steps, rank = _named(shape), _named(strides), len(shape) - 2
    usual = (default_order(rank), channels_last_order(rank))
    for order in usual:
        if _fits(order, sizes, steps):
            return Layout(order)
    for order in usual:
        view = _view(order, sizes, steps)
        if view is not None:
            return Layout(order, view)
    by_stride = "".join(sorted(usual[0], key=lambda axis: -steps[axis]))  # stable: equal strides keep the usual order
    if _fits(by_stride, sizes, steps):
        return Layout(by_stride)
    return Layout(_nearest(usual, steps, sizes), note=_unsaid("input", strides))


def gradient_view_of(order: str, shape: Ints, strides: Ints) -> tuple[View, str]:
    """Return the view of a gradient of ``shape`` (batch, channels, *spatial) in the workload's ``order``, and a note.

    The note is empty where the view says it all.
    """
    sizes, steps = _named(shape), _named(strides)
    if _fits(order, sizes, steps):
        return CONTIGUOUS, ""
    view = _view(order, sizes, steps)
    return (view, "") if view is not None else (CONTIGUOUS, _unsaid("gradient", strides))


def _unsaid(what: str, strides: Ints) -> str:
    if 0 in strides:
        return f"Its {what} repeats elements (strides {strides}), which no id says: it is measured contiguous."
    return f"Its {what} has the strides {strides}, which no id says: it is measured contiguous."


def _named(values: Ints) -> dict[str, int]:
    return dict(zip(default_order(len(values) - 2), values, strict=True))


def _view(order: str, sizes: Mapping[str, int], steps: Mapping[str, int]) -> View | None:
    """Return the view in ``order`` that has these strides: a slice of more channels, or two axes swapped."""
    inside = order[order.index("c") + 1 :]
    outside = [axis for axis in order[: order.index("c")] if sizes[axis] > 1]
    if outside:
        step = steps[outside[-1]]
        plane = math.prod(sizes[axis] for axis in inside)
        channels = step // plane
        if channels > sizes["c"] and _fits(order, {**sizes, "c": channels}, steps):
            return View(kind=ViewKind.CHANNEL_SLICE, channels=channels)
    if _fits(order[:-2] + order[-1] + order[-2], sizes, steps):
        return View(kind=ViewKind.TRANSPOSED)
    return None


def _fits(order: str, sizes: Mapping[str, int], steps: Mapping[str, int]) -> bool:
    """Whether an array without gaps in this order has these strides."""
    expected = 1
    for axis in reversed(order):
        if sizes[axis] > 1 and steps[axis] != expected:
            return False
        expected *= sizes[axis]
    return True


def _nearest(orders: Sequence[str], steps: Mapping[str, int], sizes: Mapping[str, int]) -> str:
    """Return the order whose innermost axis is the one with the least stride."""
    long = [axis for axis in orders[0] if sizes[axis] > 1 and steps[axis] > 0]
    innermost = min(long, key=lambda axis: steps[axis], default="")
    return orders[1] if innermost == "c" else orders[0]
