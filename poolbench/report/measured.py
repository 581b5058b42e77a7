"""The tables of a run: what was measured, the means, the models' indices, threads, sizes, memory and rejections."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.findings import Estimate
from poolbench.analyse.memory_parts import memory_parts
from poolbench.analyse.text import percent
from poolbench.model.ids import parse_id
from poolbench.model.result import Status
from poolbench.model.subject import LIMIT
from poolbench.report.content import Column, Row, Table, Value, exact, measured, words
from poolbench.report.figures.sizes import exponent_text
from poolbench.report.markdown import command
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
    from poolbench.analyse.findings import Cell, RunSummary, WorkloadSummary
    from poolbench.analyse.models import ModelIndex
    from poolbench.analyse.samples import SampleScatter
    from poolbench.analyse.scaling import SizeSeries, SpeedUp
    from poolbench.analyse.timing import Timing
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
    )  # fmt: skip
    rows = [
        _result_row(summary, workload, cell, models) for workload in summary.workloads for cell in workload.cells
    ] + [_limit_row(summary, w, w.limit, models) for w in summary.workloads if w.limit is not None]
    order = {workload.workload: place for place, workload in enumerate(summary.workloads)}
    rows.sort(key=lambda row: order[row.facets["id"]])
    return _without_blank(
        Table(key="results", title="Workloads and subjects", columns=columns, rows=tuple(rows), facets=FACETS)
    )


def means_table(summary: RunSummary) -> Table | None:
    """Return the geometric means; None where there are none."""
    if not summary.means:
        return None
    rows = tuple(
        Row(
            values=(
                words(mean.subject, is_strong=mean is summary.means[0]),
                measured(ratio_text(mean.ratio), mean.ratio),
                measured("" if mean.times_limit is None else ratio_text(mean.times_limit), mean.times_limit),
                exact(str(mean.workloads), mean.workloads),
                exact(str(mean.limit_workloads), mean.limit_workloads),
            ),
            facets={"subject": mean.subject},
            command=command(summary.header, summary.header.subjects, summary.mean_workloads),
        )
        for mean in summary.means
    )
    columns = (
        Column(key="subject", title="subject"),
        Column(key="mean_ratio", title="× fastest", is_figure=True, has_interval=True, help="Geometric mean."),
        Column(key="mean_times_limit", title="× limit", is_figure=True, has_interval=True, help="Geometric mean."),
        Column(key="workloads", title="workloads", is_figure=True, help="That the mean is over."),
        Column(key="limit_workloads", title="with a limit", is_figure=True, help="That the mean of × limit is over."),
    )
    return Table(key="means", title="Geometric means", columns=columns, rows=rows)


def models_table(summary: RunSummary, indices: Sequence[ModelIndex]) -> Table:
    """Return the pooling index of each model and subject."""
    columns = (
        Column(key="model", title="model"),
        Column(key="subject", title="subject"),
        Column(key="index_ns", title="pooling of one step", is_figure=True, has_interval=True),
        Column(key="index_ratio", title="× fastest", is_figure=True, has_interval=True),
        Column(key="layers", title="layers measured", is_figure=True),
        Column(key="calls", title="calls", is_figure=True, help="Sum of how often each of these layers is called."),
    )
    rows = tuple(
        Row(
            values=(
                words(index.model),
                words(index.subject, is_strong=index.is_fastest),
                measured(f"{time_text(index.time_ns.value)} {half_width_text(index.time_ns.half_width)}",
                         index.time_ns),
                measured("fastest" if index.is_fastest else ratio_text(index.ratio), index.ratio),
                exact(f"{index.layers} of {index.of_layers}", index.layers),
                exact(str(index.calls), index.calls),
            ),
            facets={"model": index.model, "subject": index.subject},
            role="fastest" if index.is_fastest else "",
            command=command(summary.header, [index.subject, *_rival(indices, index)], index.workloads),
        )
        for index in indices
    )  # fmt: skip
    return Table(
        key="models", title="Pooling index of each model", columns=columns, rows=rows,
        facets={"model": "model", "subject": "subject"},
    )  # fmt: skip


def sizes_table(summary: RunSummary, series: Sequence[SizeSeries]) -> Table:
    """Return the fitted exponents."""
    columns = (
        Column(key="series", title="workloads"),
        Column(key="subject", title="subject"),
        Column(key="exponent", title="exponent", is_figure=True, has_interval=True,
               help="Of the bytes read and written: 1 is in proportion, 0 no growth."),
        Column(key="sizes", title="points", is_figure=True),
    )  # fmt: skip
    rows = tuple(
        Row(
            values=(
                words(group.title),
                words(found.subject),
                Value(text=exponent_text(found), number=found.value, low=found.low, high=found.high),
                exact(str(len(found.workloads)), len(found.workloads)),
            ),
            facets={"subject": found.subject, "workloads": " ".join(found.workloads)},
            command=command(summary.header, [found.subject], found.workloads),
        )
        for group in series
        for found in group.exponents
    )
    return Table(key="sizes", title="How the time grows with the size", columns=columns, rows=rows)


def threads_table(summary: RunSummary, gains: Sequence[SpeedUp]) -> Table:
    """Return what more threads gain."""
    names = {w.workload: w.name for w in summary.workloads}
    columns = (
        Column(key="workload", title="workload"),
        Column(key="subject", title="subject"),
        Column(key="compared_with", title="compared with"),
        Column(key="threads", title="threads", is_figure=True),
        Column(key="gain", title="times faster", is_figure=True, has_interval=True),
    )
    rows = tuple(
        Row(
            values=(
                words(names[gain.workload]),
                words(gain.subject),
                words(gain.base),
                exact(str(gain.threads), gain.threads),
                measured(ratio_text(gain.gain), gain.gain),
            ),
            facets={"id": gain.workload, "subject": gain.subject, "base": gain.base},
            command=command(summary.header, [gain.base, gain.subject], [gain.workload]),
        )
        for gain in gains
    )
    return Table(key="threads", title="What more threads gain", columns=columns, rows=rows)


def memory_table(summary: RunSummary) -> Table | None:
    """Return what each call takes of memory, by parts; None where nothing is known."""
    columns = (
        Column(key="workload", title="workload"),
        Column(key="subject", title="subject"),
        Column(key="requested_bytes", title="requested", is_figure=True, help="Exact to some KB."),
        Column(key="output_bytes", title="output", is_figure=True, help="Exact."),
        Column(key="saved_bytes", title="saved", is_figure=True, help="For the gradient; exact to some KB."),
        Column(key="index_bytes", title="index", is_figure=True, help="Positions of maxima, inferred."),
        Column(key="scratch_bytes", title="scratch", is_figure=True, help="The rest; exact to some KB."),
        Column(key="touched_bytes", title="touched", is_figure=True, help="To about 0.3 MB."),
        Column(key="least_bytes", title="least", is_figure=True, help="Exact."),
    )
    rows = []
    for workload in summary.workloads:
        for cell in workload.cells:
            if cell.memory is None:
                continue
            parts = memory_parts(workload.workload, cell.memory)
            split = (None,) * 3 if parts is None else (parts.saved, parts.index, parts.scratch)
            rows.append(
                Row(
                    values=(
                        words(workload.name),
                        words(cell.subject),
                        _amount(cell.memory.requested),
                        exact(size_text(cell.memory.output_bytes), cell.memory.output_bytes),
                        *(exact("–" if size is None else size_text(size), size) for size in split),
                        _amount(cell.memory.touched),
                        exact(size_text(cell.memory.least_bytes), cell.memory.least_bytes),
                    ),
                    facets={"id": workload.workload, "subject": cell.subject},
                    command=command(summary.header, [cell.subject], [workload.workload]),
                )
            )
    if not rows:
        return None
    return Table(
        key="memory", title="Memory of one call", columns=columns, rows=tuple(rows), facets={"subject": "subject"}
    )


def rejected_table(scatters: Sequence[SampleScatter]) -> Table:
    """Return how many slots of each subject were rejected; counts are exact."""
    columns = (
        Column(key="subject", title="subject"),
        Column(key="slots", title="slots", is_figure=True),
        Column(key="rejected_slots", title="rejected", is_figure=True),
        Column(key="rejected_share", title="share", is_figure=True),
    )
    rows = []
    for scatter in scatters:
        slots, lost = len(scatter.rejected), int(scatter.rejected.sum())
        share = lost / slots
        values = (
            words(scatter.subject),
            exact(str(slots), slots),
            exact(str(lost), lost),
            exact(percent(share), share),
        )
        rows.append(Row(values=values, facets={"subject": scatter.subject}))
    return Table(key="rejected", title="Slots that were rejected", columns=columns, rows=tuple(rows))


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
            _amount(None if memory is None else memory.requested),
            _amount(None if memory is None else memory.touched),
            words(_verdict(cell)),
            words(cell.layout),
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


def _amount(amount: Amount | None) -> Value:
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


def _rival(indices: Sequence[ModelIndex], index: ModelIndex) -> list[str]:
    """Return whom a row's ratio is against; for the fastest, the next one."""
    others = [other for other in indices if other.model == index.model and other.subject != index.subject]
    leading = [other.subject for other in others if other.is_fastest]
    return leading or [other.subject for other in others][:1]
