"""A history's tables and words: the points' ratios to the anchor, and what changed between them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from poolbench.analyse.history.changes import MEAN, Effect
from poolbench.model.estimate import Estimate
from poolbench.quantities import counted, listed, percent, signed_percent
from poolbench.report.table import (
    NONE,
    Column,
    Row,
    Table,
    Unit,
    Value,
    counted_value,
    exact,
    flag,
    ratio_value,
    words,
)

if TYPE_CHECKING:
    from poolbench.analyse.history.changes import Change
    from poolbench.analyse.history.types import Cell, History, Series

BRIDGED = "†"
SAME_BUILD = "same build"
FAILED = "failed"
CHANGED = ">"
"""What stands before a point at which something changed."""

_NAMED = 12


def history_table(history: History) -> Table:
    """Return a row for each point and workload, and for each point one of the geometric mean, in order of the points.

    ``ratio`` is the time over the anchor's; ``log_ratio`` its logarithm with the standard error ``error``. Where there
    is none, ``note`` says why if that is known.
    """
    columns = (
        *(Column(key=key, title=key) for key in ("subject", "anchor")),
        Column(key="position", title="position", is_figure=True, unit=Unit.COUNT),
        *(Column(key=key, title=key) for key in ("point", "detail", "same_as", "workload", "name")),
        Column(key="ratio", title="time over the anchor's", is_figure=True, has_interval=True, ends=("low", "high"),
               unit=Unit.TIMES),
        Column(key="log_ratio", is_figure=True, is_detail=True),
        Column(key="error", is_figure=True, is_detail=True),
        Column(key="launches", title="launches", is_figure=True, unit=Unit.COUNT),
        Column(key="runs", title="runs", is_figure=True, unit=Unit.COUNT),
        Column(key="bridged", unit=Unit.YES_OR_NO, is_detail=True),
        Column(key="note", title="note"),
    )  # fmt: skip
    rows: list[Row] = []
    for place in range(len(history.points)):
        rows += [_row(history, place, w, history.cell(w, place)) for w in history.workloads]
        mean = history.series.means.get(place)
        if mean is not None and len(history.series.mean_workloads) > 1:
            rows.append(_row(history, place, MEAN, mean))
    return Table(key="history", title=f"History of {history.subject}", columns=columns, rows=tuple(rows))


def changes_table(history: History) -> Table:
    """Return a row for each change and workload that it touches, and before these one for all of them."""
    columns = (
        Column(key="subject", is_detail=True),
        *(Column(key=key, title=key) for key in ("before", "after")),
        *(Column(key=key, is_detail=True) for key in ("earliest", "latest")),
        Column(key="direction", title="direction"),
        Column(key="workload", is_detail=True),
        Column(key="name", title="name"),
        Column(key="ratio", title="after / before", is_figure=True, has_interval=True, ends=("low", "high"),
               unit=Unit.TIMES),
        Column(key="p_value", is_figure=True, is_detail=True),
        Column(key="confirmed", title="seen twice", unit=Unit.YES_OR_NO),
    )  # fmt: skip
    rows = []
    for change, series in history.changes:
        before, after, earliest, latest = history.labels(change)
        whole = Effect(workload="", ratio=change.ratio, low=change.low, high=change.high)
        for effect in (whole, *change.effects):
            found = Estimate(value=effect.ratio, low=effect.low, high=effect.high)
            cells = {
                "subject": words(history.subject),
                "before": words(before),
                "after": words(after),
                "earliest": words(earliest),
                "latest": words(latest),
                "direction": words(change.direction.value),
                "workload": words(effect.workload),
                "name": words(history.names.get(effect.workload, effect.workload) or "all that it touches"),
                "ratio": ratio_value(found),
                "p_value": exact(f"{change.p_value:.2g}", change.p_value),
                "confirmed": flag(series.is_confirmed(change)),
            }
            rows.append(Row(cells=cells))
    return Table(key="changes", title=f"Changes of {history.subject}", columns=columns, rows=tuple(rows))


def points_table(history: History) -> Table:
    """Return a row for each point and a column for each workload, as a reader wants them: the history's ratios."""
    means = len(history.series.mean_workloads) > 1
    titles = {MEAN: MEAN} if means else {}
    titles |= {workload: history.names.get(workload, workload) for workload in history.workloads}
    columns = (
        Column(key="point"),
        *(Column(key=key, title=title, is_figure=True, has_interval=True, unit=Unit.TIMES)
          for key, title in titles.items()),
    )  # fmt: skip
    changed = {change.after for change, _ in history.changes}
    cells: dict[int, dict[str, Value]] = {
        place: {"point": words(f"{CHANGED if place in changed else ' '} {point.label}")}
        for place, point in enumerate(history.points)
    }
    for row in history_table(history).rows:
        cells[int(row["position"].number or 0)][row["workload"].text] = row["ratio"]
    rows = tuple(
        Row(cells={key: found.get(key, words(NONE)) for key in ("point", *titles)}) for found in cells.values()
    )
    return Table(key="points", title=f"History of {history.subject}", columns=columns, rows=rows)


