"""What a call requests of memory, and what that is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolbench.analyse.explain.memory_parts import MemoryParts, memory_parts
from poolbench.quantities import counted, significant, size_text
from poolbench.report.figures.canvas import INK, MUTED, Drawing, Width, blank
from poolbench.report.figures.palette import TONES
from poolbench.report.figures.parts import shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from poolbench.analyse.estimate.findings import RunSummary

MOST = 10
"""More workloads than these make a figure nobody reads: those where the subjects differ most are drawn."""

_PARTS = {
    "output": ("sky", ""),
    "gradient": ("blue", "--"),
    "saved": ("green", "//"),
    "index": ("amber", ".."),
    "scratch": ("vermillion", "xx"),
}
_Bars = dict[str, dict[str, tuple[MemoryParts, int]]]


def memory_figure(summary: RunSummary) -> Drawing | None:
    """Return stacked bars of the requested memory as multiples of the least; None where none is known."""
    bars = _bars(summary)
    if not bars:
        return None
    shown = sorted(bars, key=lambda name: -_span(bars, name))[:MOST]
    names = [name for name in bars if name in shown]
    left = f" The {counted(len(names), 'workload')} where subjects differ most; " if len(names) < len(bars) else " "
    worst = max(((parts, least, s, n) for n in names for s, (parts, least) in bars[n].items()), key=_multiple)
    return Drawing(
        key="memory",
        title="Memory that one call requests, by what it is for",
        alt="Stacked bars of output, saved, index and scratch bytes as multiples of the least that the operation "
        f"needs. The largest is {worst[2]} on {worst[3]}, {significant(_multiple(worst))} times the least.",
        caption="The peak that one call requests, over the least that the operation needs (dotted: 1)."
        f"{left}the table has them all. Index: positions of maxima, inferred where the excess is 8, 4 or 1 bytes an "
        "output. Requested sizes are exact to some KB.",
        draw=lambda width: _draw(bars, names, width),
    )


def _bars(summary: RunSummary) -> _Bars:
    """Return the parts and the least by workload's name and subject, where both are known and not 0."""
    bars: _Bars = {}
    for workload in summary.workloads:
        for subject in summary.header.subjects:
            cell = workload.cell(subject)
            if cell is None or cell.memory is None or not cell.memory.least_bytes:
                continue
            parts = memory_parts(workload.workload, cell.memory)
            if parts is not None:
                bars.setdefault(workload.name, {})[str(subject)] = (parts, cell.memory.least_bytes)
    return bars


def _total(parts: MemoryParts) -> int:
    return parts.output + parts.gradient + parts.saved + parts.index + parts.scratch


def _multiple(bar: tuple[MemoryParts, int, str, str]) -> float:
    return _total(bar[0]) / bar[1]


def _span(bars: _Bars, name: str) -> float:
    shares = [_total(parts) / least for parts, least in bars[name].values()]
    return max(shares) - min(shares)


def _draw(bars: _Bars, names: list[str], width: Width) -> Figure:
    from matplotlib.patches import Patch

    wide = width is Width.WIDE
    row, gap = (17.0, 1.6) if wide else (15.0, 1.9)
    places: list[tuple[float, str, str]] = []
    heads: list[tuple[float, str]] = []
    y = 0.0
    for name in names:
        heads.append((y, name))
        y += 1
        for subject in bars[name]:
            places.append((y, name, subject))
            y += 1
        y += gap - 1
    figure, (axis,) = blank(width, row * y + 92)
    reach = max(_total(parts) / least for name in names for parts, least in bars[name].values())
    for place, name, subject in places:
        parts, least = bars[name][subject]
        left = 0.0
        for key, (tone, hatch) in _PARTS.items():
            share = getattr(parts, key) / least
            if share:
                axis.barh(
                    place, share, left=left, height=0.74, color=TONES[tone][0], hatch=hatch, edgecolor=INK,
                    linewidth=0.4,
                )  # fmt: skip
            left += share
        axis.annotate(
            size_text(_total(parts)), (left, place), (4, 0), textcoords="offset points", va="center", color=MUTED,
            fontsize=width.text - 1.5,
        )  # fmt: skip
    for place, name in heads:
        axis.annotate(name, (0, place), (0, -1), textcoords="offset points", va="center", fontweight="bold", color=INK)
    axis.axvline(1, color=MUTED, linestyle=(0, (1, 1.5)), linewidth=1.6)
    length = 24 if wide else 19
    axis.set_yticks([place for place, _, _ in places], labels=[shortened(s, length) for _, _, s in places])
    axis.set_ylim(y - gap + 0.6, -0.7)
    axis.set_xlim(0, reach * (1.1 if wide else 1.22))
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("times the least that the operation needs")
    handles = [
        Patch(facecolor=TONES[tone][0], hatch=hatch, edgecolor=INK, linewidth=0.4, label=key)
        for key, (tone, hatch) in _PARTS.items()
        if key != "gradient" or any(parts.gradient for name in names for parts, _ in bars[name].values())
    ]
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=len(handles) if wide else 4,
        handlelength=1.4,
        columnspacing=1.2,
    )
    return figure
