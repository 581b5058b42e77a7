"""A stored run into a page: every section that its data allow, and a sentence for each that they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.explain.models import Layer, model_indices
from poolbench.analyse.explain.samples import sample_scatters
from poolbench.analyse.explain.scaling import Crossover, size_series, speed_ups
from poolbench.catalogue.sets import entries, entries_by_key
from poolbench.errors import InvalidIdError, InvalidSpecError
from poolbench.model.contract import Clause
from poolbench.model.ids import parse_id
from poolbench.model.subject import LIMIT
from poolbench.quantities import counted, level_text, listed, size_text
from poolbench.report.answer import answer
from poolbench.report.content import Page, Section
from poolbench.report.figures.heat import heat
from poolbench.report.figures.memory import memory_figure
from poolbench.report.figures.models import models_figure
from poolbench.report.figures.samples import samples_figure
from poolbench.report.figures.sizes import size_figure, window_figure
from poolbench.report.figures.standing import standing
from poolbench.report.figures.threads import threads_figure
from poolbench.report.method import command, machine_lines, method_paragraphs
from poolbench.report.page.derived import (
    memory_table,
    models_table,
    rejected_table,
    sizes_table,
    threads_table,
)
from poolbench.report.results import means_table, results_table
from poolbench.report.table import Column, Row, Table, words

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary
    from poolbench.model.result import ResultRow, RunHeader

TITLE = "Which backend is fastest here, by how much, and is that sure?"


def build_page(
    header: RunHeader, rows: Sequence[ResultRow], *, warnings: Sequence[str] = (), beside: Sequence[Section] = ()
) -> Page:
    """Return the page of a run.

    ``warnings`` say what of its file could not be read, ``beside`` is what else is shown.
    Rows whose workload this version cannot parse are left out, with a warning.
    """
    known, unknown = _understood(rows)
    ledger = Ledger(known, header.method.rejection)
    summary = summarise(header, known, ledger=ledger)
    origins = {w.workload: entries_by_key().get(_catalogue_name(w.name)) for w in summary.workloads}
    models = {key: entry.origin.model for key, entry in origins.items() if entry is not None}
    layers = [
        Layer(model=entry.origin.model, workload=key, weight=entry.weight)
        for key, entry in origins.items()
        if entry is not None and entry.origin.model and "reported" not in entry.tags and entry.origin.model != "user"
    ]
    sections = (
        _results(summary, models),
        _ratios(summary),
        _models(summary, ledger, layers),
        _sizes(summary, ledger),
        _windows(summary),
        _threads(summary, ledger),
        _memory(summary),
        *beside,
        _contracts(known, summary),
        _samples(known, header),
        _notes(summary),
        _machine(header),
        _method(summary),
    )
    hardware = header.machine.hardware
    return Page(
        key=header.run,
        title=TITLE,
        subtitle=f"{counted(len(summary.workloads), 'workload')}, "
        f"{counted(len({c.subject for c in summary.cells}), 'subject')}, "
        f"{counted(header.method.threads, 'thread')}, {header.method.cache} cache · "
        f"{hardware.processor or hardware.architecture}, {counted(hardware.cores, 'core')} · run {header.run}",
        started_at=header.started_at,
        machine=header.machine.key,
        answer=answer(summary),
        lead=standing(summary),
        sections=tuple(section for section in sections if not section.is_empty),
        warnings=(*warnings, *unknown),
    )


def unreadable_page(key: str, problem: str) -> Page:
    """Return the page of a run that cannot be read: it says so, and what to do."""
    return Page(
        key=key,
        title="This run cannot be read",
        subtitle=f"run {key}",
        started_at="",
        machine="",
        answer=(problem,),
        lead=None,
        sections=(),
    )


def _understood(rows: Sequence[ResultRow]) -> tuple[list[ResultRow], list[str]]:
    """Return the rows whose workload can be parsed, and a warning for each workload that cannot."""
    problems: dict[str, str] = {}
    for identity in {row.workload for row in rows}:
        try:
            parse_id(identity)
        except (InvalidIdError, InvalidSpecError) as error:
            problems[identity] = f"The rows of '{identity}' are left out: {error}"
    return [row for row in rows if row.workload not in problems], [problems[key] for key in sorted(problems)]


def _catalogue_name(name: str) -> str:
    """Return the catalogue's name of a layer in whichever pass."""
    return name.split(".")[0] if name.split(".")[0] in entries_by_key() else name


