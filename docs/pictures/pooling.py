"""The pictures of docs/pooling.md, and its table of effects: drawn from numbers that are worked out here or stored.

    make pictures

``effects.json`` beside this file is what ``poolbench effects vgg16_pool1 --json`` printed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poolbench.model.effects import Accuracy, Alternative, Choice, Information, LayerEffects
from poolbench.model.estimate import Estimate
from poolbench.model.ids import parse_id
from poolbench.report.effects import layer_table
from poolbench.report.figures.canvas import GRID, INK, MUTED, PAPER, Drawing, Width, blank, files
from poolbench.report.figures.effects import effects_figure
from poolbench.report.figures.palette import TONES
from poolbench.report.render.markdown import markdown_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- effects -->\n", "<!-- end of effects -->\n"

EXAMPLE = np.array([[1, 3, 2, 9], [7, 4, 1, 5], [8, 5, 2, 4], [4, 2, 6, 3]], dtype=np.float32)
QUARTERS = (TONES["sky"][0], TONES["amber"][0], TONES["green"][0], TONES["pink"][0])


def example() -> Drawing:
    """Return the 4 × 4 example: the input, the maxima and the averages of its four windows."""
    from poolbench import strided

    largest = strided.max_pool2d(EXAMPLE[None, None], 2)[0, 0]
    means = strided.avg_pool2d(EXAMPLE[None, None], 2)[0, 0]

    def draw(width: Width) -> Figure:
        figure, axes = blank(width, 330, 1, 3, width_ratios=(4, 2, 2))
        _grid(axes[0], EXAMPLE, "input, 4 × 4", lambda row, column: 2 * (row // 2) + column // 2)
        _grid(axes[1], largest, "maximum, 2 × 2", lambda row, column: 2 * row + column)
        _grid(axes[2], means, "average, 2 × 2", lambda row, column: 2 * row + column)
        return figure

    return Drawing(
        key="example",
        title="Maximum and average of a 4 × 4 plane",
        alt=f"A plane of rows {_rows(EXAMPLE)}; the maxima of its four windows of 2 × 2 are {_rows(largest)}, their "
        f"averages {_rows(means)}.",
        caption="",
        draw=draw,
    )


def windows() -> Drawing:
    """Return where windows of 3 lie along an axis of 7, with stride 2 and padding 1."""
    length, k, s, p = 7, 3, 2, 1
    outputs = (length + 2 * p - k) // s + 1

    def draw(width: Width) -> Figure:
        from matplotlib.patches import Rectangle

        figure, (axis,) = blank(width, 260)
        for place in range(-p, length + p):
            inside = 0 <= place < length
            axis.add_patch(
                Rectangle((place, 0), 1, 1, facecolor=GRID if inside else PAPER, edgecolor=MUTED,
                          linestyle="-" if inside else ":")
            )  # fmt: skip
            axis.text(place + 0.5, 0.5, str(place) if inside else "pad", ha="center", va="center",
                      color=INK if inside else MUTED)  # fmt: skip
        for output in range(outputs):
            start, height = output * s - p, 1.35 + 0.62 * (output % 2)
            ends = (start + 0.06, start + k - 0.06)
            axis.plot(ends, (height, height), color=QUARTERS[output], linewidth=22, alpha=0.55, solid_capstyle="butt")
            axis.text(start + k / 2, height, f"output {output}", ha="center", va="center", color=INK)
        axis.set_xlim(-p - 0.1, length + p + 0.1)
        axis.set_ylim(-0.15, 2.4)
        _bare(axis)
        return figure

    return Drawing(
        key="windows",
        title="Windows of 3 along an axis of 7, stride 2, padding 1",
        alt=f"Seven elements with one of padding on each side. {outputs} windows of three elements begin at "
        f"{', '.join(str(output * s - p) for output in range(outputs))}; each shares one element with the next.",
        caption="",
        draw=draw,
    )


def stored() -> LayerEffects:
    """Return the layer whose effects are stored beside this file."""
    layer = json.loads((FOLDER / "effects.json").read_text(encoding="utf-8"))["layers"][0]
    return LayerEffects(
        workload=parse_id(layer["workload"]),
        layer=layer["layer"],
        count=layer["count"],
        choices=tuple(map(_choice, layer["choices"])),
        next_layer=layer["next_layer"],
        saving=None,
    )


def benefit() -> Drawing:
    """Return the figure of the stored effects."""
    drawing = effects_figure(stored())
    assert drawing is not None, "effects.json has times"
    return drawing


def with_table(page: str) -> str:
    """Return the page with the table of the stored effects between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    table = layer_table(stored()).hiding("requested", "weights", "operations")
    return f"{before}{BEGIN}\n{markdown_table(table).strip()}\n\n{END}{behind}"


def draw_all(folder: Path) -> None:
    """Write every picture into ``folder``."""
    for drawing in (example(), windows(), benefit()):
        svg, _ = files(drawing)
        (folder / f"{drawing.key}.svg").write_bytes(svg)


def main() -> int:
    """Write the pictures, and the table into the page."""
    draw_all(FOLDER)
    page = FOLDER.parent / "pooling.md"
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _grid(axis: Axes, values: Any, title: str, colour: Any) -> None:
    from matplotlib.patches import Rectangle

    rows, columns = values.shape
    for row in range(rows):
        for column in range(columns):
            face = QUARTERS[colour(row, column)]
            axis.add_patch(Rectangle((column, row), 1, 1, facecolor=face, alpha=0.45, edgecolor=PAPER, linewidth=2))
            axis.text(column + 0.5, row + 0.5, f"{values[row, column]:g}", ha="center", va="center", color=INK,
                      fontsize=15)  # fmt: skip
    axis.text(0, -0.12, title, color=INK, fontweight="bold")
    axis.set_xlim(0, columns)
    middle = rows / 2  # all three are as high, so that their cells are of one size
    axis.set_ylim(middle + 2, middle - 2.4)
    axis.set_aspect("equal")
    _bare(axis)


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _rows(values: Any) -> str:
    return "; ".join(" ".join(f"{value:g}" for value in row) for row in values)


def _choice(content: dict[str, Any]) -> Choice:
    known, accuracy = content.pop("information"), content.pop("accuracy")
    times = {key: _estimate(content.pop(key)) for key in ("time", "with_next")}
    return Choice(
        **{**content, **times, "alternative": Alternative(content["alternative"])},
        information=None if known is None else Information(**known),
        accuracy=None
        if accuracy is None
        else Accuracy(
            seeds=accuracy["seeds"],
            **{key: Estimate(**accuracy[key]) for key in ("plain", "shifted", "steady")},
        ),
    )


def _estimate(content: dict[str, float] | None) -> Estimate | None:
    return None if content is None else Estimate(**content)


if __name__ == "__main__":
    sys.exit(main())
