"""A history: a panel for the geometric mean and for each workload, with every point's interval and what changed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from poolbench.analyse.history.changes import MEAN, Direction
from poolbench.quantities import counted, level_text
from poolbench.report.figures.canvas import FAINT, INK, MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import TONES
from poolbench.report.figures.parts import ratio_axis, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from poolbench.analyse.history.types import Cell, History

# A direction is also said by its mark, so that nothing is told by colour alone.
_COLOUR = {Direction.SLOWER: TONES["vermillion"][0], Direction.FASTER: TONES["blue"][0]}
_MARK = {Direction.SLOWER: "▲", Direction.FASTER: "▼"}
_LEAST_SPAN = 1.04
"""The least factor that the vertical axis covers to either side: noise must not look like a change."""


def history_figure(history: History, number: int = 1, *, most: int | None = None) -> Drawing:
    """Return a history's figure; at least one of its ratios must be known.

    ``most`` is how many panels it has at most: the mean's, then those of workloads that changed, then others.
    """
    panels = _panels(history, most)
    left = len(_panels(history, None)) - len(panels)
    told = "; ".join(
        f"{change.direction} between {before} and {after}"
        for change, _ in history.changes
        for before, after, *_ in [history.labels(change)]
    )
    anchor = history.anchor.label
    return Drawing(
        key=f"history-{number}",
        title=f"{history.subject}: time over that of {anchor}, {history.points[0].label} to {history.points[-1].label}",
        alt=f"{counted(len(history.points), 'point')} and {counted(len(history.workloads), 'workload')} as multiples "
        f"of {anchor}. Changes: {told or 'none found'}.",
        caption=f"Bars: {level_text(history.policy.confidence)} intervals. Hollow: by an earlier method, carried over. "
        "×: failed. Dashed: a change that is found, ▲ slower, ▼ faster."
        + (f" {counted(left, 'workload')} without a change are left out." if left else ""),
        draw=lambda width: _draw(history, panels, width),
    )


def has_ratios(history: History) -> bool:
    """Whether there is anything to draw."""
    return any(cell.estimate is not None for title in _panels(history, None) for cell in _cells(history, title))


def _panels(history: History, most: int | None) -> list[str]:
    changed = {effect.workload for change, _ in history.changes for effect in change.effects}
    chosen = sorted(history.workloads, key=lambda workload: workload not in changed) if most else history.workloads
    return [*([MEAN] if len(history.series.mean_workloads) > 1 else []), *chosen][:most]


def _cells(history: History, title: str) -> list[Cell]:
    if title == MEAN:
        return list(history.series.means.values())
    places = [place for place, point in enumerate(history.points) if not point.same_as]
    return [history.cell(title, place) for place in places]


def _draw(history: History, panels: list[str], width: Width) -> Figure:
    across = min(3 if width is Width.WIDE else 1, len(panels))
    down = math.ceil(len(panels) / across)
    height = (190 if across > 1 else 260 if len(panels) == 1 else 170) * down + 30
    figure, axes = blank(width, height, down, across, sharex=True, sharey=True)
    ratios = [c.estimate.value for title in panels for c in _cells(history, title) if c.estimate is not None]
    low, high = min(1 / _LEAST_SPAN, *ratios), max(_LEAST_SPAN, *ratios)
    room = (high / low) ** 0.15
    labels = [point.label for point in history.points]
    longest = min(max(map(len, labels)), 12)
    every = math.ceil(len(labels) * longest * width.text * 0.68 * across / (width.pixels * 0.8))
    for number, (axis, title) in enumerate(zip(axes, panels, strict=False)):
        ratio_axis(axis, low / room, high * room, vertical=True)
        _panel(axis, history, title)
        axis.set_xticks(range(0, len(labels), every), labels=[shortened(text, 12) for text in labels[::every]])
        axis.set_xlim(-0.5, len(labels) - 0.5)
        axis.tick_params(labelbottom=number + across >= len(panels))  # with nothing below, though a row may follow
    for axis in axes[len(panels) :]:
        axis.axis("off")
    return figure


def _panel(axis: Axes, history: History, title: str) -> None:
    axis.axhline(1.0, color=MUTED, linewidth=1, zorder=1)
    for cell in _cells(history, title):
        if cell.estimate is not None:
            colour, found = (FAINT if cell.is_bridged else INK), cell.estimate
            if math.isfinite(found.half_width):
                axis.plot([cell.point] * 2, [found.low, found.high], color=colour, linewidth=1.4, zorder=3)
            axis.plot(cell.point, found.value, "o", color=colour, markersize=4, zorder=4,
                      markerfacecolor="none" if cell.is_bridged else colour)  # fmt: skip
        elif cell.note:
            axis.annotate("×", (cell.point, 0), (0, 3), xycoords=("data", "axes fraction"), color=MUTED,
                          textcoords="offset points", ha="center")  # fmt: skip
    drawn: list[float] = []
    for change, _ in history.changes:
        touched = [effect.ratio for effect in change.effects if effect.workload == title]
        if not touched and title != MEAN:
            continue
        middle = (history.last_of_build(change.before) + change.after) / 2
        axis.axvline(middle, color=_COLOUR[change.direction], linewidth=1.2, linestyle=(0, (4, 2)), zorder=2)
        above = drawn.count(middle)  # two changes in one place, up and down: one label below the other
        drawn.append(middle)
        count = "" if touched else f" on {len(change.effects) or len(history.series.mean_workloads)}"
        axis.annotate(
            f"{_MARK[change.direction]} × {touched[0] if touched else change.ratio:.3g}{count}", (middle, 1.0),
            (3, -3 - 12 * above), xycoords=("data", "axes fraction"), textcoords="offset points", va="top",
            color=_COLOUR[change.direction],
        )  # fmt: skip
    name = MEAN if title == MEAN else history.names.get(title, title)
    axis.set_title(shortened(name, 40), fontweight="bold" if title == MEAN else "normal")
