"""What several figures draw alike: markers with intervals, ratio axes, keys of subjects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from poolbench.quantities import time_text
from poolbench.report.figures.canvas import INK, Width
from poolbench.report.figures.palette import Look, look_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from poolbench.model.estimate import Estimate
    from poolbench.model.subject import Subject


def point(axis: Axes, x: float, y: float, look: Look, found: Estimate, size: float = 7.0) -> None:
    """Draw an estimate on a horizontal scale at height ``y``: its interval as a line, its value as a marker.

    An interval without bounds has no line: one across the figure would look like knowledge.
    """
    if math.isfinite(found.half_width):
        low, high = axis.get_xlim()
        ends = (max(found.low, low), min(found.high, high))
        axis.plot(ends, (y, y), color=look.colour, linewidth=2.4, solid_capstyle="butt", zorder=3)
    axis.plot([x], [y], linestyle="none", zorder=4, **marker(look, size))


def marker(look: Look, size: float = 7.0) -> dict[str, Any]:
    """Return a subject's marker as matplotlib takes it; the edge keeps light tones apart from the page."""
    return {
        "marker": look.marker,
        "markersize": size,
        "markerfacecolor": look.colour if look.is_filled else "none",
        "markeredgecolor": INK if look.is_filled else look.colour,
        "markeredgewidth": 0.6 if look.is_filled else 1.6,
    }


def ratio_axis(axis: Axes, low: float, high: float, *, vertical: bool = False) -> None:
    """Make an axis logarithmic from ``low`` to ``high``, ticked at numbers that people read, such as 1, 2, 5 and 10."""
    setter, chosen = (axis.set_ylim, axis.yaxis) if vertical else (axis.set_xlim, axis.xaxis)
    (axis.set_yscale if vertical else axis.set_xscale)("log")
    ticks = [tick for tick in _steps(low, high) if low <= tick <= high]
    chosen.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    chosen.set_ticks([], minor=True)
    setter(low, high)


def time_ticks(axis: Axes, low: float, high: float) -> None:
    """Tick a vertical logarithmic axis of nanoseconds at powers of ten."""
    axis.set_yscale("log")
    ticks = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    ticks = [tick for tick in ticks if low <= tick <= high] or [low, high]
    axis.yaxis.set_ticks(ticks, labels=[round_time(tick) for tick in ticks])
    axis.yaxis.set_ticks([], minor=True)
    axis.set_ylim(low, high)


def round_time(nanoseconds: float) -> str:
    """Write a time that is a power of ten without decimals: "10 µs"."""
    number, unit = time_text(nanoseconds).split()
    return f"{float(number):g} {unit}"


def subject_key(figure: Figure, subjects: Sequence[Subject], width: Width, *, extra: Iterable[Any] = ()) -> None:
    """Put the subjects' markers and names below a figure, in as many columns as there is room for."""
    from matplotlib.lines import Line2D

    handles: list[Any] = [
        Line2D([], [], color=look.colour, linestyle=look.dash, linewidth=1.6, label=str(subject), **marker(look))
        for subject, look in zip(subjects, map(look_of, subjects), strict=True)
    ]
    handles += list(extra)
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(width.pixels // (longest * width.text * 0.64 + 46))))
    figure.legend(handles=handles, loc="outside lower left", ncols=columns, handlelength=2.6, borderaxespad=0.2)


def key_height(subjects: int, width: Width) -> float:
    """Return about how many pixels ``subject_key`` takes."""
    columns = 5 if width is Width.WIDE else 2
    return math.ceil(subjects / columns) * (width.text + 8) + 8


def shortened(text: str, length: int) -> str:
    """Cut a label in its middle, where names of one family differ least."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def _steps(low: float, high: float) -> list[float]:
    decades = math.log10(high / low)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors: tuple[float, ...] = (1, 2, 5) if decades < 2.6 else (1,)
    if decades < 0.75:
        factors = (1, 1.2, 1.5, 2, 3, 4, 5, 6, 8)
    if decades < 0.2:
        from matplotlib.ticker import MaxNLocator

        return [float(f"{tick:.6g}") for tick in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high)]
    return [factor * 10.0**power for power in powers for factor in factors]
