"""Figures beside tables: what they say of a fact is what the tables say."""

from __future__ import annotations

import re

from poolbench.quantities import ratio_text
from poolbench.report.figures.canvas import Width, inline
from poolbench.report.figures.standing import standing
from tests.unit.report.example import example


def test_a_figure_in_a_page_has_all_digits_of_its_table() -> None:
    """Coordinates are cut to a hundredth of a pixel, and "1.010 ±0.004" must not become "1.01 ±0.00"."""
    summary = example()
    drawing = standing(summary)
    assert drawing is not None
    for width in Width:
        svg = inline(drawing, width)
        texts = " ".join(re.findall(r">([^<>]+)</text>", svg))
        said = [ratio_text(mean.ratio) for mean in summary.means]
        assert any(re.search(r"\d\.\d{3} ±", text) for text in said)
        assert all(text in texts for text in said)
        assert not re.search(r'="[^"]*\d\.\d{3}', svg)
