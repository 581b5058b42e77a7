"""The gate's report: text, Markdown, JSON, JUnit XML, and annotations for GitHub."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from poolbench.errors import ExitCode
from poolbench.model.calibration import Calibration
from poolbench.model.gate import Disturbance, GateResult, GateVerdict
from poolbench.model.method import timing_method
from poolbench.model.subject import parse_subject
from poolbench.model.verdict import Outcome
from poolbench.quantities import counted, listed, percent

COLUMNS = ("workload", "verdict", "head / base", "95 % interval", "slots", "launches", "memory")
_MARKS = {Outcome.SLOWER: "❌", Outcome.FASTER: "🟢", Outcome.SAME: "✅", Outcome.UNDECIDED: "❔", Outcome.INVALID: "⚠️"}


def exit_code(result: GateResult, *, strict: bool = False) -> ExitCode:
    """Return the exit code: what could not be measured first, then regressions, then, if ``strict``, what is open."""
    outcomes = {verdict.outcome for verdict in result.verdicts}
    if not result.verdicts or Outcome.INVALID in outcomes:
        return ExitCode.MEASUREMENT_FAILED
    if any(verdict.is_regression or verdict.is_memory_regression for verdict in result.verdicts):
        return ExitCode.REGRESSION
    if strict and Outcome.UNDECIDED in outcomes:
        return ExitCode.UNDECIDED
    return ExitCode.DONE


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


def calibration_text(known: Calibration | None, result: GateResult | None = None) -> str:
    """Say how often the gate errs on this machine, or that it isn't known; and where ``result`` is of another kind."""
    if known is None or known.equal is None:
        return (
            "This machine was never calibrated, so the gate's rate of false alarms and the smallest slowdown that it "
            "finds are not known here: 'poolbench calibrate' measures both in about an hour."
        )
    equal = known.equal
    power = [
        f"{percent(rates.planted - 1)} in {percent(rates.found / rates.verdicts)}"
        for rates in known.rates
        if rates.planted > 1
    ]
    smallest = (
        f"found 95 % of the time from {percent(known.smallest_found - 1)} on"
        if known.smallest_found is not None
        else "no planted slowdown was found 95 % of the time"
    )
    beside = "" if known.neighbour == "none" else f", beside a neighbour ({known.neighbour})"
    return (
        f"Calibrated here on {known.measured_at[:10]}{beside}, with copies of {known.subjects[0]} on one thread, a "
        f"tolerance of {percent(known.policy.tolerance)} and {known.budget_per_verdict:g} s a verdict: "
        f"{counted(equal.found, 'false alarm')} in {equal.verdicts} verdicts on equal pairs (surely below "
        f"{percent(equal.high)}), {percent(equal.same / equal.verdicts)} of them called the same; slowdowns of "
        f"{listed(power)} of the verdicts; {smallest}.{'' if result is None else _unlike(known, result)}"
    )


def _unlike(known: Calibration, result: GateResult) -> str:
    """Say what a gate has that its machine's calibration was not made with."""
    mine = {name for text in (result.base, result.head) if (name := parse_subject(text).backend) != known.subjects[0]}
    differences = [
        (bool(mine), f"measures {listed(sorted(mine))}"),
        (result.policy.tolerance != known.policy.tolerance, f"has a tolerance of {percent(result.policy.tolerance)}"),
        (
            result.policy.confidence != known.policy.confidence,
            f"has a confidence of {percent(result.policy.confidence)}",
        ),
        (timing_method(result.method) != timing_method(known.method), "measures by another method"),
    ]
    found = [words for differs, words in differences if differs]
    return f" This gate {listed(found)}, for which these rates were not measured." if found else ""


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


def terminal_lines(result: GateResult, names: Mapping[str, str], known: Calibration | None) -> list[str]:
    """Return the report as plain lines."""
    rows = [_cells(verdict, names) for verdict in result.verdicts]
    lines = []
    if rows:
        widths = [max(len(row[place]) for row in [COLUMNS, *rows]) for place in range(len(COLUMNS))]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                  for row in [COLUMNS, *rows]]  # fmt: skip
        lines.append("")
    lines.append(headline(result))
    lines += [f"- {text}" for text in _reasons(result, names)]
    lines += [f"- left out: {text}" for text in result.skipped]
    lines += ["", disturbance_text(result.disturbance), calibration_text(known, result)]
    return lines


def markdown(result: GateResult, names: Mapping[str, str], known: Calibration | None) -> str:
    """Return the report in Markdown."""
    lines = ["## poolbench gate", "", headline(result), ""]
    if result.verdicts:
        lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
        for verdict in result.verdicts:
            cells = list(_cells(verdict, names))
            cells[1] = f"{_MARKS[verdict.outcome]} {cells[1]}"
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    lines += [f"- {text}" for text in _reasons(result, names)]
    lines += [f"- left out: {text}" for text in result.skipped]
    lines += ["", disturbance_text(result.disturbance), "", calibration_text(known, result), ""]
    return "\n".join(lines)


