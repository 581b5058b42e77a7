"""Two stored runs into one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.explain.across import SideBySide, differences, side_by_side
from poolbench.report.across import TITLE, across_answer, across_table
from poolbench.report.content import Page, Section
from poolbench.report.figures.across import across_figure
from poolbench.report.method import command, machine_lines

if TYPE_CHECKING:
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
        answer=across_answer(pairs),
        lead=drawing,
        sections=(_figures(first, pairs), _changed(changed), *_machines(first, second)),
        warnings=(*(text for text in changed if text.startswith("The m")), *warnings),
    )


def _figures(header: RunHeader, pairs: Sequence[SideBySide]) -> Section:
    if not pairs:
        return Section(key="results", title=TITLE, missing="There are none.")
    table = across_table(header, pairs)
    return Section(
        key="results", title=TITLE, tables=(table,),
        words=("A verdict takes both in one run, where they take turns.",),
    )  # fmt: skip


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
