"""A gate's report as a comment on a pull request, from a report that nobody vouches for.

Texts of the report stand in ``<code>``, every sign that could mean something written as a number, so that no markup, no
mention and no reference comes of them. All else is worded here.
"""

from __future__ import annotations

from poolbench.errors import ExitCode
from poolbench.model.received import ReceivedGate, ReceivedVerdict
from poolbench.model.verdict import Outcome
from poolbench.quantities import counted, percent
from poolbench.report.gate import MARKS

MARKER = "<!-- poolbench gate -->"
"""The first line of the comment, by which it is found again. It is not shown."""

MOST_CHARACTERS = 60_000
"""What fits into a comment, with room for the rest: forges refuse more than 65,536."""

MOST_OF_A_NAME = 120
MOST_OF_A_REASON = 400

_ORDER = (Outcome.INVALID, Outcome.SLOWER, Outcome.UNDECIDED, Outcome.FASTER, Outcome.SAME)


def gate_comment(found: ReceivedGate, run_url: str) -> str:
    """Return the comment's Markdown. ``run_url`` is where the gate ran: a URL from the event, not from the report."""
    head = [
        MARKER,
        "## poolbench gate",
        f"{_answer(found)} ([the run]({run_url}))",
        f"<p>{_shown(found.head, MOST_OF_A_NAME)} against {_shown(found.base, MOST_OF_A_NAME)}</p>",
    ]
    foot = "<sub>The figures are as that run reported them, by the code of the pull request itself.</sub>"
    verdicts = sorted(found.verdicts, key=lambda verdict: (not verdict.is_bad, _ORDER.index(verdict.outcome)))
    left = MOST_CHARACTERS - sum(map(len, head)) - len(foot)
    rows: list[str] = []
    for verdict in verdicts:
        row = _row(verdict)
        if len(row) > left:
            break
        rows.append(row)
        left -= len(row)
    blocks = [*head]
    if rows:
        titles = "".join(f"<th>{title}</th>" for title in ("workload", "verdict", "head / base", "memory", "why"))
        # Without an empty line, which would end the block in which Markdown means nothing.
        blocks.append("\n".join((f"<table><tr>{titles}</tr>", *rows, "</table>")))
    if len(rows) < len(verdicts):
        blocks.append(f"{counted(len(verdicts) - len(rows), 'more verdict')} did not fit; the run has all.")
    return "\n\n".join((*blocks, foot)) + "\n"


def _answer(found: ReceivedGate) -> str:
    of_all = f"of {counted(len(found.verdicts), 'workload')}"
    bad = sum(verdict.is_bad for verdict in found.verdicts)
    invalid = sum(verdict.outcome is Outcome.INVALID for verdict in found.verdicts)
    undecided = sum(verdict.outcome is Outcome.UNDECIDED for verdict in found.verdicts)
    open_ = f" {undecided} {of_all} could not be decided." if undecided else ""
    tolerance = percent(found.tolerance)
    match found.code:
        case ExitCode.REGRESSION:
            return f"**A regression:** slower by {tolerance} or more, or more memory, on {bad} {of_all}.{open_}"
        case ExitCode.MEASUREMENT_FAILED:
            known = f" A regression on {bad} is known." if bad else ""
            return f"**Not measured:** nothing can be said on {invalid} {of_all}.{known}{open_}"
        case ExitCode.UNDECIDED:
            return f"**Undecided**, and the gate is strict.{open_}"
        case _:
            return f"Nothing was found to be slower by {tolerance} or more, or to take more memory.{open_}"


def _row(verdict: ReceivedVerdict) -> str:
    word = verdict.outcome.value.upper() if verdict.is_regression else verdict.outcome.value
    cells = (
        _shown(verdict.name, MOST_OF_A_NAME),
        f"{MARKS[verdict.outcome]} {f'<b>{word}</b>' if verdict.is_regression else word}",
        _ratio(verdict),
        _memory(verdict),
        _shown(verdict.reason, MOST_OF_A_REASON),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _ratio(verdict: ReceivedVerdict) -> str:
    if verdict.ratio is None:
        return "–"
    low, high = ("?" if end is None else f"{end:.3f}" for end in (verdict.low, verdict.high))
    return f"{verdict.ratio:.3f} ({low}–{high})"


def _memory(verdict: ReceivedVerdict) -> str:
    if verdict.grown_bytes is None:
        return "–"
    grown = f"{verdict.grown_bytes:+,} B" if verdict.grown_bytes else "same"
    return f"❌ <b>{grown}</b>" if verdict.is_memory_regression else grown


def _shown(text: str, most: int) -> str:
    """Return ``text`` as a line of at most ``most`` characters that shows as it is written, whatever it says."""
    line = " ".join(text.split())
    if len(line) > most:
        line = f"{line[: most - 1]}…"
    signs = (sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)
    return f"<code>{''.join(sign if sign.isalnum() or sign == ' ' else f'&#{ord(sign)};' for sign in signs)}</code>"