def _results(summary: RunSummary, models: dict[str, str]) -> Section:
    # The memory's parts have a table of their own.
    table = results_table(summary, models).hiding("saved_bytes", "output_bytes", "least_bytes")
    means = means_table(summary)
    if not table.rows:
        return Section(
            key="results", title="Every workload and subject",
            missing="There is no table: the run holds no row that could be read.",
        )  # fmt: skip
    return Section(
        key="results",
        title="Every workload and subject",
        words=(
            f"± is half the width of an interval at {level_text(summary.policy.confidence)} over launches. ~ cannot be "
            "told from the fastest, ! is below what the memory allows, so the probe or the subject is wrong. Each row's "
            "command measures it again against the fastest of its workload.",
        ),
        tables=tuple(filter(None, (table, means))),
    )


def _ratios(summary: RunSummary) -> Section:
    drawing = heat(summary)
    title = "Ratios at a glance"
    if drawing is None:
        return Section(key="ratios", title=title, missing="There is no heat map: no two subjects were compared.")
    return Section(key="ratios", title=title, drawings=(drawing,))


def _models(summary: RunSummary, ledger: Ledger, layers: Sequence[Layer]) -> Section:
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


def _sizes(summary: RunSummary, ledger: Ledger) -> Section:
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


def _windows(summary: RunSummary) -> Section:
    title = "Latency against the window"
    drawing = window_figure(summary)
    if drawing is None:
        return Section(
            key="windows", title=title,
            missing="There is no figure of time against the window: it takes three windows of different sizes, and the "
            "limit.",
        )  # fmt: skip
    return Section(key="windows", title=title, drawings=(drawing,))


def _threads(summary: RunSummary, ledger: Ledger) -> Section:
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


def _memory(summary: RunSummary) -> Section:
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


def _contracts(rows: Sequence[ResultRow], summary: RunSummary) -> Section:
    title = "What each subject computes"
    answers: dict[str, dict[str, str]] = {}
    for row in rows:
        if row.subject != LIMIT and row.contract:
            answers.setdefault(row.subject, {}).update(row.contract)
    if not answers:
        return Section(key="contracts", title=title, missing="No subject was asked where frameworks differ.")
    subjects = [s for s in summary.header.subjects if s in answers]
    asked = dict.fromkeys(clause for known in answers.values() for clause in known)
    clauses = [c.value for c in Clause if c.value in asked] + [c for c in asked if c not in set(Clause)]
    lines, odd = [], []
    for clause in clauses:
        given = [answers[subject].get(clause, "not probed") for subject in subjects]
        usual = max(given, key=given.count)
        if len(set(given)) > 1:
            odd.append(clause.replace("_", " "))
        cells = {
            subject: words(text if text == usual else f"≠ {text}", is_strong=text != usual)
            for subject, text in zip(subjects, given, strict=True)
        }
        lines.append(Row(cells={"clause": words(clause.replace("_", " ")), **cells}))
    table = Table(
        key="contracts",
        title="Answers to what frameworks decide differently",
        columns=(Column(key="clause", title="question"), *(Column(key=s, title=s) for s in subjects)),
        rows=tuple(lines),
    )
    differ = f"They differ in {listed(odd)}." if odd else "All of them answer alike."
    return Section(
        key="contracts", title=title,
        words=(f"Found out by probing each subject. {differ} ≠ marks what most others answer differently; on a "
               "workload where that matters a subject is not compared.",),
        tables=(table,),
    )  # fmt: skip


def _samples(rows: Sequence[ResultRow], header: RunHeader) -> Section:
    title = "Samples, and what was rejected"
    scatters = sample_scatters(rows, header.method.rejection)
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


def _notes(summary: RunSummary) -> Section:
    return Section(
        key="notes",
        title="Left out, and why",
        lists=(tuple(note.text for note in summary.notes),) if summary.notes else (),
    )


def _machine(header: RunHeader) -> Section:
    software = tuple(f"{name} {version}" for name, version in sorted(header.machine.software.items()))
    return Section(
        key="machine",
        title="Machine and software",
        lists=(tuple(machine_lines(header)), software),
    )


def _method(summary: RunSummary) -> Section:
    return Section(
        key="method", title="Method, and how to measure this again",
        words=tuple(method_paragraphs(summary)), code=command(summary.header),
    )  # fmt: skip
