"""Two runs side by side: the second's times the limit over the first's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.explain.across import SideBySide
from poolbench.quantities import counted
from poolbench.report.figures.canvas import MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import look_of
from poolbench.report.figures.parts import key_height, point, ratio_axis, shortened, subject_key

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def across_figure(pairs: Sequence[SideBySide]) -> Drawing | None:
    """Return the changes by workload and subject; None where none is known."""
    known = [pair for pair in pairs if pair.change is not None]
    if not known:
        return None
    return Drawing(
        key="change",
        title="The second run over the first, each relative to its limit",
        alt=f"{counted(len(known), 'ratio')} of times over the limit, second run over first, by workload and subject. "
        "The table has the figures.",
        caption="Each marker: times the limit in the second run over the same in the first, with its interval (without "
        "a line, too few launches tell it). Left of 1 the second is nearer to its limit.",
        draw=lambda width: _draw(known, width),
    )


def _draw(pairs: Sequence[SideBySide], width: Width) -> Figure:
    names = list(dict.fromkeys(pair.name for pair in pairs))
    subjects = list(dict.fromkeys(pair.subject for pair in pairs))
    wide = width is Width.WIDE
    figure, (axis,) = blank(width, 24 * len(names) + 66 + key_height(len(subjects), width))
    values = [pair.change.value for pair in pairs if pair.change is not None]
    ratio_axis(axis, min(*values, 0.8) / 1.1, max(*values, 1.25) * 1.1)
    for pair in pairs:
        assert pair.change is not None, "those without a change are left out"
        offset = (subjects.index(pair.subject) - (len(subjects) - 1) / 2) * 0.6 / max(len(subjects), 2)
        point(axis, pair.change.value, names.index(pair.name) + offset, look_of(pair.subject), pair.change, 6)
    axis.axvline(1, color=MUTED, linewidth=1)
    axis.set_yticks(range(len(names)), labels=[shortened(name, 34 if wide else 19) for name in names])
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("second run over first (logarithmic)")
    subject_key(figure, subjects, width)
    return figure
