"""What more threads gain: the time with few over the time with many, workload by workload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.quantities import counted, listed, ratio_text
from poolbench.report.figures.canvas import MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import look_of
from poolbench.report.figures.parts import key_height, point, ratio_axis, shortened, subject_key

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from poolbench.analyse.estimate.findings import RunSummary
    from poolbench.analyse.explain.scaling import SpeedUp


def threads_figure(summary: RunSummary, gains: Sequence[SpeedUp]) -> Drawing | None:
    """Return the gains with their intervals; None where no subject was measured with several counts of threads."""
    if not gains:
        return None
    names = {w.id: w.name for w in summary.workloads}
    words = listed([f"{g.subject} on {names[g.workload]} {ratio_text(g.gain)}" for g in gains], 12)
    return Drawing(
        key="threads",
        title="What more threads gain",
        alt=f"Time with the fewest threads over the time with more: {words}.",
        caption="The time with the fewest threads over the time with more, with its interval, from interleaved blocks. "
        "Dotted: as many times faster as there are threads. Left of 1, more threads are slower.",
        draw=lambda width: _draw(names, gains, width),
    )


def _draw(names: dict[str, str], gains: Sequence[SpeedUp], width: Width) -> Figure:
    workloads = list(dict.fromkeys(gain.workload for gain in gains))
    subjects = list(dict.fromkeys(gain.subject for gain in gains))
    wide = width is Width.WIDE
    row = (16 if wide else 14) * len(subjects) + 10
    figure, (axis,) = blank(width, row * len(workloads) + 70 + key_height(len(subjects), width))
    ideal = max(gain.threads / gain.base_threads for gain in gains)
    values = [gain.gain.value for gain in gains] + [1.0, ideal]
    ratio_axis(axis, min(values) / 1.25, max(values) * 1.25)
    for gain in gains:
        offset = (subjects.index(gain.subject) - (len(subjects) - 1) / 2) * 0.8 / max(len(subjects), 2)
        point(axis, gain.gain.value, workloads.index(gain.workload) + offset, look_of(gain.subject), gain.gain)
    for count in sorted({gain.threads / gain.base_threads for gain in gains}):
        axis.axvline(count, color=MUTED, linestyle=(0, (1, 1.5)), linewidth=1.6)
    axis.axvline(1, color=MUTED, linewidth=1)
    axis.set_yticks(range(len(workloads)), labels=[shortened(names[w], 34 if wide else 20) for w in workloads])
    axis.set_ylim(len(workloads) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel(f"times faster than with {counted(gains[0].base_threads, 'thread')} (logarithmic)")
    subject_key(figure, subjects, width)
    return figure