def document(result: GateResult, names: Mapping[str, str], known: Calibration | None, code: ExitCode) -> dict[str, Any]:
    """Return the report as a JSON document."""
    return {
        "base": result.base,
        "head": result.head,
        "exit_code": int(code),
        "headline": headline(result),
        "policy": asdict(result.policy),
        "verdicts": [
            {
                "workload": verdict.workload,
                "name": names.get(verdict.workload, ""),
                "outcome": verdict.outcome.value,
                "reason": verdict.reason,
                "is_regression": verdict.is_regression,
                "samples": verdict.samples,
                "comparison": asdict(verdict.comparison),
                "confirmation": None if verdict.confirmation is None else asdict(verdict.confirmation),
                "memory": None if verdict.memory is None else asdict(verdict.memory),
                "is_memory_regression": verdict.is_memory_regression,
                "memory_reason": verdict.memory_reason,
            }
            for verdict in result.verdicts
        ],
        "skipped": list(result.skipped),
        "disturbance": {**asdict(result.disturbance), "causes": list(result.disturbance.causes)},
        "calibration": None if known is None else asdict(known),
        "calibration_text": calibration_text(known, result),
    }


def junit(result: GateResult, names: Mapping[str, str], *, strict: bool = False) -> str:
    """Return JUnit XML: a failure for each regression, an error for what is invalid, "skipped" for what is open."""
    cases = []
    counts = {"failure": 0, "error": 0, "skipped": 0}
    for verdict in result.verdicts:
        kind = _junit_kind(verdict, strict=strict)
        inside = ""
        if kind:
            counts[kind] += 1
            text = _sentence(verdict)
            inside = f"<{kind} message={quoteattr(text)}>{escape(verdict.workload)}</{kind}>"
        output = escape(f"{verdict.workload}\n{_sentence(verdict)}")
        name = quoteattr(names.get(verdict.workload, verdict.workload))
        cases.append(
            f'  <testcase classname="poolbench.gate" name={name}>{inside}<system-out>{output}</system-out></testcase>'
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name="poolbench gate" tests="{len(result.verdicts)}" failures="{counts["failure"]}" '
        f'errors="{counts["error"]}" skipped="{counts["skipped"]}">\n' + "\n".join(cases) + "\n</testsuite>\n"
    )


def github_annotations(result: GateResult, names: Mapping[str, str]) -> list[str]:
    """Return workflow commands that GitHub shows as annotations: errors, then warnings."""
    found = []
    for verdict in result.verdicts:
        name = names.get(verdict.workload, verdict.workload)
        if verdict.is_regression or verdict.is_memory_regression or verdict.outcome is Outcome.INVALID:
            found.append(("error", f"poolbench: {name}", _sentence(verdict)))
        elif verdict.outcome in (Outcome.SLOWER, Outcome.UNDECIDED):
            found.append(("warning", f"poolbench: {name}", _sentence(verdict)))
    if result.disturbance.causes:
        found.append(("notice", "poolbench: disturbed", disturbance_text(result.disturbance)))
    return [f"::{kind} title={_command_property(title)}::{_command_data(text)}" for kind, title, text in found]


def _junit_kind(verdict: GateVerdict, *, strict: bool) -> str:
    if verdict.outcome is Outcome.INVALID:
        return "error"
    if verdict.is_regression or verdict.is_memory_regression:
        return "failure"
    if verdict.outcome is Outcome.UNDECIDED:
        return "failure" if strict else "skipped"
    return ""


def _sentence(verdict: GateVerdict) -> str:
    memory = f" Memory: {verdict.memory_reason}" if verdict.is_memory_regression else ""
    return f"{verdict.reason}{memory}"


def _reasons(result: GateResult, names: Mapping[str, str]) -> Iterator[str]:
    for verdict in result.verdicts:
        name = names.get(verdict.workload, verdict.workload)
        yield f"{name}: {_sentence(verdict)}"
    unmeasured = {verdict.memory_reason for verdict in result.verdicts if verdict.memory is None}
    yield from sorted(f"memory: {reason}" for reason in unmeasured if reason)


def _cells(verdict: GateVerdict, names: Mapping[str, str]) -> Sequence[str]:
    comparison = verdict.comparison
    outcome = verdict.outcome.value.upper() if verdict.is_regression else verdict.outcome.value
    has_ratio = math.isfinite(comparison.ratio)
    interval = f"{comparison.low:.3f}–{comparison.high:.3f}" if math.isfinite(comparison.high) else "unbounded"
    return (
        names.get(verdict.workload, verdict.workload),
        outcome,
        f"{comparison.ratio:.3f}" if has_ratio else "–",
        interval if has_ratio else "–",
        str(verdict.samples),
        str(comparison.launches),
        _memory_cell(verdict),
    )


def _memory_cell(verdict: GateVerdict) -> str:
    if verdict.memory is None:
        return "not measured"
    grown = verdict.memory.head_bytes - verdict.memory.base_bytes
    if verdict.memory.is_growth:
        return f"MORE: {grown:+,} B"
    return "same" if abs(grown) <= verdict.memory.slack else f"{grown:+,} B"


def _command_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _command_property(text: str) -> str:
    return _command_data(text).replace(":", "%3A").replace(",", "%2C")
