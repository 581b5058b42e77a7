"""The sections of a page that do not come from its run: history, the gate's verdicts and calibration, asv's files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from poolbench.analyse.estimate.findings import Estimate
from poolbench.quantities import percent
from poolbench.report.content import Column, Row, Section, Table, Value, exact, measured, words
from poolbench.report.figures.history import history_figure
from poolbench.report.tables import ratio_text, time_text

if TYPE_CHECKING:
    from poolbench.store.asv import AsvResults
    from poolbench.store.beside import Beside, StoredHistory

ABSENT = {
    "history": "There is no history of this machine yet: 'poolbench history' makes one.",
    "gate": "This run is no gate's: 'poolbench report --gate FILE' takes what 'poolbench gate --json' printed.",
    "calibration": "The gate has not been calibrated on this machine: 'poolbench calibrate' does that.",
    "asv": "asv keeps no files of this project here: 'poolbench export --to asv' writes some.",
}


def beside_sections(beside: Beside, gate: Mapping[str, Any] | None = None) -> tuple[Section, ...]:
    """Return a section for each of them that there is, and last one that names those that there are not."""
    found = {
        "history": _histories(beside),
        "gate": None if gate is None else _gate(gate),
        "calibration": None if beside.calibration is None else _calibration(beside.calibration),
        "asv": _asv(beside.asv) if beside.asv else None,
    }
    absent = tuple(ABSENT[key] for key, section in found.items() if section is None)
    rest = Section(key="beside", title="Beside this run", lists=((*beside.problems, *absent),))
    return (*(section for section in found.values() if section is not None), *((rest,) if rest.lists[0] else ()))


def _histories(beside: Beside) -> Section | None:
    known = [history for history in beside.histories if history.points["ratio"].notna().any()]
    if not known:
        return None
    return Section(
        key="history",
        title="History",
        words=tuple(_history_words(history) for history in known),
        drawings=tuple(history_figure(history, number) for number, history in enumerate(known, start=1)),
        tables=tuple(
            _changes(history, number) for number, history in enumerate(known, start=1) if len(history.changes)
        ),
    )


def _history_words(history: StoredHistory) -> str:
    changes = history.changes.drop_duplicates(["before", "after", "direction"])
    if changes.empty:
        return f"{history.name}: no change is found."
    told = [f"{line.direction} between {line.before} and {line.after}" for line in changes.itertuples()]
    return f"{history.name}: {'; '.join(told)}."


def _changes(history: StoredHistory, number: int) -> Table:
    columns = (
        Column(key="change", title="change"),
        Column(key="workload", title="workload"),
        Column(key="direction", title="direction"),
        Column(key="history_ratio", title="after / before", is_figure=True, has_interval=True),
    )
    rows = tuple(
        Row(
            values=(
                words(f"{line.before} → {line.after}"),
                words("all that it touches" if not _text(line.workload) else str(line.name)),
                words(str(line.direction)),
                _estimated(float(str(line.ratio)), float(str(line.low)), float(str(line.high))),
            )
        )
        for line in history.changes.itertuples()
    )
    return Table(key=f"changes-{number}", title=f"Changes of {history.name}", columns=columns, rows=rows)


def _gate(document: Mapping[str, Any]) -> Section:
    columns = (
        Column(key="workload", title="workload"),
        Column(key="gate_ratio", title="head / base", is_figure=True, has_interval=True),
        Column(key="outcome", title="outcome"),
        Column(key="reason", title="why"),
    )
    rows = []
    for verdict in document.get("verdicts", ()):
        pair = verdict.get("comparison") or {}
        name = str(verdict.get("name") or verdict.get("workload", ""))
        bad = bool(verdict.get("is_regression"))
        values = (
            words(name),
            _estimated(*(_number(pair.get(key)) for key in ("ratio", "low", "high"))),
            words(str(verdict.get("outcome", "")), is_strong=bad),
            words(str(verdict.get("reason", ""))),
        )
        rows.append(Row(values=values, facets={"outcome": str(verdict.get("outcome", ""))}))
    title = "The gate's verdicts"
    headline = str(
        document.get("headline") or f"{document.get('head', 'head')} against {document.get('base', 'base')}."
    )
    if not rows:
        return Section(key="gate", title=title, words=(headline,), missing="The document holds no verdict.")
    table = Table(key="gate", title=title, columns=columns, rows=tuple(rows), facets={"outcome": "outcome"})
    return Section(key="gate", title=title, words=(headline,), tables=(table,))


def _calibration(document: Mapping[str, Any]) -> Section:
    columns = (
        Column(key="planted", title="planted change", is_figure=True),
        Column(key="verdicts", title="verdicts", is_figure=True),
        Column(key="found_share", title="found", is_figure=True, has_interval=True,
               help="Of equal pairs: false alarms. The interval is exact."),
        Column(key="undecided", title="undecided", is_figure=True),
    )  # fmt: skip
    rows = []
    for rates in document.get("rates", ()):
        verdicts, found = _number(rates.get("verdicts")), _number(rates.get("found"))
        share = found / verdicts if verdicts else math.nan
        low, high = _number(rates.get("low")), _number(rates.get("high"))
        text = f"{percent(share)} ({percent(low)} to {percent(high)})" if math.isfinite(share) else ""
        planted = _number(rates.get("planted"))
        values = (
            exact("none" if planted == 1 else percent(planted - 1), planted),
            exact(f"{verdicts:.0f}", verdicts),
            measured(text, Estimate(value=share, low=low, high=high)),
            exact(str(rates.get("undecided", "")), _number(rates.get("undecided"))),
        )
        rows.append(Row(values=(words(values[0].text), *values[1:])))
    title = "How often the gate errs here"
    if not rows:
        return Section(key="calibration", title=title, missing="The calibration of this machine holds no rates.")
    said = f"Measured {document.get('measured_at', 'at an unknown time')} in run {document.get('run', 'unknown')}."
    table = Table(key="calibration", title=title, columns=columns, rows=tuple(rows))
    return Section(key="calibration", title=title, words=(said,), tables=(table,))


def _asv(results: tuple[AsvResults, ...]) -> Section:
    columns = (
        Column(key="commit", title="commit"),
        Column(key="subject", title="subject"),
        Column(key="workload", title="workload"),
        Column(key="asv_seconds", title="time", is_figure=True, has_interval=True,
               help="The median of asv's samples, and the middle half of them."),
    )  # fmt: skip
    rows = tuple(
        Row(values=(words(found.commit[:8]), words(figure.subject), words(figure.workload), _asv_time(figure.samples)),
            facets={"commit": found.commit[:8], "subject": figure.subject})
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
    text = f"{time_text(1e9 * value)} ({time_text(1e9 * low)} to {time_text(1e9 * high)})"
    return measured(text, Estimate(value=value, low=low, high=high))


def _estimated(ratio: float, low: float, high: float) -> Value:
    if not math.isfinite(ratio) or ratio <= 0:
        return words("–")
    found = Estimate(
        value=ratio, low=low if math.isfinite(low) else 0.0, high=high if not math.isnan(high) else math.inf
    )
    return measured(ratio_text(found), found)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
