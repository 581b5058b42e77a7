"""The gate's words and its table: the answer, a verdict for each workload, and what disturbed the machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from poolbench.model.estimate import Estimate
from poolbench.model.gate import Disturbance, GateResult, GateVerdict
from poolbench.model.verdict import Comparison, Outcome
from poolbench.quantities import counted, level_text, listed, percent
from poolbench.report.count import change_sentence, change_words
from poolbench.report.table import (
    NONE,
    UNKNOWN,
    Column,
    Row,
    Table,
    Unit,
    Value,
    counted_value,
    exact,
    flag,
    measured,
    words,
)

MARKS = {"slower": "❌", "faster": "🟢", "same": "✅", "undecided": "❔", "invalid": "⚠️"}
"""What stands before a gate's verdict, by outcome, where signs can be shown."""


def headline(result: GateResult) -> str:
    """Return the answer in a sentence."""
    slow = [verdict for verdict in result.verdicts if verdict.is_regression]
    memory = [verdict for verdict in result.verdicts if verdict.is_memory_regression]
    tolerance = percent(result.policy.tolerance)
    if not result.verdicts:
        return "Nothing was measured."
    parts = []
    if slow:
        parts.append(f"slower by {tolerance} or more on {len(slow)} of {counted(len(result.verdicts), 'workload')}")
    if memory:
        parts.append(f"more memory on {len(memory)} of {counted(len(result.verdicts), 'workload')}")
    failed = f"{result.head} against {result.base}: "
    invalid = sum(verdict.outcome is Outcome.INVALID for verdict in result.verdicts)
    if invalid:
        parts.append(f"nothing can be said on {invalid} of {counted(len(result.verdicts), 'workload')}")
    if not parts:
        undecided = sum(verdict.outcome is Outcome.UNDECIDED for verdict in result.verdicts)
        parts.append(
            f"nothing was found to be slower by {tolerance} or more, but {undecided} of "
            f"{counted(len(result.verdicts), 'workload')} could not be decided"
            if undecided
            else f"nothing is slower by {tolerance} or more"
        )
    text = failed + " and ".join(parts)
    counts = [
        f"{number} {outcome}"
        for outcome in Outcome
        if (number := sum(verdict.outcome is outcome for verdict in result.verdicts))
    ]
    return f"{text} ({', '.join(counts)})."


def gate_table(result: GateResult, names: Mapping[str, str]) -> Table:
    """Return a row for each verdict: head over base to three decimals, with its interval beside it."""
    level = level_text(result.policy.intervals.confidence)
    columns = (
        Column(key="workload", is_detail=True),
        Column(key="name", title="workload"),
        Column(key="outcome", title="verdict"),
        Column(key="ratio", title="head / base", is_figure=True, has_interval=True, ends=("low", "high"),
               unit=Unit.TIMES),
        Column(key="interval", title=f"{level} interval"),
        Column(key="samples", title="slots", is_figure=True, unit=Unit.COUNT),
        Column(key="launches", title="launches", is_figure=True, unit=Unit.COUNT),
        Column(key="memory", title="memory", is_figure=True, unit=Unit.BYTES,
               help="By how much head requests more than base."),
        *_count_columns(result),
        Column(key="reason", title="why"),
        Column(key="is_regression", unit=Unit.YES_OR_NO, is_detail=True),
    )  # fmt: skip
    rows = tuple(_row(verdict, names) for verdict in result.verdicts)
    return Table(key="gate", title="The gate's verdicts", columns=columns, rows=rows, facets={"outcome": "verdict"})


def sentence(verdict: GateVerdict) -> str:
    """Return why a verdict is what it is, in time and in memory, and what the instructions say beside it."""
    memory = f" Memory: {verdict.memory_reason}" if verdict.is_memory_regression else ""
    counts = change_sentence(
        verdict.count, is_undecided=verdict.outcome is Outcome.UNDECIDED, same_memory=verdict.has_same_memory
    )
    return " ".join(filter(None, (f"{verdict.reason}{memory}", counts)))


def reasons(result: GateResult, names: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each verdict, for memory that was not compared, and for what was left out."""
    for verdict in result.verdicts:
        yield f"{names.get(verdict.workload, verdict.workload)}: {sentence(verdict)}"
    unmeasured = {verdict.memory_reason for verdict in result.verdicts if verdict.memory is None}
    yield from sorted(f"memory: {reason}" for reason in unmeasured if reason)
    yield from (f"left out: {text}" for text in result.skipped)


def disturbance_text(found: Disturbance) -> str:
    """Say what was rejected, and whether the machine was disturbed."""
    text = (
        f"Rejected: {percent(found.rejected)} of {found.slots} slots; waiting for a core {percent(found.waited)}, "
        f"wall time without CPU time {percent(found.lost)}, {found.switches:.2f} involuntary switches a slot"
    )
    if found.has_evidence:
        text += f"; stolen {percent(found.stolen)}, pressure {percent(found.pressure)}, others {found.others:.2f} cores"
    causes = found.causes
    quiet = "The machine was quiet." if not causes else f"The machine was disturbed: {listed(causes)}."
    return f"{quiet} {text}."


def _row(verdict: GateVerdict, names: Mapping[str, str]) -> Row:
    bad = verdict.is_regression or verdict.is_memory_regression
    outcome = verdict.outcome.value.upper() if verdict.is_regression else verdict.outcome.value
    return Row(
        cells={
            "workload": words(verdict.workload),
            "name": words(names.get(verdict.workload, verdict.workload)),
            "outcome": words(outcome, is_strong=bad),
            **_ratio(verdict.comparison),
            "samples": counted_value(verdict.samples),
            "launches": counted_value(verdict.comparison.launches),
            "memory": _memory(verdict),
            **({} if verdict.count is None else {"count": words(change_words(verdict.count))}),
            "reason": words(sentence(verdict)),
            "is_regression": flag(verdict.is_regression),
        },
        facets={"outcome": verdict.outcome.value},
        role="failed" if bad else "",
    )


def _count_columns(result: GateResult) -> tuple[Column, ...]:
    """Return the column of counts, where any were taken."""
    if all(verdict.count is None for verdict in result.verdicts):
        return ()
    return (Column(key="count", title="instructions", help="Of one call, head beside base; no part of the verdict."),)


def _ratio(pair: Comparison) -> dict[str, Value]:
    if not math.isfinite(pair.ratio):
        return {"ratio": words(NONE), "interval": words(NONE)}
    interval = f"{pair.low:.3f}–{pair.high:.3f}" if math.isfinite(pair.high) else "unbounded"
    found = Estimate(value=pair.ratio, low=pair.low, high=pair.high)
    return {"ratio": measured(f"{pair.ratio:.3f}", found), "interval": words(interval)}


def _memory(verdict: GateVerdict) -> Value:
    if verdict.memory is None:
        return words(UNKNOWN)
    grown = verdict.memory.head_bytes - verdict.memory.base_bytes
    if verdict.memory.is_growth:
        return exact(f"MORE: {grown:+,} B", grown)
    return exact("same" if abs(grown) <= verdict.memory.slack else f"{grown:+,} B", grown)
