"""The large table of a run: every workload and subject, with what was measured and what it comes to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from poolbench.analyse.estimate.findings import Estimate
from poolbench.model.ids import parse_id
from poolbench.model.result import Status
from poolbench.model.subject import LIMIT
from poolbench.report.content import Column, Row, Table, Value, exact, measured, words
from poolbench.report.render.markdown import command
from poolbench.report.tables import (
    NO_TIME,
    TIE,
    UNKNOWN,
    half_width_text,
    ratio_text,
    significant,
    size_text,
    time_text,
)

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import Cell, RunSummary, WorkloadSummary
    from poolbench.analyse.estimate.timing import Timing
    from poolbench.model.memory import Amount

FACETS = {
    "op": "operator",
    "rank": "rank",
    "order": "layout",
    "dtype": "type",
    "pass": "pass",
    "model": "model",
    "subject": "subject",
}
"""What the large table is filtered by."""


def results_table(summary: RunSummary, models: Mapping[str, str]) -> Table:
    """Return workloads × subjects: time, ratio, times the limit and memory. ``models`` is by workload id."""
    level = f"{100 * summary.policy.confidence:g} %"
    columns = (
        Column(key="workload", title="workload"),
        Column(key="subject", title="subject"),
        Column(
            key="median_ns", title="time", is_figure=True, has_interval=True,
            help=f"Of one call, ± half the {level} interval over launches.",
        ),
        Column(
            key="ratio_to_fastest", title="× fastest", is_figure=True, has_interval=True,
            help="Times the fastest on this workload, from interleaved blocks.",
        ),
        Column(
            key="times_limit", title="× limit", is_figure=True, has_interval=True,
            help="Times what reading the input and writing the output once takes here.",
        ),
        Column(key="gigabytes_per_s", title="GB/s", is_figure=True, has_interval=True,
               help="Bytes read and written, each once, over the time; ± is the time's."),
        Column(key="requested_bytes", title="requested", is_figure=True,
               help="The most that a call holds of the allocators; exact to some KB."),
        Column(key="touched_bytes", title="touched", is_figure=True,
               help="By how much a call makes resident memory grow; to about 0.3 MB."),
        Column(key="verdict", title="verdict", help="Against the fastest of the workload."),
        Column(key="layout", title="native", help="The axes' order in the subject's own array."),
        Column(key="kernels", title="kernel", help="Who computed, by pass, where the subject can tell."),
    )  # fmt: skip
    rows = [
        _result_row(summary, workload, cell, models) for workload in summary.workloads for cell in workload.cells
    ] + [_limit_row(summary, w, w.limit, models) for w in summary.workloads if w.limit is not None]
    order = {workload.workload: place for place, workload in enumerate(summary.workloads)}
    rows.sort(key=lambda row: order[row.facets["id"]])
    return _without_blank(
        Table(key="results", title="Workloads and subjects", columns=columns, rows=tuple(rows), facets=FACETS)
    )


def timing_text(timing: Timing) -> str:
    """Write a time with half its interval: "1.23 ms ±0.8 %"."""
    return f"{time_text(timing.median_ns)} {half_width_text(_estimate(timing).half_width)}"


def _result_row(summary: RunSummary, workload: WorkloadSummary, cell: Cell, models: Mapping[str, str]) -> Row:
    memory = cell.memory
    status = NO_TIME if cell.status is Status.OK else cell.status.value
    rivals = [workload.fastest] if workload.fastest not in (None, cell.subject) else []
    if cell.is_fastest:
        rivals = [other.subject for other in workload.cells if other.is_compared and not other.is_fastest][:1]
    return Row(
        values=(
            words(workload.name),
            words(cell.subject, is_strong=cell.is_fastest),
            measured(status if cell.timing is None else timing_text(cell.timing), _estimate(cell.timing)),
            measured(_ratio_text(cell), cell.ratio),
            measured("" if cell.times_limit is None else _limit_text(cell), cell.times_limit),
            _bandwidth(cell.timing),
            amount_value(None if memory is None else memory.requested),
            amount_value(None if memory is None else memory.touched),
            words(_verdict(cell)),
            words(cell.layout),
            words(", ".join(name for _, name in cell.kernels)),
        ),
        facets=_facets(workload.workload, cell.subject, models),
        role="fastest" if cell.is_fastest else "failed" if cell.timing is None else "",
        command=command(summary.header, [cell.subject, *(str(rival) for rival in rivals)], [workload.workload]),
        reason=cell.note or ("" if cell.verdict is None else cell.verdict.reason),
        detail=workload.workload if workload.workload != workload.name else "",
    )


def _limit_row(summary: RunSummary, workload: WorkloadSummary, timing: Timing, models: Mapping[str, str]) -> Row:
    empty = words("")
    return Row(
        values=(
            words(workload.name),
            words(f"({LIMIT})"),
            measured(timing_text(timing), _estimate(timing)),
            empty,
            words("1"),
            _bandwidth(timing),
            empty,
            empty,
            words("–"),
            empty,
            empty,
        ),
        facets=_facets(workload.workload, LIMIT, models),
        role="limit",
        command=command(summary.header, [c.subject for c in workload.cells][:1], [workload.workload]),
        detail=workload.workload if workload.workload != workload.name else "",
    )


def _facets(identity: str, subject: str, models: Mapping[str, str]) -> dict[str, str]:
    workload = parse_id(identity)
    return {
        "id": identity,
        "op": workload.spec.kind.value,
        "rank": f"{workload.spec.rank}D",
        "order": workload.order,
        "dtype": workload.dtype.value,
        "pass": workload.pass_.name.lower().replace("_", " "),
        "model": models.get(identity, "") or "no model",
        "subject": subject,
    }


def _without_blank(table: Table) -> Table:
    """Leave out the columns that no row fills, such as memory where it was not measured."""
    filled = [
        index
        for index in range(len(table.columns))
        if any(row.values[index].text not in ("", "–") for row in table.rows)
    ] or list(range(len(table.columns)))
    return Table(
        key=table.key,
        title=table.title,
        columns=tuple(table.columns[index] for index in filled),
        rows=tuple(
            Row(
                values=tuple(row.values[index] for index in filled), facets=row.facets, role=row.role,
                command=row.command, reason=row.reason, detail=row.detail,
            )
            for row in table.rows
        ),
        facets=table.facets,
        note=table.note,
    )  # fmt: skip


def _estimate(timing: Timing | None) -> Estimate:
    if timing is None:
        return Estimate(value=math.nan, low=0.0, high=math.inf)
    return Estimate(value=timing.median_ns, low=timing.low_ns, high=timing.high_ns)


def _bandwidth(timing: Timing | None) -> Value:
    if timing is None:
        return words("")
    rate = timing.gigabytes_per_s
    scale = rate * timing.median_ns  # bytes: the interval is that of the time, turned round
    low = 0.0 if math.isinf(timing.high_ns) else scale / timing.high_ns
    high = math.inf if timing.low_ns <= 0 else scale / timing.low_ns
    return Value(text=significant(rate), number=rate, low=low, high=high)


def amount_value(amount: Amount | None) -> Value:
    """Return a number of bytes as a cell, or why there is none; empty where memory was not measured."""
    if amount is None:
        return words("")
    if amount.bytes is None:
        return words(UNKNOWN if amount.note else "")
    return exact(size_text(amount.bytes), amount.bytes)


def _ratio_text(cell: Cell) -> str:
    if cell.is_fastest:
        return "fastest"
    if cell.ratio is None:
        return ""
    return f"{TIE} {ratio_text(cell.ratio)}" if cell.is_tie else ratio_text(cell.ratio)


def _limit_text(cell: Cell) -> str:
    assert cell.times_limit is not None
    return f"{ratio_text(cell.times_limit)}{' !' if cell.is_below_limit else ''}"


def _verdict(cell: Cell) -> str:
    if cell.is_fastest:
        return "fastest"
    if cell.differs:
        return "computes something else"
    if cell.verdict is None:
        return cell.status.value.lower().replace("_", " ") if cell.status is not Status.OK else "not compared"
    return cell.verdict.outcome.value
