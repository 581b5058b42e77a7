"""A history in one picture: each point's time over the anchor's, with its interval, and where it changed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from poolbench.analyse.history.changes import MEAN
from poolbench.quantities import counted
from poolbench.report.figures.canvas import FAINT, MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import look_of
from poolbench.report.figures.parts import marker, ratio_axis, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from poolbench.analyse.history.types import Cell, History


def history_figure(history: History, number: int) -> Drawing:
    """Return a history's figure; at least one of its ratios must be known."""
    anchor = history.anchor.label
    told = "; ".join(
        f"{change.direction} between {before} and {after}"
        for change, _ in history.changes
        for before, after, *_ in [history.labels(change)]
    )
    return Drawing(
        key=f"history-{number}",
        title=f"{history.subject}: time over that of {anchor}",
        alt=f"{counted(len(history.points), 'point')} and {counted(len(history.workloads), 'workload')} as multiples "
        f"of {anchor}. Changes: {told or 'none found'}.",
        caption="Thin: each workload. Markers: the geometric mean, or the only workload, with its interval. Dashed: a "
        "change that is found, between the points beside it.",
        draw=lambda width: _draw(history, width),
    )


def lines_of(history: History) -> dict[str, list[Cell]]:
    """Return the cells with a ratio, by workload, and last those of the geometric mean where there is one."""
    places = range(len(history.points))
    lines = {workload: [history.cell(workload, place) for place in places] for workload in history.workloads}
    if len(history.series.mean_workloads) > 1:
        lines[MEAN] = [history.series.means[place] for place in places if place in history.series.means]
    known = {name: [cell for cell in cells if cell.estimate is not None] for name, cells in lines.items()}
    return {name: cells for name, cells in known.items() if cells}


def _draw(history: History, width: Width) -> Figure:
    lines = lines_of(history)
    figure, (axis,) = blank(width, 360 if width is Width.WIDE else 300)
    found = [cell.estimate for cells in lines.values() for cell in cells if cell.estimate is not None]
    ends = [value for e in found for value in (e.low, e.high, e.value) if 0 < value < math.inf]
    low, high = max(min(ends), 0.05), min(max(ends), 50.0)
    ratio_axis(axis, min(low, 0.95) / 1.05, max(high, 1.05) * 1.05, vertical=True)
    look = look_of(history.subject)
    main = list(lines)[-1]
    for name, cells in lines.items():
        places = [cell.point for cell in cells]
        estimates = [cell.estimate for cell in cells if cell.estimate is not None]
        ratios = [estimate.value for estimate in estimates]
        if name != main:
            axis.plot(places, ratios, color=FAINT, linewidth=0.9, alpha=0.7, zorder=1)
            continue
        for place, estimate in zip(places, estimates, strict=True):
            if estimate.low > 0 and math.isfinite(estimate.high):
                axis.plot([place] * 2, [estimate.low, estimate.high], color=look.colour, linewidth=2.2, zorder=3)
        axis.plot(places, ratios, color=look.colour, linewidth=1.4, zorder=2, **marker(look, 6))
    for change, _ in history.changes:
        middle = (history.last_of_build(change.before) + change.after) / 2
        axis.axvline(middle, color=MUTED, linestyle=(0, (4, 2)), linewidth=1.2, zorder=1)
    axis.axhline(1, color=MUTED, linewidth=1)
    labels = [point.label for point in history.points]
    length = 12 if width is Width.WIDE else 8
    longest = min(max(map(len, labels)), length)
    most = max(2, int(width.pixels * 0.86 / (longest * width.text * 0.68 + 8)))
    shown = range(0, len(labels), math.ceil(len(labels) / most))
    axis.set_xticks(list(shown), labels=[shortened(labels[place], length) for place in shown])
    axis.set_title("times the anchor (logarithmic)", fontweight="normal", fontsize=width.text, color=MUTED)
    return figure
