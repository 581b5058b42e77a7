"""A history as a figure: each workload's ratio to the anchor over the points, with its changes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolbench.analyse.history.changes import MEAN, Direction
from poolbench.errors import StoreError
from poolbench.quantities import level_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolbench.analyse.history.types import Cell, History

# Okabe and Ito's palette, which colour-blind readers can tell apart; direction is also said by a marker.
_COLOUR = {Direction.SLOWER: "#D55E00", Direction.FASTER: "#0072B2"}
_MARK = {Direction.SLOWER: "▲", Direction.FASTER: "▼"}
_POINTS = "#222222"
_CARRIED = "#999999"
_PANEL = (3.6, 2.0)
_ACROSS = 3
_LABELS = 10
_LEAST_SPAN = 0.04
"""The least that the vertical axis covers to either side, as a log ratio: noise must not look like a change."""


def write_figure(history: History, paths: Sequence[Path]) -> None:
    """Draw the history and save it under each of ``paths``, by ending (SVG, PNG). Raises StoreError."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    titles = [MEAN] if len(history.series.mean_workloads) > 1 else []
    titles += list(history.workloads)
    across = min(_ACROSS, len(titles))
    down = math.ceil(len(titles) / across)
    wide = max(_PANEL[0], 0.13 * len(history.points) + 1.6) if across > 1 else max(7.0, 0.3 * len(history.points))
    figure, axes = pyplot.subplots(
        down, across, squeeze=False, sharex=True, sharey=True, layout="constrained",
        figsize=(wide * across, (_PANEL[1] if across > 1 else 3.6) * down + 1.2),
    )  # fmt: skip
    try:
        for number, title in enumerate(titles):
            _panel(axes[number // across][number % across], history, title)
        for number in range(len(titles), across * down):
            axes[number // across][number % across].axis("off")
        _label_points(axes, history, len(titles), across)
        _limit(axes[0][0], history)
        figure.supylabel(f"time over that of {history.anchor.label}", fontsize=9)
        figure.supxlabel(_legend(history), fontsize=7, x=0.99, ha="right", color="#666666")
        figure.suptitle(f"{history.subject}: {history.points[0].label} to {history.points[-1].label}", fontsize=11)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without a date: the same history gives the same file.
            metadata = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=150, metadata=metadata)
    except OSError as error:
        raise StoreError(f"The figure cannot be written to {error.filename}: {error.strerror}.") from error
    finally:
        pyplot.close(figure)


def _panel(axis: Any, history: History, title: str) -> None:
    cells = _cells(history, title)
    axis.axhline(1.0, color="#BBBBBB", linewidth=0.8, zorder=1)
    for carried, colour, face in ((False, _POINTS, _POINTS), (True, _CARRIED, "white")):
        chosen = [cell for cell in cells if cell.is_bridged is carried and cell.estimate is not None]
        estimates = [cell.estimate for cell in chosen if cell.estimate is not None]
        if estimates:
            axis.errorbar(
                [cell.point for cell in chosen],
                [found.value for found in estimates],
                yerr=[
                    [found.value - found.low for found in estimates],
                    [found.high - found.value for found in estimates],
                ],
                fmt="o", markersize=3.5, color=colour, markerfacecolor=face, elinewidth=1.0, capsize=2, zorder=3,
            )  # fmt: skip
    drawn: list[float] = []
    for change, _ in history.changes:
        touched = [effect for effect in change.effects if effect.workload == title]
        if not touched and title != MEAN:
            continue
        colour = _COLOUR[change.direction]
        middle = (history.last_of_build(change.before) + change.after) / 2
        axis.axvline(middle, color=colour, linewidth=1.2, linestyle="--", zorder=2)
        above = drawn.count(middle)  # two changes in one place, up and down: one label below the other
        drawn.append(middle)
        ratio = touched[0].ratio if touched else change.ratio
        count = "" if touched else f" on {len(change.effects) or len(history.series.mean_workloads)}"
        axis.annotate(
            f"{_MARK[change.direction]} × {ratio:.3g}{count}",
            (middle, 1.0), xycoords=("data", "axes fraction"),
            xytext=(3, -3 - 9 * above), textcoords="offset points", va="top", fontsize=7, color=colour,
        )  # fmt: skip
    for place, point in enumerate(history.points):
        failed = title != MEAN and history.cell(title, place).note
        if failed or (title == MEAN and point.problem):
            axis.annotate(
                "×", (place, 0.0), xycoords=("data", "axes fraction"),
                xytext=(0, 3), textcoords="offset points", ha="center", fontsize=8, color=_CARRIED,
            )  # fmt: skip
    name = MEAN if title == MEAN else history.names.get(title, title)
    axis.set_title(name, fontsize=8, loc="left", fontweight="bold" if title == MEAN else "normal")
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)


def _legend(history: History) -> str:
    places = range(len(history.points))
    cells = [history.cell(workload, place) for workload in history.workloads for place in places]
    parts = [f"bars: {level_text(history.policy.confidence)} intervals"]
    if any(cell.is_bridged for cell in cells):
        parts.append("hollow: by an earlier method, carried over")
    if any(cell.note for cell in cells):
        parts.append("×: failed")
    return "; ".join(parts)


def _cells(history: History, title: str) -> list[Cell]:
    if title == MEAN:
        return list(history.series.means.values())
    places = [place for place, point in enumerate(history.points) if not point.same_as]
    return [history.cell(title, place) for place in places]


def _label_points(axes: Any, history: History, panels: int, across: int) -> None:
    count = len(history.points)
    every = max(math.ceil(count / _LABELS), 1)
    shown = list(range(0, count, every))
    for number in range(panels):
        axis = axes[number // across][number % across]
        axis.set_xticks(shown)
        axis.set_xlim(-0.5, count - 0.5)
        if number + across >= panels:
            axis.tick_params(labelbottom=True)
            axis.set_xticklabels([history.points[place].label for place in shown], rotation=45, ha="right")


def _limit(axis: Any, history: History) -> None:
    """Scale the shared vertical axis to the ratios, not to the widest interval."""
    values = [
        math.log(cell.estimate.value)
        for workload in history.workloads
        for place in range(len(history.points))
        if (cell := history.cell(workload, place)).estimate is not None
    ]
    low, high = min([-_LEAST_SPAN, *values]), max([_LEAST_SPAN, *values])
    room = 0.15 * (high - low)
    axis.set_ylim(math.exp(low - room), math.exp(high + room))
    if high - low > 0.7:
        axis.set_yscale("log")
