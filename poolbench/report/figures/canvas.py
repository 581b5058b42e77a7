"""Drawings: a blank one in a given width, and its way into SVG (for files, and for a page in light and dark) and PNG.

One unit of a drawing is one CSS pixel. The same drawing gives the same bytes: ids are salted, dates left out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, Any

from poolbench.report.figures.palette import TONES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Width(StrEnum):
    """For which width of page a figure is drawn."""

    WIDE = "wide"
    NARROW = "narrow"

    @property
    def pixels(self) -> int:
        """The drawing's width in CSS pixels."""
        return 1072 if self is Width.WIDE else 342

    @property
    def text(self) -> float:
        """The size of its usual text, in CSS pixels."""
        return 12.0 if self is Width.WIDE else 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure to be drawn: ``alt`` says in words what it shows, ``caption`` how to read it. ``key`` names its files.

    ``draw`` is only called when there is data: a figure without is never made.
    """

    key: str
    title: str
    alt: str
    caption: str
    draw: Callable[[Width], Figure]


INK, MUTED, GRID, PAPER, FAINT = "#1b1f24", "#59626c", "#d4d9df", "#fdfefe", "#9aa3ad"
"""Text and axes; secondary text; grid lines; the page; points in the background."""

_THEME = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", FAINT: "faint"} | {
    light: f"tone-{name}" for name, (light, _) in TONES.items()
}
_PNG_SCALE = 1.5


def settings(width: Width) -> Any:
    """Return matplotlib's settings for a drawing, by name."""
    return {
        "svg.hashsalt": "poolbench",
        "svg.fonttype": "none",
        "font.family": ["DejaVu Sans"],
        "font.size": width.text,
        "axes.titlesize": width.text + 1,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": width.text,
        "xtick.labelsize": width.text - 0.5,
        "ytick.labelsize": width.text - 0.5,
        "legend.fontsize": width.text - 0.5,
        "legend.frameon": False,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": MUTED,
        "axes.facecolor": "none",
        "xtick.color": MUTED,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "axes.axisbelow": True,
        "figure.facecolor": PAPER,
        "hatch.linewidth": 0.6,
        "axes.unicode_minus": True,
        "path.simplify": False,
    }


def blank(width: Width, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``height`` CSS pixels with its axes, row by row."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(settings(width)):
        figure = Figure(figsize=(width.pixels / 72, height / 72), dpi=72, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [axis for row in axes for axis in row]


def files(drawing: Drawing) -> tuple[bytes, bytes]:
    """Return a drawing in its wide form as SVG and PNG, in the tones for light pages on a ground of its own."""
    import matplotlib as mpl

    with mpl.rc_context(settings(Width.WIDE)):
        figure = drawing.draw(Width.WIDE)
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(
            png, format="png", dpi=72 * _PNG_SCALE, metadata={"Software": None}, pil_kwargs={"optimize": True}
        )
    return _described(svg.getvalue().decode(), drawing).encode(), png.getvalue()


def inline(drawing: Drawing, width: Width) -> str:
    """Return a drawing as an SVG element whose colours are the page's variables, and whose ids are its own."""
    import matplotlib as mpl

    with mpl.rc_context(settings(width)):
        figure = drawing.draw(width)
        figure.patch.set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True, dpi=144)
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :]
    prefix = f"{drawing.key}-{width.value}-"
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', text)
    for colour, name in _THEME.items():
        text = text.replace(colour, f"var(--{name})")
    return _described(_compact(text), drawing, f"figure-{width.value}", prefix)


def _described(text: str, drawing: Drawing, css_class: str = "", prefix: str = "") -> str:
    """Give the SVG a title and a description, which screen readers read in place of its parts."""
    head = re.search(r"<svg[^>]*>", text)
    assert head is not None, "matplotlib writes an svg element"
    attributes = f' role="img" aria-labelledby="{prefix}title {prefix}desc"'
    if css_class:
        attributes += f' class="{css_class}"'
    words = (
        f'\n<title id="{prefix}title">{escape(drawing.title)}</title>'
        f'<desc id="{prefix}desc">{escape(drawing.alt)}</desc>'
    )
    opened = head[0][:-1] + attributes + ">"
    return text[: head.start()] + opened + words + text[head.end() :]


def _compact(text: str) -> str:
    """Drop what a page does not need: namespaces, comments, metadata, the drawing's own size and indentation."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", text)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", text)
    text = re.sub(r'"[^"<>]*"', _hundredths, text)
    return re.sub(r"\n\s*", "\n", text)


def _hundredths(attribute: re.Match[str]) -> str:
    """Cut the numbers of an attribute: a hundredth of a pixel is enough. What a reader sees is no attribute."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", attribute[0])
