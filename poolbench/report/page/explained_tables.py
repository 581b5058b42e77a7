"""The tables that explain a run's results: the models' indices, sizes, threads, memory and rejections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.explain.memory_parts import memory_parts
from poolbench.quantities import percent, ratio_text
from poolbench.report.figures.sizes import exponent_text
from poolbench.report.method import command
from poolbench.report.table import (
    Column,
    Row,
    Table,
    Value,
    amount_value,
    counted_value,
    exact,
    keyed,
    measured,
    ratio_value,
    size_value,
    time_value,
    words,
)

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary
    from poolbench.analyse.explain.models import ModelIndex
    from poolbench.analyse.explain.samples import SampleScatter
    from poolbench.analyse.explain.scaling import SizeSeries, SpeedUp
    from poolbench.model.subject import Subject


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
            cells=keyed(columns, (
                words(index.model),
                words(index.subject, is_strong=index.is_fastest),
                time_value(index.time_ns),
                measured("fastest" if index.is_fastest else ratio_text(index.ratio), index.ratio),
                exact(f"{index.layers} of {index.of_layers}", index.layers),
                counted_value(index.calls),
            )),
            facets={"model": index.model, "subject": str(index.subject)},
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
            cells=keyed(
                columns,
                (
                    words(group.title),
                    words(found.subject),
                    Value(text=exponent_text(found), number=found.value, low=found.low, high=found.high),
                    counted_value(len(found.workloads)),
                ),
            ),
            facets={"subject": str(found.subject), "workloads": " ".join(found.workloads)},
            command=command(summary.header, [found.subject], found.workloads),
        )
        for group in series
        for found in group.exponents
    )
    return Table(key="sizes", title="How the time grows with the size", columns=columns, rows=rows)


def threads_table(summary: RunSummary, gains: Sequence[SpeedUp]) -> Table:
    """Return what more threads gain."""
    names = {w.id: w.name for w in summary.workloads}
    columns = (
        Column(key="name", title="workload"),
        Column(key="subject", title="subject"),
        Column(key="compared_with", title="compared with"),
        Column(key="threads", title="threads", is_figure=True),
        Column(key="gain", title="times faster", is_figure=True, has_interval=True),
    )
    rows = tuple(
        Row(
            cells=keyed(
                columns,
                (
                    words(names[gain.workload]),
                    words(gain.subject),
                    words(gain.base),
                    counted_value(gain.threads),
                    ratio_value(gain.gain),
                ),
            ),
            facets={"workload": gain.workload, "subject": str(gain.subject), "base": str(gain.base)},
            command=command(summary.header, [gain.base, gain.subject], [gain.workload]),
        )
        for gain in gains
    )
    return Table(key="threads", title="What more threads gain", columns=columns, rows=rows)


def memory_table(summary: RunSummary) -> Table | None:
    """Return what each call takes of memory, by parts; None where nothing is known."""
    trains = any(workload.workload.pass_.runs_backward for workload in summary.workloads)
    columns = (
        Column(key="name", title="workload"),
        Column(key="subject", title="subject"),
        Column(key="requested_bytes", title="requested", is_figure=True, help="Exact to some KB."),
        Column(key="output_bytes", title="output", is_figure=True, help="Exact."),
        *(
            [Column(key="gradient_bytes", title="gradient", is_figure=True, help="The input's; exact.")]
            if trains
            else []
        ),
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
            output = cell.memory.output_bytes if parts is None else parts.output
            split = (None,) * 4 if parts is None else (parts.gradient, parts.saved, parts.index, parts.scratch)
            rows.append(
                Row(
                    cells=keyed(
                        columns,
                        (
                            words(workload.name),
                            words(cell.subject),
                            amount_value(cell.memory.requested),
                            size_value(output),
                            *(size_value(size) for size in split[0 if trains else 1 :]),
                            amount_value(cell.memory.touched),
                            size_value(cell.memory.least_bytes),
                        ),
                    ),
                    facets={"workload": workload.id, "subject": str(cell.subject)},
                    command=command(summary.header, [cell.subject], [workload.id]),
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
            counted_value(slots),
            counted_value(lost),
            exact(percent(share), share),
        )
        rows.append(Row(cells=keyed(columns, values), facets={"subject": str(scatter.subject)}))
    return Table(key="rejected", title="Slots that were rejected", columns=columns, rows=tuple(rows))


def _rival(indices: Sequence[ModelIndex], index: ModelIndex) -> list[Subject]:
    """Return whom a row's ratio is against; for the fastest, the next one."""
    others = [other for other in indices if other.model == index.model and other.subject != index.subject]
    leading = [other.subject for other in others if other.is_fastest]
    return leading or [other.subject for other in others][:1]
