"""A history as text: the points' ratios to the anchor, and below them what changed, in words."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.history.changes import MEAN
from poolbench.model.subject import parse_subject
from poolbench.quantities import counted, listed, percent, signed_percent
from poolbench.report.render.terminal import NO_BREAK
from poolbench.report.tables import ratio_text

if TYPE_CHECKING:
    from poolbench.analyse.history.changes import Change
    from poolbench.analyse.history.types import Cell, History, Series

WIDTH = 120
GAP = "  "
CHANGED = ">"
BRIDGED = "†"
SAME_BUILD = "same build"
FAILED = "failed"
_NAMED = 12


def render_history(history: History, *, width: int = WIDTH) -> str:
    """Return the whole report as plain text that ends in a newline."""
    lines = [_title(history), ""]
    for table in _tables(history, width):
        lines += [*table, ""]
    for sentence in (*change_sentences(history), *_notes(history)):
        joined = sentence.replace(" %", f"{NO_BREAK}%").replace("× ", f"×{NO_BREAK}")
        wrapped = textwrap.wrap(joined, width, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
        lines += [line.replace(NO_BREAK, " ") for line in wrapped]
    return "\n".join(lines) + "\n"


def change_sentences(history: History) -> list[str]:
    """Return a sentence or two per change, in order; one sentence where there is none."""
    found = history.changes
    if not found:
        known = [place for place in range(len(history.points)) if _is_known(history, place)]
        if len(known) < 2:
            return ["Fewer than two points could be measured: nothing is said about changes."]
        first, last = history.points[known[0]].label, history.points[history.last_of_build(known[-1])].label
        return [f"No change between {first} and {last} is sure."]
    return [_sentence(history, change, series) for change, series in found]


def _sentence(history: History, change: Change, series: Series) -> str:
    before, after, earliest, latest = history.labels(change)
    place = f"Between {before} and {after}"
    if (before, after) != (earliest, latest):
        place += f" (surely between {earliest} and {latest})"
    text = f"{place}: {change.direction}, {_size(change.ratio, change.low, change.high)}"
    total = len(history.workloads)
    if change.effects:
        strongest = sorted(change.effects, key=lambda effect: -abs(math.log(effect.ratio)))
        names = [
            f"{history.names.get(effect.workload, effect.workload)} {_size(effect.ratio, effect.low, effect.high)}"
            for effect in strongest
        ]
        text += f" on {len(names)} of {counted(total, 'workload')}: {listed(names, _NAMED)}."
    else:
        text += (
            f" on the {MEAN} of {counted(len(series.mean_workloads), 'workload')}; on none of them alone is it sure."
        )
    detail = history.points[change.after].detail
    if detail:
        text += f" {after} is “{detail}”."
    if not series.is_confirmed(change):
        text += " Seen in one run alone: the same command measures again beside it."
    return text


def _size(ratio: float, low: float, high: float) -> str:
    if not 0.5 < ratio < 2:
        return f"× {ratio:.3g} ({low:.3g} to {high:.3g})"
    return f"{signed_percent(ratio - 1)} ({signed_percent(low - 1)} to {signed_percent(high - 1)})"


def _title(history: History) -> str:
    what = history.subject
    threads = history.series.method.threads
    return (
        f"{what}: {counted(len(history.points), 'point')} from {history.points[0].label} to "
        f"{history.points[-1].label}, times over those of {history.anchor.label} "
        f"(± half the {percent(history.policy.confidence)} interval), {counted(threads, 'thread')}"
    )


def _tables(history: History, width: int) -> Iterator[list[str]]:
    """Yield the table in pieces that fit the width, each with the points' labels in front."""
    columns: list[tuple[str, list[str]]] = []
    if len(history.series.mean_workloads) > 1:
        columns.append((MEAN, [_mean_text(history, place) for place in range(len(history.points))]))
    for workload in history.workloads:
        texts = [_text(history, history.cell(workload, place), place) for place in range(len(history.points))]
        columns.append((history.names.get(workload, workload), texts))
    changed = {change.after for change, _ in history.changes}
    labels = [f"{CHANGED if place in changed else ' '} {point.label}" for place, point in enumerate(history.points)]
    front = max(map(len, labels))
    piece: list[tuple[str, list[str]]] = []
    used = front
    for title, texts in columns:
        size = len(GAP) + max(len(title), *map(len, texts))
        if piece and used + size > width:
            yield _table(labels, piece)
            piece, used = [], front
        piece.append((title, texts))
        used += size
    if piece:
        yield _table(labels, piece)


def _table(labels: Sequence[str], columns: Sequence[tuple[str, list[str]]]) -> list[str]:
    sizes = [max(len(title), *map(len, texts)) for title, texts in columns]
    front = max(map(len, labels))
    heading = " " * front + "".join(GAP + title.rjust(size) for (title, _), size in zip(columns, sizes, strict=True))
    lines = [heading]
    for place, label in enumerate(labels):
        cells = (GAP + texts[place].rjust(size) for (_, texts), size in zip(columns, sizes, strict=True))
        lines.append((label.ljust(front) + "".join(cells)).rstrip())
    return lines


def _text(history: History, cell: Cell, place: int) -> str:
    if history.points[place].same_as:
        return SAME_BUILD
    if cell.estimate is not None:
        return ratio_text(cell.estimate) + (BRIDGED if cell.is_bridged else "")
    if cell.note:
        return FAILED
    return "–"


def _mean_text(history: History, place: int) -> str:
    if history.points[place].same_as:
        return SAME_BUILD
    cell = history.series.means.get(place)
    return "–" if cell is None or cell.estimate is None else ratio_text(cell.estimate)


def _is_known(history: History, place: int) -> bool:
    return any(history.cell(workload, place).is_known for workload in history.workloads)


def _notes(history: History) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for place, point in enumerate(history.points):
        for workload in history.workloads:
            cell = history.cell(workload, place)
            if cell.note:
                reasons.setdefault(f"{point.label}: {cell.note}", []).append(history.names.get(workload, workload))
    for reason, names in reasons.items():
        where = "" if len(names) == len(history.workloads) else f" (on {listed(names)})"
        yield f"{reason}{where}"
    same = [point for point in history.points if point.same_as]
    if same:
        yield f"{counted(len(same), 'point')} brought nothing new to build, and {_stand(len(same))} for the one before."
    lacking = [
        point.label for place, point in enumerate(history.points)
        if not point.same_as
        and any(not history.cell(workload, place).is_settled for workload in history.workloads)
    ]  # fmt: skip
    if lacking:
        yield f"Not measured on every workload yet: {listed(lacking)}. The same command measures what is missing."
    if len(history.series.mean_workloads) not in (0, len(history.workloads)):
        yield (
            f"The {MEAN} is over the {counted(len(history.series.mean_workloads), 'workload')} that all measured "
            "points have in common."
        )
    for _, bridge in history.earlier:
        yield _bridge_note(history, list(bridge.points))
    if parse_subject(history.subject).threads is not None:
        yield "The subject names its own number of threads."


def _stand(count: int) -> str:
    return "stands" if count == 1 else "stand"


def _bridge_note(history: History, points: Sequence[int]) -> str:
    if not points:
        return (
            "An earlier series was measured by another method. No point was measured by both, so that nothing ties "
            "them, and it is not shown."
        )
    labels = listed([history.points[place].label for place in points])
    return (
        f"{BRIDGED}: measured by an earlier method, and carried over by what {labels} gave by both. Changes are "
        "looked for within each method alone."
    )