def title(history: History) -> str:
    """Return what the history is of, and what its figures are."""
    what = history.subject
    threads = history.series.method.threads
    return (
        f"{what}: {counted(len(history.points), 'point')} from {history.points[0].label} to "
        f"{history.points[-1].label}, times over those of {history.anchor.label} "
        f"(± half the {percent(history.policy.confidence)} interval), {counted(threads, 'thread')}"
    )


def history_command(history: History) -> str:
    """Return the command line that measures what is missing of a history, and shows it.

    Releases are named one by one, revisions by their two ends: what range was asked for, and whether all of it, is not
    stored.
    """
    method = history.series.method
    is_revisions = history.points[0].subject.environment.startswith("rev:")
    labels = [point.label for point in history.points]
    points = ["--revs", f"{labels[0]}..{labels[-1]}"] if is_revisions else ["--releases", ",".join(labels)]
    words = ["poolbench", "history", str(history.subject), *points, "--anchor", history.anchor.label]
    words += ["--workloads", ",".join(history.workloads), "--threads", str(method.threads)]
    words += ["--cache", method.cache.value, "--layout", method.layout.value]
    return shlex.join(words)


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


def notes(history: History) -> Iterator[str]:
    """Yield a sentence for each failure, for what is missing, and for what an earlier method measured."""
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
    if history.subject.threads is not None:
        yield "The subject names its own number of threads."


def _row(history: History, place: int, workload: str, cell: Cell) -> Row:
    point = history.points[place]
    cells = {
        "subject": words(history.subject),
        "anchor": words(history.anchor.label),
        "position": counted_value(place),
        "point": words(point.label),
        "detail": words(point.detail),
        "same_as": words(point.same_as),
        "workload": words(workload),
        "name": words(history.names.get(workload, workload)),
        "ratio": _ratio(cell, is_repeated=bool(point.same_as)),
        "log_ratio": exact("", cell.log_ratio),
        "error": exact("", cell.error),
        "launches": counted_value(cell.launches),
        "runs": counted_value(cell.runs),
        "bridged": flag(cell.is_bridged),
        "note": words(cell.note),
    }
    return Row(cells=cells, role="mean" if workload == MEAN else "")


def _ratio(cell: Cell, *, is_repeated: bool) -> Value:
    if cell.estimate is None:
        return words(SAME_BUILD if is_repeated else FAILED if cell.note else NONE)
    value = ratio_value(cell.estimate)
    if is_repeated:
        return replace(value, text=SAME_BUILD)
    return replace(value, text=f"{value.text}{BRIDGED}") if cell.is_bridged else value


def _sentence(history: History, change: Change, series: Series) -> str:
    before, after, earliest, latest = history.labels(change)
    place = f"Between {before} and {after}"
    if (before, after) != (earliest, latest):
        place += f" (surely between {earliest} and {latest})"
    text = f"{place}: {change.direction}, {change_text(change.ratio, change.low, change.high)}"
    total = len(history.workloads)
    if change.effects:
        strongest = sorted(change.effects, key=lambda effect: -abs(math.log(effect.ratio)))
        names = [
            f"{history.names.get(one.workload, one.workload)} {change_text(one.ratio, one.low, one.high)}"
            for one in strongest
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


def change_text(ratio: float, low: float, high: float) -> str:
    """Write a change of times with its interval: "+12 % (+10 % to +14 %)", and as a factor where it is large."""
    if not 0.5 < ratio < 2:
        return f"× {ratio:.3g} ({low:.3g} to {high:.3g})"
    return f"{signed_percent(ratio - 1)} ({signed_percent(low - 1)} to {signed_percent(high - 1)})"


def _is_known(history: History, place: int) -> bool:
    return any(history.cell(workload, place).is_known for workload in history.workloads)


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
