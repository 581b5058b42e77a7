"""Latency against size, with the limit and the fitted lines; latency against the window's size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.explain.scaling import Exponent, SizeSeries, moved_bytes
from poolbench.model.pooling import Kind
from poolbench.model.subject import LIMIT, Subject
from poolbench.model.workload import Pass
from poolbench.quantities import counted, listed, size_text
from poolbench.report.figures.canvas import MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import look_of
from poolbench.report.figures.parts import key_height, marker, ratio_axis, subject_key, time_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from poolbench.analyse.estimate.findings import RunSummary

LEAST_WINDOWS = 3
"""Fewer windows than this make no curve."""


def exponent_text(found: Exponent) -> str:
    """Write an exponent with half its interval: "0.98 ±0.03"."""
    return f"{found.value:.2f} ±{(found.high - found.low) / 2:.2f}"


def size_figure(summary: RunSummary, series: SizeSeries, number: int) -> Drawing:
    """Return times against bytes moved, both logarithmic, of one series."""
    words = listed([f"{e.subject} {exponent_text(e)}" for e in series.exponents], 20)
    what = "one operator on several sizes" if series.exact else "operators that differ in window and size alike"
    return Drawing(
        key=f"size-{number}",
        title=f"Time of a call against its size: {series.title}",
        alt=f"Times of {counted(len(series.workloads), 'workload')} over the bytes that each reads and writes, both "
        f"axes logarithmic. Fitted exponents: {words}.",
        caption=f"Each marker is a workload ({what}); lines are fitted powers of the size, the dotted line the limit: "
        "reading the input and writing the output once. Bars: intervals of the times.",
        draw=lambda width: _draw_sizes(summary, series, width),
    )


def window_figure(summary: RunSummary) -> Drawing | None:
    """Return times over the limit against the elements of a window; None where there are too few windows."""
    kinds = [kind for kind in Kind if len(set(_windows(summary, kind).values())) >= LEAST_WINDOWS]
    if not kinds or not any(_window_points(summary, kind, s) for kind in kinds for s in _subjects(summary)):
        return None
    span = [count for kind in kinds for count in _windows(summary, kind).values()]
    return Drawing(
        key="window",
        title="Time of a call against the elements of its window",
        alt=f"Times as multiples of the limit for windows of {min(span)} to {max(span)} elements, by subject. The "
        "table has the figures.",
        caption="Each marker is a workload with a window of its own (global and adaptive pooling left out), lines join "
        "the geometric means of equal windows. What lies level does not pay for larger windows.",
        draw=lambda width: _draw_windows(summary, kinds, width),
    )


def _subjects(summary: RunSummary) -> list[Subject]:
    shown = {cell.subject for cell in summary.cells if cell.timing is not None}
    return [subject for subject in summary.header.subjects if subject in shown]


def _draw_sizes(summary: RunSummary, series: SizeSeries, width: Width) -> Figure:
    subjects = [found.subject for found in series.exponents]
    height = (430 if width is Width.WIDE else 330) + key_height(len(subjects) + 1, width)
    figure, (axis,) = blank(width, height)
    workloads = [w for w in summary.workloads if w.id in series.workloads]
    sizes = {w.id: float(moved_bytes(w.workload)) for w in workloads}
    times: list[float] = []
    for found in series.exponents:
        look = look_of(found.subject)
        ends = sorted(sizes[name] for name in found.workloads)[:: max(len(found.workloads) - 1, 1)]
        line = [math.exp(found.intercept + found.value * math.log(size)) for size in ends]
        axis.plot(ends, line, color=look.colour, linestyle=look.dash, linewidth=1.4, zorder=2)
        for workload in workloads:
            cell = workload.cell(found.subject)
            if cell is None or cell.timing is None or workload.id not in found.workloads:
                continue
            size, timing = sizes[workload.id], cell.timing
            times.append(timing.median_ns)
            if timing.low_ns > 0 and math.isfinite(timing.high_ns):
                axis.plot([size] * 2, [timing.low_ns, timing.high_ns], color=look.colour, linewidth=1.4, zorder=3)
            axis.plot([size], [timing.median_ns], linestyle="none", zorder=4, **marker(look, 6.5))
    limit = sorted((sizes[w.id], w.limit.median_ns) for w in workloads if w.limit is not None)
    if len(limit) > 1:
        axis.plot(*zip(*limit, strict=True), color=MUTED, linestyle=(0, (1, 1.5)), linewidth=1.8, zorder=2)
        times += [nanoseconds for _, nanoseconds in limit]
    if series.crossover is not None and series.crossover.size_bytes is not None:
        found_size = series.crossover.size_bytes
        axis.axvspan(found_size.low, found_size.high, color=MUTED, alpha=0.12, linewidth=0, zorder=1)
        axis.axvline(found_size.value, color=MUTED, linewidth=1, zorder=1)
    time_ticks(axis, min(times) / 1.6, max(times) * 1.6)
    _byte_ticks(axis, min(sizes.values()) / 1.3, max(sizes.values()) * 1.3, 9 if width is Width.WIDE else 4)
    axis.set_xlabel("bytes that the pass reads and writes (logarithmic)")
    axis.set_title("time of a call (logarithmic)", fontweight="normal", fontsize=width.text, color=MUTED)
    _key_with_limit(figure, subjects, width, has_limit=len(limit) > 1)
    return figure


def _key_with_limit(figure: Figure, subjects: Sequence[Subject], width: Width, *, has_limit: bool) -> None:
    from matplotlib.lines import Line2D

    dotted = Line2D([], [], color=MUTED, linestyle=(0, (1, 1.5)), linewidth=1.8, label=f"({LIMIT})")
    subject_key(figure, subjects, width, extra=[dotted] if has_limit else [])


def _byte_ticks(axis: Axes, low: float, high: float, most: int) -> None:
    axis.set_xscale("log")
    ticks = [factor * 10.0**power for power in range(0, 13) for factor in (1, 2, 5)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    if len(ticks) > most:
        ticks = [tick for tick in ticks if f"{tick:e}"[0] == "1"]
    ticks = ticks[:: max(1, math.ceil(len(ticks) / most))]
    axis.xaxis.set_ticks(ticks, labels=[_round_size(tick) for tick in ticks])
    axis.xaxis.set_ticks([], minor=True)
    axis.set_xlim(low, high)


def _round_size(size: float) -> str:
    number, _, unit = size_text(int(size)).partition(" ")
    return f"{float(number):g} {unit}"


def _windows(summary: RunSummary, kind: Kind) -> dict[str, int]:
    """Return the elements of the window by workload, for what has windows that slide."""
    found = {}
    passes = {workload.workload.pass_ for workload in summary.workloads}
    drawn = next((pass_ for pass_ in Pass if pass_ in passes), None)  # limits of several passes are not of one kind
    for workload in summary.workloads:
        parsed = workload.workload
        spec = parsed.spec
        if (
            parsed.pass_ is drawn
            and spec.kind is kind
            and spec.window is not None
            and any(size > 1 for size in parsed.output_spatial)
        ):
            found[workload.id] = math.prod(spec.window)
    return found


def _window_points(summary: RunSummary, kind: Kind, subject: Subject) -> list[tuple[int, float]]:
    windows = _windows(summary, kind)
    points = []
    for workload in summary.workloads:
        cell = workload.cell(subject)
        if workload.id in windows and cell is not None and cell.times_limit is not None:
            points.append((windows[workload.id], cell.times_limit.value))
    return sorted(points)


def _draw_windows(summary: RunSummary, kinds: list[Kind], width: Width) -> Figure:
    subjects = _subjects(summary)
    wide = width is Width.WIDE
    rows, columns = (1, len(kinds)) if wide else (len(kinds), 1)
    height = (400 if wide else 290 * len(kinds)) + key_height(len(subjects), width)
    figure, axes = blank(width, height, rows, columns, sharey=wide)
    every = [point for kind in kinds for subject in subjects for point in _window_points(summary, kind, subject)]
    low, high = min(value for _, value in every), max(value for _, value in every)
    for axis, kind in zip(axes, kinds, strict=True):
        for subject in subjects:
            points, look = _window_points(summary, kind, subject), look_of(subject)
            if not points:
                continue
            axis.plot(*zip(*points, strict=True), linestyle="none", zorder=3, alpha=0.85, **marker(look, 5.5))
            levels: dict[int, list[float]] = {}
            for count, value in points:
                levels.setdefault(count, []).append(math.log(value))
            curve = [(count, math.exp(math.fsum(logs) / len(logs))) for count, logs in levels.items()]
            axis.plot(*zip(*curve, strict=True), color=look.colour, linestyle=look.dash, linewidth=1.4, zorder=2)
        counts = sorted({count for count in _windows(summary, kind).values()})
        ratio_axis(axis, min(low, 1) / 1.2, high * 1.3, vertical=True)
        ratio_axis(axis, counts[0] / 1.15, counts[-1] * 1.15)
        shown = _spread(counts, 9 if wide and len(kinds) == 1 else 6)
        axis.xaxis.set_ticks(shown, labels=[str(count) for count in shown])
        axis.axhline(1, color=MUTED, linestyle=(0, (1, 1.5)), linewidth=1.8)
        axis.set_xlabel("elements of a window (logarithmic)")
        axis.set_title({Kind.MAX: "maximum", Kind.AVG: "average"}[kind] + ": times the limit")
    subject_key(figure, subjects, width)
    return figure


def _spread(counts: Sequence[int], most: int) -> list[int]:
    """Return those of ``counts`` that lie far enough apart on a logarithmic axis to be labelled."""
    if len(counts) == 1:
        return list(counts)
    least = math.log(counts[-1] / counts[0]) / most
    shown = [counts[0]]
    for count in counts[1:]:
        if math.log(count / shown[-1]) >= least:
            shown.append(count)
    return shown
