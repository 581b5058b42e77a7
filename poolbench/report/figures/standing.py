"""The first figure: who is fastest here, by how much, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolbench.quantities import level_text, listed, ratio_text
from poolbench.report.figures.canvas import FAINT, INK, MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import look_of
from poolbench.report.figures.parts import point, ratio_axis
from poolbench.report.means import covered_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from poolbench.analyse.estimate.findings import RunSummary


def standing(summary: RunSummary) -> Drawing | None:
    """Return the geometric means with their intervals; None where fewer than two subjects have one."""
    if len(summary.means) < 2:
        return None
    words = listed([f"{mean.subject} {ratio_text(mean.ratio)}" for mean in summary.means], 20)
    return Drawing(
        key="standing",
        title="Time as a multiple of the fastest",
        alt=f"Geometric mean over {covered_text(summary)} of each subject's time over the fastest's: {words}.",
        caption=f"Large: the geometric mean over {covered_text(summary)}, with its "
        f"{level_text(summary.policy.confidence)} interval (often narrower than the marker; without a line, too few "
        "launches tell it). Small: each workload. "
        "Farther left is faster.",
        draw=lambda width: _draw(summary, width),
    )


def _draw(summary: RunSummary, width: Width) -> Figure:
    means = summary.means
    step = 38 if width is Width.WIDE else 44
    figure, (axis,) = blank(width, step * len(means) + 62)
    covered = [w for w in summary.workloads if w.id in summary.mean_workloads]
    clouds = {
        mean.subject: [
            cell.ratio.value for w in covered if (cell := w.cell(mean.subject)) is not None and cell.ratio is not None
        ]
        for mean in means
    }
    largest = max(max(cloud, default=1.0) for cloud in clouds.values())
    ratio_axis(axis, 0.9, max(largest, *(m.ratio.value for m in means)) * 1.15)
    narrow = width is Width.NARROW
    for place, mean in enumerate(reversed(means)):
        look = look_of(mean.subject)
        cloud = clouds[mean.subject]
        axis.plot(cloud, [place] * len(cloud), "o", color=FAINT, markersize=4, alpha=0.45, markeredgewidth=0, zorder=2)
        point(axis, mean.ratio.value, place, look, mean.ratio, size=10)
        if narrow:
            axis.annotate(
                f"{mean.subject}  {ratio_text(mean.ratio)}", (0.0, place), (2, 9), xycoords=("axes fraction", "data"),
                textcoords="offset points", color=INK, fontweight="bold" if mean is means[0] else "normal",
            )  # fmt: skip
        else:
            axis.annotate(
                ratio_text(mean.ratio), (1.0, place), (8, 0), xycoords=("axes fraction", "data"), ha="left",
                va="center", textcoords="offset points", color=INK, fontweight="bold" if mean is means[0] else "normal",
            )  # fmt: skip
    axis.axvline(1, color=MUTED, linewidth=1)
    labels = [] if narrow else [str(mean.subject) for mean in reversed(means)]
    axis.set_yticks(range(len(means)) if labels else [], labels=labels)
    axis.set_ylim(-0.6, len(means) - (0.3 if narrow else 0.4))
    axis.grid(axis="y", visible=False)
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("times the fastest (logarithmic)")
    return figure
