"""A history: each point's time over the anchor's, with its interval, and where it changed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from poolbench.quantities import counted
from poolbench.report.figures.canvas import FAINT, MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import look_of
from poolbench.report.figures.parts import marker, ratio_axis, shortened

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from poolbench.store.beside import StoredHistory


def history_figure(history: StoredHistory, number: int) -> Drawing:
    """Return a history's figure; at least one of its ratios must be known."""
    points = history.points
    changes = history.changes.drop_duplicates(["before", "after"])
    told = "; ".join(f"{line.direction} between {line.before} and {line.after}" for line in changes.itertuples())
    anchor = str(points["anchor"].iloc[0]) if "anchor" in points.columns else "the first"
    return Drawing(
        key=f"history-{number}",
        title=f"{history.name}: time over that of {anchor}",
        alt=f"{counted(points['position'].nunique(), 'point')} and {counted(points['name'].nunique(), 'workload')} as "
        f"multiples of {anchor}. Changes: {told or 'none found'}.",
        caption="Thin: each workload. Markers: the geometric mean, or the only workload, with its interval. Dashed: a "
        "change that is found, between the points beside it.",
        draw=lambda width: _draw(history, width),
    )


def _draw(history: StoredHistory, width: Width) -> Figure:
    points = history.points
    known = points[points["ratio"].notna()]
    figure, (axis,) = blank(width, 360 if width is Width.WIDE else 300)
    ends = [value for name in ("low", "high", "ratio") for value in known[name] if 0 < value < math.inf]
    low, high = max(min(ends), 0.05), min(max(ends), 50.0)
    ratio_axis(axis, min(low, 0.95) / 1.05, max(high, 1.05) * 1.05, vertical=True)
    names = list(dict.fromkeys(known["name"]))
    main = _main(known, names)
    look = look_of(str(points["subject"].iloc[0])) if "subject" in points.columns else look_of("history")
    for name in names:
        mine = known[known["name"] == name].sort_values("position")
        if name != main:
            axis.plot(mine["position"], mine["ratio"], color=FAINT, linewidth=0.9, alpha=0.7, zorder=1)
            continue
        for line in mine.itertuples():
            bounds = float(str(line.low)), float(str(line.high))
            if bounds[0] > 0 and math.isfinite(bounds[1]):
                axis.plot([line.position] * 2, bounds, color=look.colour, linewidth=2.2, zorder=3)
        axis.plot(mine["position"], mine["ratio"], color=look.colour, linewidth=1.4, zorder=2, **marker(look, 6))
    labels = points.drop_duplicates("position").set_index("position")["point"].astype(str)
    places = dict(zip(labels.tolist(), map(int, labels.index.to_list()), strict=True))
    for line in history.changes.drop_duplicates(["before", "after"]).itertuples():
        if str(line.before) in places and str(line.after) in places:
            middle = (places[str(line.before)] + places[str(line.after)]) / 2
            axis.axvline(middle, color=MUTED, linestyle=(0, (4, 2)), linewidth=1.2, zorder=1)
    axis.axhline(1, color=MUTED, linewidth=1)
    length = 12 if width is Width.WIDE else 8
    longest = min(max(map(len, labels)), length)
    most = max(2, int(width.pixels * 0.86 / (longest * width.text * 0.68 + 8)))
    step = math.ceil(len(labels) / most)
    shown = list(labels.index)[::step]
    axis.set_xticks(shown, labels=[shortened(labels[place], length) for place in shown])
    axis.set_title("times the anchor (logarithmic)", fontweight="normal", fontsize=width.text, color=MUTED)
    return figure


def _main(known: pd.DataFrame, names: list[str]) -> str:
    """Return the series that is drawn with intervals: the mean, which is the last of each point; or the only one."""
    return names[0] if len(names) == 1 else str(known.sort_values("position", kind="stable")["name"].iloc[-1])
