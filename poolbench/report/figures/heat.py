"""The heat map: each subject on each workload, as a multiple of the fastest there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from poolbench.model.result import Status
from poolbench.quantities import counted, significant
from poolbench.report.figures.canvas import INK, PAPER, Drawing, Width, blank
from poolbench.report.figures.parts import shortened
from poolbench.report.run_table import TIE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from poolbench.analyse.estimate.findings import Cell, RunSummary
    from poolbench.model.subject import Subject

DARKEST = 30.0
"""The ratio from which on a cell is as dark as it gets."""

_PALE, _DARK = (0.93, 0.96, 0.99), (0.03, 0.19, 0.42)
_ABSENT = "#8d949c"


def heat(summary: RunSummary) -> Drawing | None:
    """Return the heat map; None where no two subjects can be compared on any workload."""
    subjects = _subjects(summary)
    workloads = [w for w in summary.workloads if w.fastest is not None]
    if len(subjects) < 2 or not workloads:
        return None
    return Drawing(
        key="ratios",
        title="Times the fastest, workload by workload",
        alt=f"A heat map of {counted(len(workloads), 'workload')} by {counted(len(subjects), 'subject')}: each cell "
        "is the time over that of the workload's fastest. The same figures stand in the table above.",
        caption=f"Each cell: the time over the fastest's on that workload; the darker, the slower. {TIE} cannot be "
        "told from the fastest, – was not compared, × failed or is not supported. The table has the intervals.",
        draw=lambda width: _draw(summary, subjects, width),
    )


def _subjects(summary: RunSummary) -> list[Subject]:
    """Return the subjects, best geometric mean first, then those without one."""
    ranked = [mean.subject for mean in summary.means]
    shown = {cell.subject for cell in summary.cells}
    return ranked + [s for s in summary.header.subjects if s in shown and s not in ranked]


def _draw(summary: RunSummary, subjects: list[Subject], width: Width) -> Figure:
    from matplotlib.patches import Rectangle

    workloads = [w for w in summary.workloads if w.fastest is not None]
    wide = width is Width.WIDE
    row = 19 if wide else 17
    top = 86 if wide else 130
    figure, (axis,) = blank(width, row * len(workloads) + top)
    for line, workload in enumerate(workloads):
        for column, subject in enumerate(subjects):
            cell = workload.cell(subject)
            text, share = _cell(cell)
            face = _ABSENT if share is None else _shade(share)
            axis.add_patch(
                Rectangle(
                    (column, line), 1, 1, facecolor=face, edgecolor=PAPER, linewidth=1.2,
                    alpha=0.25 if share is None else None,
                )
            )  # fmt: skip
            ink = INK if share is None else "#101418" if share < 0.5 else "#ffffff"
            axis.text(
                column + 0.5, line + 0.5, text, ha="center", va="center_baseline", color=ink,
                fontsize=width.text - (1 if wide else 2),
                fontweight="bold" if cell is not None and cell.is_fastest else "normal",
            )  # fmt: skip
    axis.set_xlim(0, len(subjects))
    axis.set_ylim(len(workloads), 0)
    axis.xaxis.tick_top()
    axis.set_xticks([place + 0.5 for place in range(len(subjects))])
    if wide:
        axis.set_xticklabels(list(map(str, subjects)), rotation=35, ha="left", rotation_mode="anchor")
    else:
        axis.set_xticklabels(list(map(str, subjects)), rotation=90)
    size = 34 if wide else 20
    axis.set_yticks(
        [place + 0.5 for place in range(len(workloads))], labels=[shortened(w.name, size) for w in workloads]
    )
    if not wide:
        axis.tick_params(axis="y", labelsize=8.5)
        axis.tick_params(axis="x", labelsize=9)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return figure


def _cell(cell: Cell | None) -> tuple[str, float | None]:
    """Return a cell's text, and how dark it is from 0 to 1; None where there is no ratio."""
    if cell is None:
        return "", None
    if cell.status is not Status.OK:
        return "×", None
    if cell.ratio is None or not math.isfinite(cell.ratio.value):
        return "–", None
    value = cell.ratio.value
    text = significant(value, 2) if value < 99.5 else f"{value:.0f}"
    share = min(math.log(max(value, 1.0)) / math.log(DARKEST), 1.0)
    return (f"{TIE}{text}" if cell.is_tie else text), share


def _shade(share: float) -> tuple[float, ...]:
    return tuple(pale + share * (dark - pale) for pale, dark in zip(_PALE, _DARK, strict=True))
