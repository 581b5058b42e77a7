"""The sections of a page that do not come from its run: history, the gate's verdicts and calibration, asv's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median, quantiles
from typing import TYPE_CHECKING

from poolbench.model.estimate import Estimate
from poolbench.quantities import time_text
from poolbench.report.calibration import calibration_table, calibration_words
from poolbench.report.content import Section
from poolbench.report.figures.history import has_ratios, history_figure
from poolbench.report.gate import disturbance_text, gate_table, headline
from poolbench.report.history import change_sentences, changes_table
from poolbench.report.table import Column, Row, Table, Unit, Value, measured, words

if TYPE_CHECKING:
    from poolbench.analyse.history.types import History
    from poolbench.model.calibration import Calibration
    from poolbench.model.gate import GateResult
    from poolbench.store.asv import AsvResults

ABSENT = {
    "history": "There is no history of this machine yet: 'poolbench history' makes one.",
    "gate": "This run is no gate's: 'poolbench report --gate RUN' shows the verdicts of a gate's run beside it.",
    "calibration": "The gate has not been calibrated on this machine: 'poolbench calibrate' does that.",
    "asv": "asv keeps no files of this project here: 'poolbench export --to asv' writes some.",
}

PANELS = 12
"""As many of a history's panels stand in a page; its own files have all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedGate:
    """A gate's verdicts, and its workloads' catalogue names by id."""

    result: GateResult
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What lies beside the runs of a machine; ``problems`` say, a sentence each, what could not be read."""

    histories: tuple[History, ...] = ()
    gate: JudgedGate | None = None
    calibration: Calibration | None = None
    asv: tuple[AsvResults, ...] = ()
    problems: tuple[str, ...] = ()


def beside_sections(beside: Beside) -> tuple[Section, ...]:
    """Return a section for each of them that there is, and last one that names those that there are not."""
    found = {
        "history": _histories(beside),
        "gate": None if beside.gate is None else _gate(beside.gate),
        "calibration": None if beside.calibration is None else _calibration(beside.calibration),
        "asv": _asv(beside.asv) if beside.asv else None,
    }
    absent = tuple(ABSENT[key] for key, section in found.items() if section is None)
    rest = Section(key="beside", title="Beside this run", lists=((*beside.problems, *absent),))
    return (*(section for section in found.values() if section is not None), *((rest,) if rest.lists[0] else ()))


def _histories(beside: Beside) -> Section | None:
    known = [history for history in beside.histories if has_ratios(history)]
    if not known:
        return None
    tables = [replace(changes_table(h), key=f"changes-{number}") for number, h in enumerate(known, start=1)]
    return Section(
        key="history",
        title="History",
        words=tuple(f"{history.subject}: {' '.join(change_sentences(history))}" for history in known),
        drawings=tuple(history_figure(history, number, most=PANELS) for number, history in enumerate(known, start=1)),
        tables=tuple(table for table in tables if table.rows),
    )


def _gate(gate: JudgedGate) -> Section:
    table = gate_table(gate.result, gate.names)
    said = (headline(gate.result), disturbance_text(gate.result.disturbance))
    if not table.rows:
        return Section(key="gate", title=table.title, words=said, missing="The run holds no verdict.")
    return Section(key="gate", title=table.title, words=said, tables=(table,))


def _calibration(known: Calibration) -> Section:
    table = calibration_table(known)
    if not table.rows:
        return Section(key="calibration", title=table.title, missing="The calibration of this machine holds no rates.")
    said = f"Measured {known.measured_at} in run {known.run}."
    return Section(key="calibration", title=table.title, words=(said, *calibration_words(known)), tables=(table,))


def _asv(results: tuple[AsvResults, ...]) -> Section:
    columns = (
        Column(key="commit", title="commit"),
        Column(key="subject", title="subject"),
        Column(key="workload", title="workload"),
        Column(key="asv_seconds", title="time", is_figure=True, has_interval=True, unit=Unit.SECONDS,
               help="The median of asv's samples, and the middle half of them."),
    )  # fmt: skip
    rows = tuple(
        Row(
            cells={
                "commit": words(found.commit[:8]),
                "subject": words(figure.subject),
                "workload": words(figure.workload),
                "asv_seconds": _asv_time(figure.samples),
            },
            facets={"commit": found.commit[:8], "subject": figure.subject},
        )
        for found in results
        for figure in found.figures
        if len(figure.samples) > 1
    )  # fmt: skip
    title = "asv's files"
    said = f"{len(results)} result files, of {len({found.commit for found in results})} commits."
    if not rows:
        return Section(key="asv", title=title, words=(said,), missing="None of them holds samples of a time.")
    table = Table(key="asv", title=title, columns=columns, rows=rows, facets={"commit": "commit", "subject": "subject"})
    return Section(key="asv", title=title, words=(said,), tables=(table,))


def _asv_time(samples: tuple[float, ...]) -> Value:
    low, _, high = quantiles(samples, n=4, method="inclusive")
    value = median(samples)
    spread = f"({time_text(1e9 * low)} to {time_text(1e9 * high)})"
    return measured(time_text(1e9 * value), Estimate(value=value, low=low, high=high), spread=spread)
