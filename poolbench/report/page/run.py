"""A stored run into a page: every section that its data allow, and a sentence for each that they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.explain.models import Layer
from poolbench.catalogue.sets import entries_by_key
from poolbench.model.contract import Clause
from poolbench.model.subject import LIMIT
from poolbench.quantities import counted, level_text, listed
from poolbench.report.answer import answer
from poolbench.report.content import Page, Section
from poolbench.report.figures.heat import heat
from poolbench.report.figures.standing import standing
from poolbench.report.means import means_table
from poolbench.report.method import command, machine_lines, method_paragraphs
from poolbench.report.page.explained import (
    memory_section,
    models_section,
    samples_section,
    sizes_section,
    threads_section,
    windows_section,
)
from poolbench.report.run_table import results_table
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
    """
    ledger = Ledger(rows, header.method.rejection)
    summary = summarise(header, rows, ledger=ledger)
    origins = [(w.workload, entries_by_key().get(_catalogue_name(w.name))) for w in summary.workloads]
    models = {workload.id: entry.origin.model for workload, entry in origins if entry is not None}
    layers = [
        Layer(model=entry.origin.model, workload=workload, weight=entry.weight)
        for workload, entry in origins
        if entry is not None and entry.origin.model and "reported" not in entry.tags and entry.origin.model != "user"
    ]
    sections = (
        _results(summary, models),
        _ratios(summary),
        models_section(summary, ledger, layers),
        sizes_section(summary, ledger),
        windows_section(summary),
        threads_section(summary, ledger),
        memory_section(summary),
        *beside,
        _contracts(rows, summary),
        samples_section(rows, header),
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
        warnings=tuple(warnings),
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
            "told from the fastest, ! is below what the memory allows, so the probe or the subject is wrong. Each "
            "row's command measures it again against the fastest of its workload.",
        ),
        tables=tuple(filter(None, (table, means))),
    )


def _ratios(summary: RunSummary) -> Section:
    drawing = heat(summary)
    title = "Ratios at a glance"
    if drawing is None:
        return Section(key="ratios", title=title, missing="There is no heat map: no two subjects were compared.")
    return Section(key="ratios", title=title, drawings=(drawing,))


def _contracts(rows: Sequence[ResultRow], summary: RunSummary) -> Section:
    title = "What each subject computes"
    answers: dict[str, dict[str, str]] = {}
    for row in rows:
        if row.subject != LIMIT and row.contract:
            answers.setdefault(row.subject, {}).update(row.contract)
    if not answers:
        return Section(key="contracts", title=title, missing="No subject was asked where frameworks differ.")
    subjects = [text for text in map(str, summary.header.subjects) if text in answers]
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
