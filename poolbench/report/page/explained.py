"""The sections of a page that explain a run's results: models, sizes, windows, threads, memory and samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.explain.models import Layer, model_indices
from poolbench.analyse.explain.samples import sample_scatters
from poolbench.analyse.explain.scaling import Crossover, size_series, speed_ups
from poolbench.catalogue.sets import entries
from poolbench.quantities import counted, size_text
from poolbench.report.content import Section
from poolbench.report.figures.memory import memory_figure
from poolbench.report.figures.models import models_figure
from poolbench.report.figures.samples import samples_figure
from poolbench.report.figures.sizes import size_figure, window_figure
from poolbench.report.figures.threads import threads_figure
from poolbench.report.page.explained_tables import (
    memory_table,
    models_table,
    rejected_table,
    sizes_table,
    threads_table,
)

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary
    from poolbench.analyse.estimate.ledger import Ledger
    from poolbench.model.result import ResultRow, RunHeader


def models_section(summary: RunSummary, ledger: Ledger, layers: Sequence[Layer]) -> Section:
    """Return the pooling of whole models, or what a run needs for it."""
    title = "Pooling of whole models"
    catalogue: dict[str, int] = {}
    for entry in entries():
        catalogue[entry.origin.model] = catalogue.get(entry.origin.model, 0) + 1
    indices = model_indices(summary, ledger, layers, catalogue)
    if not indices:
        return Section(
            key="models", title=title,
            missing="There is no index of models: no layer of a catalogued model was compared.",
        )  # fmt: skip
    drawing = models_figure(indices)
    partial = len({index.model for index in indices if index.layers < index.of_layers})
    says = [
        "The time of all pooling calls that one step of a model makes, each layer as often as the catalogue says. "
        "Layers were measured one by one, with the caches as each alone leaves them."
    ]
    if partial:
        says.append(
            f"Of {counted(partial, 'model')} this run has only some of the layers that the catalogue lists; the table "
            "says how many."
        )
    return Section(
        key="models", title=title, words=tuple(says), drawings=() if drawing is None else (drawing,),
        tables=(models_table(summary, indices),),
    )  # fmt: skip


def sizes_section(summary: RunSummary, ledger: Ledger) -> Section:
    """Return how the time grows with the size, or what a run needs for it."""
    title = "Latency against size"
    series = size_series(summary, ledger)
    if not series:
        return Section(
            key="sizes", title=title,
            missing="There is no figure of time against size: it takes four sizes of one operator, the largest at"
            " least four times the smallest, on which a subject was compared.",
        )  # fmt: skip
    return Section(
        key="sizes",
        title=title,
        words=tuple(_crossing(group.title, group.crossover) for group in series),
        drawings=tuple(size_figure(summary, group, number) for number, group in enumerate(series, start=1)),
        tables=(sizes_table(summary, series),),
    )


def _crossing(title: str, found: Crossover | None) -> str:
    if found is None:
        return f"{title}: fewer than two subjects have all sizes, so no change of winner is looked for."
    if found.small == found.large:
        return f"{title}: by the fitted lines {found.small} is the fastest at every size measured."
    if found.size_bytes is None:
        return (
            f"{title}: {found.small} leads at the smallest size and {found.large} at the largest, but from where on "
            "cannot be said: the ratio's trend with the size is not sure."
        )
    low, value, high = (size_text(round(size)) for size in (
        found.size_bytes.low, found.size_bytes.value, found.size_bytes.high))  # fmt: skip
    return (
        f"{title}: the winner changes from {found.small} to {found.large} at {value} read and written "
        f"({low} to {high})."
    )


def windows_section(summary: RunSummary) -> Section:
    """Return how the time grows with the window, or what a run needs for it."""
    title = "Latency against the window"
    drawing = window_figure(summary)
    if drawing is None:
        return Section(
            key="windows", title=title,
            missing="There is no figure of time against the window: it takes three windows of different sizes, and the "
            "limit.",
        )  # fmt: skip
    return Section(key="windows", title=title, drawings=(drawing,))


def threads_section(summary: RunSummary, ledger: Ledger) -> Section:
    """Return what more threads gain, or what a run needs for it."""
    title = "Threads"
    gains = speed_ups(summary, ledger)
    drawing = threads_figure(summary, gains)
    if drawing is None:
        return Section(
            key="threads", title=title,
            missing="There is no figure of threads: no subject was measured with more than one count of them. "
            "'poolbench compare strided strided+threads=2' does.",
        )  # fmt: skip
    return Section(key="threads", title=title, drawings=(drawing,), tables=(threads_table(summary, gains),))


def memory_section(summary: RunSummary) -> Section:
    """Return what a call takes of memory, or what a run needs for it."""
    title = "Memory"
    table, drawing = memory_table(summary), memory_figure(summary)
    if table is None:
        return Section(
            key="memory", title=title,
            missing="Memory is not known: this run was measured without it, or by a version that did not measure it.",
        )  # fmt: skip
    return Section(
        key="memory",
        title=title,
        words=() if drawing is not None else ("No bars are drawn: what calls request was not measured.",),
        drawings=() if drawing is None else (drawing,),
        tables=(table,),
    )


def samples_section(rows: Sequence[ResultRow], header: RunHeader) -> Section:
    """Return all slots, and which were rejected, or what a run needs for it."""
    title = "Samples, and what was rejected"
    scatters = sample_scatters(header, rows)
    drawing = samples_figure(scatters)
    if drawing is None:
        return Section(key="samples", title=title, missing="There are no samples: nothing was timed.")
    rule = header.method.rejection
    return Section(
        key="samples", title=title,
        words=(f"A slot is rejected when its process was without a core for more than {100 * rule.max_wait_share:g} % "
               f"of it and longer than {rule.min_wait_ns / 1000:g} µs, however long it took.",),
        drawings=(drawing,), tables=(rejected_table(scatters),),
    )  # fmt: skip
