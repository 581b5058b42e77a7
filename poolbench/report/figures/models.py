"""The pooling index of each model: the time of all its pooling calls, over the fastest subject's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.explain.models import ModelIndex
from poolbench.quantities import counted
from poolbench.report.figures.canvas import MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import look_of
from poolbench.report.figures.parts import key_height, point, ratio_axis, shortened, subject_key

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def models_figure(indices: Sequence[ModelIndex]) -> Drawing | None:
    """Return the ratios by model; None where no model has two subjects."""
    models = [m for m in dict.fromkeys(i.model for i in indices) if sum(i.model == m for i in indices) > 1]
    if not models:
        return None
    shown = [index for index in indices if index.model in models]
    return Drawing(
        key="models",
        title="Pooling of whole models",
        alt=f"{counted(len(models), 'model')}: the time of all measured pooling calls of one step, over the fastest "
        "subject's. The table below has the figures.",
        caption="All pooling calls of one step of a model, each as often as it is made, over the same sum of the "
        "fastest subject there; with intervals.",
        draw=lambda width: _draw(models, shown, width),
    )


def _draw(models: Sequence[str], indices: Sequence[ModelIndex], width: Width) -> Figure:
    subjects = sorted({index.subject for index in indices}, key=str)
    wide = width is Width.WIDE
    figure, (axis,) = blank(width, (24 if wide else 26) * len(models) + 66 + key_height(len(subjects), width))
    highest = max(index.ratio.value for index in indices if math.isfinite(index.ratio.value))
    ratio_axis(axis, 0.9, highest * 1.3)
    for index in indices:
        point(axis, index.ratio.value, models.index(index.model), look_of(index.subject), index.ratio, 6.5)
    labels = [shortened(model, 30 if wide else 17) for model in models]
    axis.set_yticks(range(len(models)), labels=labels)
    axis.set_ylim(len(models) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.axvline(1, color=MUTED, linewidth=1)
    axis.set_xlabel("times the fastest (logarithmic)")
    subject_key(figure, subjects, width)
    return figure
