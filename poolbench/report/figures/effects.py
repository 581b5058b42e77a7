"""What a pooling layer's alternatives keep, against what they take: one panel for each kind of benefit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolbench.model.effects import Alternative, Choice, LayerEffects, leading
from poolbench.quantities import listed, percent, time_text
from poolbench.report.effects import NAMES
from poolbench.report.figures.canvas import FAINT, MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import Look
from poolbench.report.figures.parts import marker, ratio_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = {
    Alternative.MAX: Look(tone="vermillion", marker="^"),
    Alternative.AVERAGE: Look(tone="blue", marker="o"),
    Alternative.CONVOLUTION: Look(tone="green", marker="s"),
    Alternative.BLUR: Look(tone="sky", marker="D"),
    Alternative.MAX_BLUR: Look(tone="amber", marker="P"),
    Alternative.NONE: Look(tone="charcoal", marker="X"),
}
"""How each alternative looks in every figure: a colour and a marker."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """One kind of benefit: a share, and its interval where it has one."""

    title: str
    value: Callable[[Choice], float | None]
    interval: Callable[[Choice], tuple[float, float] | None]


def _kept(choice: Choice) -> float | None:
    return None if choice.information is None else 1 - choice.information.lost


def _steady(choice: Choice) -> float | None:
    return None if choice.information is None else max(1 - choice.information.unsteady, 0.0)


def _right(choice: Choice) -> float | None:
    return None if choice.accuracy is None else choice.accuracy.shifted.value


def _right_interval(choice: Choice) -> tuple[float, float] | None:
    return None if choice.accuracy is None else (choice.accuracy.shifted.low, choice.accuracy.shifted.high)


_PANELS = (
    _Panel("kept of the input", _kept, lambda choice: None),
    _Panel("follows a shift", _steady, lambda choice: None),
    _Panel("shifted digits right", _right, _right_interval),
)


def effects_figure(layer: LayerEffects, *, number: int = 1) -> Drawing | None:
    """Return benefits against time; None where fewer than two alternatives have both."""
    shown = [choice for choice in layer.choices if choice.with_next is not None and _kept(choice) is not None]
    if len(shown) < 2:
        return None
    panels = [panel for panel in _PANELS if sum(panel.value(choice) is not None for choice in shown) > 1]
    said = listed(
        [
            f"{NAMES[choice.alternative]} {time_text(choice.with_next.value)}, keeps {percent(_kept(choice) or 0)}, "
            f"follows a shift by {percent(_steady(choice) or 0)}"
            for choice in shown
            if choice.with_next is not None
        ],
        10,
    )
    return Drawing(
        key=f"benefit-{number}",
        title=f"What is kept, against the time of the layer and {layer.next_layer}",
        alt=f"Shares against times, by what stands in the layer's place: {said}.",
        caption="Farther up is better, farther left is cheaper. The convolution has random weights. The line joins "
        "what nothing beats in both: the Pareto front. The 95 % intervals are lines, often shorter than the marker.",
        draw=lambda width: _draw(shown, panels, width),
    )


def _draw(shown: list[Choice], panels: list[_Panel], width: Width) -> Figure:
    from matplotlib.lines import Line2D

    wide = width is Width.WIDE
    rows, columns = (1, len(panels)) if wide else (len(panels), 1)
    figure, axes = blank(width, (300 if wide else 190 * len(panels)) + (52 if wide else 96), rows, columns)
    times = [choice.with_next for choice in shown if choice.with_next is not None]
    unit, scale = _unit(min(time.value for time in times))
    lowest, highest = min(time.value for time in times) / scale, max(time.value for time in times) / scale
    for axis, panel in zip(axes, panels, strict=True):
        ratio_axis(axis, lowest / 1.25, highest * 1.25)
        _panel(axis, shown, panel, scale)
        axis.set_title(panel.title)
        axis.set_xlabel(f"time in {unit} (logarithmic)")
    handles = [
        Line2D([], [], linestyle="none", label=NAMES[choice.alternative], **marker(LOOKS[choice.alternative], 8))
        for choice in shown
    ]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=len(handles) if wide else 2, handlelength=1.2,
        columnspacing=1.4,
    )  # fmt: skip
    return figure


def _panel(axis: Axes, shown: list[Choice], panel: _Panel, scale: float) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    placed = [
        (choice, choice.with_next, value)
        for choice in shown
        if choice.with_next is not None and (value := panel.value(choice)) is not None
    ]
    front = leading((time.value / scale, value) for _, time, value in placed)
    axis.step(
        [x for x, _ in front], [y for _, y in front], where="post", color=FAINT, linewidth=1.6, zorder=1,
        solid_joinstyle="miter",
    )  # fmt: skip
    for choice, time, value in placed:
        look, x = LOOKS[choice.alternative], time.value / scale
        if math.isfinite(time.half_width):
            axis.plot((time.low / scale, time.high / scale), (value, value), color=look.colour, linewidth=2, zorder=2)
        ends = panel.interval(choice)
        if ends is not None:
            axis.plot((x, x), ends, color=look.colour, linewidth=2, zorder=2)
        axis.plot([x], [value], linestyle="none", zorder=3, **marker(look, 10 if choice.is_layer else 8))
    values = [end for choice, _, value in placed for end in (value, *(panel.interval(choice) or ()))]
    margin = max((max(values) - min(values)) * 0.12, 0.004)
    axis.set_ylim(min(values) - margin, max(values) + margin)
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(min(values), max(values))
    axis.yaxis.set_ticks([tick for tick in ticks if min(values) - margin <= tick <= min(max(values) + margin, 1)])
    decimals = 1 if max(values) - min(values) < 0.05 else 0
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=decimals, symbol=" %"))
    axis.tick_params(axis="y", colors=MUTED)


def _unit(nanoseconds: float) -> tuple[str, float]:
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= scale / 2:
            return unit, scale
    return "ns", 1.0
