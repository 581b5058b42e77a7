"""All samples of a run: how they scatter, and which of them were rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from poolbench.analyse.explain.samples import SampleScatter
from poolbench.quantities import counted, percent
from poolbench.report.figures.canvas import INK, MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import look_of
from poolbench.report.figures.parts import ratio_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

VECTORS = 1500
"""So many points stay vectors; more are drawn as a picture inside the SVG."""

_LOW, _HIGH = 0.5, 4.0
_LOST = "#7d8791"  # a picture has one colour for light and dark pages


def samples_figure(scatters: Sequence[SampleScatter]) -> Drawing | None:
    """Return every slot's time over the median of its workload and subject; None where there are no samples."""
    scatters = [scatter for scatter in scatters if len(scatter.relative)]
    if not scatters:
        return None
    count = sum(len(scatter.relative) for scatter in scatters)
    lost = sum(int(scatter.rejected.sum()) for scatter in scatters)
    return Drawing(
        key="samples",
        title="All samples, over the median of their workload and subject",
        alt=f"{counted(count, 'slot')} by subject, {percent(lost / count)} of them rejected. "
        + " ".join(
            f"{s.subject}: the middle half from {s.quartiles[0]:.2f} to {s.quartiles[1]:.2f}." for s in scatters
        ),
        caption="Each point is a slot: its time per call over the median of its workload and subject. Crosses were "
        "rejected, by a rule that does not look at the time. Line: the middle half of the others. Times beyond the axis"
        " stand at its ends.",
        draw=lambda width: _draw(scatters, count, width),
    )


def _draw(scatters: Sequence[SampleScatter], count: int, width: Width) -> Figure:
    wide = width is Width.WIDE
    row = 44 if wide else 56
    figure, (axis,) = blank(width, row * len(scatters) + 64)
    ratio_axis(axis, _LOW, _HIGH)
    many = count > VECTORS
    size = 2.6 if count < 20_000 else 1.6 if count < 200_000 else 0.8
    for place, scatter in enumerate(scatters):
        look = look_of(scatter.subject)
        shown = np.clip(scatter.relative, _LOW * 1.01, _HIGH * 0.99)
        height = place + _jitter(len(shown)) * (0.62 if wide else 0.5) + (0.0 if wide else 0.12)
        kept = ~scatter.rejected
        axis.plot(
            shown[kept], height[kept], "o", color=look.colour, markersize=size, alpha=0.65, markeredgewidth=0,
            rasterized=many, zorder=2,
        )  # fmt: skip
        axis.plot(
            shown[~kept], height[~kept], "x", color=_LOST, markersize=size + 1, alpha=0.7, markeredgewidth=0.6,
            rasterized=many, zorder=1,
        )  # fmt: skip
        middle = place + (0.0 if wide else 0.12)
        axis.plot(scatter.quartiles, (middle, middle), color=INK, linewidth=2.6, solid_capstyle="butt", zorder=4)
        if not wide:
            axis.annotate(
                str(scatter.subject), (0, place - 0.36), (2, 0), xycoords=("axes fraction", "data"), va="center",
                textcoords="offset points", color=INK,
            )  # fmt: skip
    axis.axvline(1, color=MUTED, linewidth=1, zorder=1)
    labels = [str(scatter.subject) for scatter in scatters] if wide else []
    axis.set_yticks(range(len(scatters)) if wide else [], labels=labels)
    axis.set_ylim(len(scatters) - 0.5, -0.55)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("time of a slot over the median (logarithmic)")
    return figure


def _jitter(count: int) -> NDArray[np.float64]:
    """Return heights within ± 0.5 that fill their row evenly, the same each time: multiples of the golden ratio."""
    golden = (5**0.5 - 1) / 2
    return np.asarray((np.arange(count) * golden) % 1 - 0.5, dtype=np.float64)
