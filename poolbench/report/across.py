"""The table of two runs side by side: what both measured, each relative to the limit in its own run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.model.estimate import Estimate
from poolbench.quantities import counted
from poolbench.report.method import command
from poolbench.report.run_table import limit_value
from poolbench.report.table import BLANK, Column, Row, Table, Unit, Value, flag, ratio_value, time_value, words

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import Cell
    from poolbench.analyse.explain.across import SideBySide
    from poolbench.model.result import RunHeader

TITLE = "Every workload and subject that both have"


def across_answer(pairs: Sequence[SideBySide]) -> tuple[str, ...]:
    """Return in sentences what two runs side by side show. It claims no difference: they were not interleaved."""
    if not pairs:
        return ("The two runs have no workload and subject in common that both measured: there is nothing to compare.",)
    known = [pair.change for pair in pairs if pair.change is not None]
    apart = sum(pair.is_apart for pair in pairs)
    return (
        "These runs were not interleaved, so no difference is claimed: poolbench compares only what took turns.",
        f"Of {counted(len(known), 'pair')} with a limit in both, the intervals of {apart} exclude that nothing "
        "changed, each taken by itself.",
    )


def across_table(header: RunHeader, pairs: Sequence[SideBySide]) -> Table:
    """Return a row for each workload and subject of ``pairs``; ``header`` is the first run's, for the commands."""
    columns = (
        Column(key="name", title="workload"),
        Column(key="subject", title="subject"),
        Column(key="first_times_limit", title="first, × limit", is_figure=True, has_interval=True),
        Column(key="second_times_limit", title="second, × limit", is_figure=True, has_interval=True),
        Column(key="change", title="second / first", is_figure=True, has_interval=True,
               help="Of the two columns before; below 1 the second run is nearer to its limit."),
        Column(key="apart", unit=Unit.YES_OR_NO, is_detail=True),
        Column(key="first_time", title="first, time", is_figure=True, has_interval=True, unit=Unit.NANOSECONDS),
        Column(key="second_time", title="second, time", is_figure=True, has_interval=True, unit=Unit.NANOSECONDS),
    )  # fmt: skip
    rows = tuple(
        Row(
            cells={
                "name": words(pair.name),
                "subject": words(pair.subject),
                "first_times_limit": limit_value(pair.first.times_limit),
                "second_times_limit": limit_value(pair.second.times_limit),
                "change": ratio_value(pair.change),
                "apart": flag(pair.is_apart),
                "first_time": _time(pair.first),
                "second_time": _time(pair.second),
            },
            facets={"workload": pair.workload, "subject": str(pair.subject)},
            command=command(header, [pair.subject], [pair.workload]),
        )
        for pair in pairs
    )
    return Table(key="comparison", title=TITLE, columns=columns, rows=rows, facets={"subject": "subject"})


def _time(cell: Cell) -> Value:
    timing = cell.timing
    if timing is None:
        return BLANK
    return time_value(Estimate(value=timing.median_ns, low=timing.low_ns, high=timing.high_ns))
