"""The table of a run's geometric means, and over how many workloads they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolbench.quantities import counted
from poolbench.report.method import command
from poolbench.report.run_table import limit_value
from poolbench.report.table import Column, Row, Table, Unit, counted_value, ratio_value, words

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary


def means_table(summary: RunSummary) -> Table | None:
    """Return the geometric means over the workloads that all subjects have; None where there are none."""
    if not summary.means:
        return None
    rows = tuple(
        Row(
            cells={
                "subject": words(mean.subject, is_strong=mean is summary.means[0]),
                "mean_ratio": ratio_value(mean.ratio),
                "mean_times_limit": limit_value(mean.times_limit),
                "workloads": counted_value(mean.workloads),
                "limit_workloads": counted_value(mean.limit_workloads),
            },
            facets={"subject": str(mean.subject)},
            role="mean",
            command=command(summary.header, summary.header.subjects, summary.mean_workloads),
        )
        for mean in summary.means
    )
    columns = (
        Column(key="subject", title="subject"),
        Column(
            key="mean_ratio",
            title="× fastest",
            is_figure=True,
            has_interval=True,
            unit=Unit.TIMES,
            help="Geometric mean.",
        ),
        Column(
            key="mean_times_limit",
            title="× limit",
            is_figure=True,
            has_interval=True,
            unit=Unit.TIMES,
            help="Geometric mean.",
        ),
        Column(key="workloads", title="workloads", is_figure=True, unit=Unit.COUNT, help="That the mean is over."),
        Column(
            key="limit_workloads",
            title="with a limit",
            is_figure=True,
            unit=Unit.COUNT,
            help="That the mean of × limit is over.",
        ),
    )
    return Table(key="means", title="Geometric means", columns=columns, rows=rows)


def covered_text(summary: RunSummary) -> str:
    """Say over how many workloads the means are: "3 of 5 workloads"."""
    covered, measured = len(summary.mean_workloads), len(summary.workloads)
    return counted(measured, "workload") if covered == measured else f"{covered} of {counted(measured, 'workload')}"
