"""Two stored runs into one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.explain.across import SideBySide, differences, side_by_side
from poolbench.model.estimate import Estimate
from poolbench.quantities import counted
from poolbench.report.content import Page, Section
from poolbench.report.figures.across import across_figure
from poolbench.report.method import command, machine_lines
from poolbench.report.run_table import limit_value
from poolbench.report.table import BLANK, Column, Row, Table, Unit, Value, ratio_value, time_value, words

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import Cell
    from poolbench.model.result import ResultRow, RunHeader


def build_comparison(
    first: RunHeader,
    first_rows: Sequence[ResultRow],
    second: RunHeader,
    second_rows: Sequence[ResultRow],
    *,
    warnings: Sequence[str] = (),
) -> Page:
    """Return the page that holds two runs side by side, relative to the limit in each. It claims no difference."""
    pairs = side_by_side(summarise(first, first_rows), summarise(second, second_rows))
    changed = tuple(differences(first, second))
    drawing = across_figure(pairs)
    return Page(
        key=f"{first.run}-and-{second.run}",
        title="Two runs side by side",
        subtitle=f"first {first.run} on {first.machine.key} · second {second.run} on {second.machine.key}",
        started_at=max(first.started_at, second.started_at),
        machine=first.machine.key if first.machine.key == second.machine.key else "",
        answer=_answer(pairs),
        lead=drawing,
        sections=(_figures(first, pairs), _changed(changed), *_machines(first, second)),
        warnings=(*(text for text in changed if text.startswith("The m")), *warnings),
    )


def _answer(pairs: Sequence[SideBySide]) -> tuple[str, ...]:
    if not pairs:
        return ("The two runs have no workload and subject in common that both measured: there is nothing to compare.",)
    known = [pair.change for pair in pairs if pair.change is not None]
    apart = sum(change.low > 1 or change.high < 1 for change in known)
    return (
        "These runs were not interleaved, so no difference is claimed: poolbench compares only what took turns.",
        f"Of {counted(len(known), 'pair')} with a limit in both, the intervals of {apart} exclude that nothing "
        "changed, each taken by itself.",
    )


def _figures(header: RunHeader, pairs: Sequence[SideBySide]) -> Section:
    title = "Every workload and subject that both have"
    if not pairs:
        return Section(key="results", title=title, missing="There are none.")
    columns = (
        Column(key="name", title="workload"),
        Column(key="subject", title="subject"),
        Column(key="first_times_limit", title="first, × limit", is_figure=True, has_interval=True),
        Column(key="second_times_limit", title="second, × limit", is_figure=True, has_interval=True),
        Column(key="change", title="second / first", is_figure=True, has_interval=True,
               help="Of the two columns before; below 1 the second run is nearer to its limit."),
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
                "first_time": _time(pair.first),
                "second_time": _time(pair.second),
            },
            facets={"workload": pair.workload, "subject": str(pair.subject)},
            command=command(header, [pair.subject], [pair.workload]),
        )
        for pair in pairs
    )
    table = Table(key="comparison", title=title, columns=columns, rows=rows, facets={"subject": "subject"})
    return Section(
        key="results", title=title, tables=(table,),
        words=("A verdict takes both in one run, where they take turns.",),
    )  # fmt: skip


def _time(cell: Cell) -> Value:
    timing = cell.timing
    if timing is None:
        return BLANK
    return time_value(Estimate(value=timing.median_ns, low=timing.low_ns, high=timing.high_ns))


def _changed(changed: tuple[str, ...]) -> Section:
    title = "What differs between them"
    if not changed:
        return Section(key="differences", title=title, words=("Machine, software, revision and method are the same.",))
    return Section(key="differences", title=title, lists=(changed,))


def _machines(first: RunHeader, second: RunHeader) -> tuple[Section, ...]:
    return tuple(
        Section(key=f"machine-{place}", title=f"The {place} run's machine", lists=(tuple(machine_lines(header)),),
                code=command(header))
        for place, header in (("first", first), ("second", second))
    )  # fmt: skip
