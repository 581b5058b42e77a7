"""Histories as the explorer loads them: a cell over runs, and a subject over releases or revisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from poolbench.analyse.history.changes import MEAN
from poolbench.analyse.history.over_runs import OverLimit, changes_over_runs
from poolbench.explore.columns import number
from poolbench.report.history import change_sentences, change_text, history_command, history_table, notes, title
from poolbench.report.table import NONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolbench.analyse.history.types import History


def change_entries(
    cells: Sequence[Sequence[OverLimit]],
    *,
    places: Sequence[int],
    keys: Sequence[str],
    numbers: Mapping[str, int],
    times: Mapping[tuple[int, str], str],
) -> Iterator[dict[str, Any]]:
    """Yield a change of one subject over runs for each workload that it touches.

    ``cells`` are what each run has of the subject, ``places`` and ``keys`` the runs, ``numbers`` the series by
    workload, and ``times`` the text of a time by run and workload.
    """
    for change in changes_over_runs(cells):
        before, after, earliest, latest = (
            keys[p] for p in (change.before, change.after, change.earliest, change.latest)
        )
        between = f"Between {before} and {after}"
        if (before, after) != (earliest, latest):
            between += f" (surely between {earliest} and {latest})"
        for effect in change.effects:
            yield {
                "series": numbers[effect.workload],
                "before": places[change.before],
                "after": places[change.after],
                "direction": change.direction.value,
                "text": f"{between}: {change.direction}, {change_text(effect.ratio, effect.low, effect.high)}, over "
                f"the limit. The time itself was {times.get((places[change.before], effect.workload), NONE)}, then "
                f"{times.get((places[change.after], effect.workload), NONE)}.",
            }


def history_entry(machine: str, history: History) -> dict[str, Any]:
    """Return a subject's history over releases or revisions: its points, and for each workload its ratios."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for row in history_table(history).rows:
        ratio, place = row["ratio"], int(row["position"].number or 0)
        found.setdefault(row["workload"].text, {})[place] = {
            "name": row["name"].text,
            "text": row["ratio"].full,
            "ratio": number(ratio.number),
            "low": number(ratio.low),
            "high": number(ratio.high),
            "note": row["note"].text,
        }
    places = range(len(history.points))
    labels = [point.label for point in history.points]
    return {
        "key": f"{history.subject} {labels[0]}..{labels[-1]}",
        "machine": machine,
        "subject": str(history.subject),
        "title": title(history),
        "points": [{"label": point.label, "detail": point.detail} for point in history.points],
        "changes": [
            {
                "before": change.before,
                "after": change.after,
                "workloads": [effect.workload for effect in change.effects],
            }
            for change, _ in history.changes
        ],
        "sentences": change_sentences(history),
        "notes": list(notes(history)),
        "command": history_command(history),
        "workloads": [
            {
                "id": workload,
                "name": cells[min(cells)]["name"],
                "isMean": workload == MEAN,
                "cells": [cells.get(place) for place in places],
            }
            for workload, cells in found.items()
        ],
    }
