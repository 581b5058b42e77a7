"""The pooling calls of a model as a table, and the sentences beside it."""

from __future__ import annotations

from poolbench.model.capture import Capture, CapturedCall
from poolbench.quantities import counted, listed
from poolbench.report.table import NONE, Column, Row, Table, Unit, counted_value, flag, keyed, words

_LAYERS = 3
"""So many layers are named in a cell; the rest is counted."""


def capture_table(capture: Capture) -> Table:
    """Return a row for each group of equal calls, in the order in which the model made them."""
    columns = (
        Column(key="count", title="calls", is_figure=True, unit=Unit.COUNT, help="In one step."),
        Column(key="workload", title="id"),
        Column(key="layer", title="layers"),
        Column(key="function", title="called as"),
        Column(key="name", title="name", is_detail=True),
        Column(key="pass", title="pass", is_detail=True),
        Column(key="reductions", title="reductions", is_figure=True, unit=Unit.COUNT, is_detail=True,
               help="Calls that are means or maxima over all spatial axes: global pooling by another name."),
        Column(key="shape", title="shape", is_detail=True),
        Column(key="strides", title="strides", is_detail=True),
        Column(key="gradient_strides", title="gradient's strides", is_detail=True),
        Column(key="dtype", title="type", is_detail=True),
        Column(key="device", title="device", is_detail=True),
        Column(key="threads", title="threads", is_figure=True, unit=Unit.COUNT, is_detail=True),
        Column(key="is_supported", title="measured", unit=Unit.YES_OR_NO),
    )  # fmt: skip
    rows = tuple(_row(call, columns) for call in capture.calls)
    return Table(key="capture", title=title(capture), columns=columns, rows=rows)


def title(capture: Capture) -> str:
    """Return what was watched: "models:VGG, training, 8x3x224x224:float32, torch 2.13.0"."""
    parts = (capture.target, capture.pass_.value, *capture.inputs, f"{capture.framework} {capture.version}")
    return ", ".join(filter(None, parts))


def sentences(capture: Capture) -> tuple[str, ...]:
    """Return what stands below the table: the sum, what nothing measures and why, and what ids do not say."""
    if not capture.calls:
        return (f"{capture.target} makes no pooling call.", *capture.notes)
    total = sum(call.count for call in capture.calls)
    reductions = sum(call.reductions for call in capture.calls)
    found = f"{counted(total, 'pooling call')} a step, {counted(len(capture.workloads), 'workload')} to measure"
    if reductions:
        found += f"; {reductions} of the calls {_are(reductions)} over all spatial axes, which is global pooling"
    measured = [f"{call.name}: {call.reason}" for call in capture.calls if call.reason]
    nearest = [f"{call.name}: {call.note}" for call in capture.calls if call.note]
    return (f"{found}.", *measured, *nearest, *capture.notes)


def _are(number: int) -> str:
    return "is a mean or a maximum" if number == 1 else "are means or maxima"


def _row(call: CapturedCall, columns: tuple[Column, ...]) -> Row:
    layers = list(dict.fromkeys(place.layer for place in call.places if place.layer))
    functions = list(dict.fromkeys(place.function for place in call.places))
    values = (
        counted_value(call.count),
        words(NONE if call.workload is None else call.workload.id),
        words(listed(layers, _LAYERS) if layers else ""),
        words(listed(functions)),
        words(call.name),
        words(call.pass_.value),
        counted_value(call.reductions),
        words(_numbers(call.shape)),
        words(_numbers(call.strides)),
        words(_numbers(call.gradient_strides)),
        words(call.dtype),
        words(call.device),
        counted_value(call.threads),
        flag(call.is_supported),
    )
    return Row(cells=keyed(columns, values), role="" if call.is_supported else "failed", reason=call.reason)


def _numbers(values: tuple[int, ...] | None) -> str:
    return "" if values is None else " ".join(map(str, values))
