"""What pooling buys and costs, as table, sentences, figure, page and pictures."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from poolbench.model.effects import Accuracy, Alternative, Choice, Effects, Information, LayerEffects, Saving
from poolbench.model.estimate import Estimate
from poolbench.model.ids import parse_id
from poolbench.report.effects import accuracy_table, buys_text, layer_table, reasons, saving_text
from poolbench.report.figures.canvas import Width, files
from poolbench.report.figures.effects import LOOKS, effects_figure
from poolbench.report.page.effects import build_effects
from poolbench.report.page.site import write_report
from poolbench.report.render.json import effects_document
from poolbench.report.render.terminal_effects import render_effects

PICTURES = Path(__file__).parents[3] / "docs" / "pictures"


def about(value):
    return Estimate(value=value, low=value * 0.98, high=value * 1.02)


def choice(alternative, own, both, lost, unsteady=0.1, **more):
    return Choice(
        alternative=alternative,
        is_layer=alternative is Alternative.MAX,
        operations=1000,
        time=None if own is None else about(own),
        with_next=None if both is None else about(both),
        requested_bytes=2048,
        information=Information(lost=lost, changed=0.2, unsteady=unsteady),
        **more,
    )


CHOICES = (
    choice(Alternative.MAX, 2e6, 3e6, 0.25),
    choice(Alternative.AVERAGE, 1e6, 2e6, 0.125),
    choice(Alternative.NONE, None, 6e6, 0.0, 0.0),
)
LAYER = LayerEffects(
    workload=parse_id("max2d-n1c4-h8w8-k2-f32-nchw"),
    layer="pool1",
    count=1,
    choices=CHOICES,
    next_layer="a 3 × 3 convolution with 4 channels",
    saving=Saving(activations=192, bytes=768, operations=13_824, scope="behind it, to the end of the model"),
)
FOUND = Effects(
    title="models.py:Net", layers=(LAYER,), accuracies=(), run="results/m/20260101-000000-aaaa.jsonl", machine="m",
    started_at="2026-01-01T00:00:00+00:00", processor="a processor",
)  # fmt: skip


def test_the_table_has_a_row_for_each_alternative_and_the_layer_in_bold():
    table = layer_table(LAYER)
    assert [row["alternative"].text for row in table.rows] == ["maximum", "average", "none"]
    assert [row["alternative"].is_strong for row in table.rows] == [True, False, False]
    first = table.rows[0]
    assert (first["time"].text, first["with_next"].number, first["lost"].text) == ("2.00 ms", 3e6, "25 %")
    assert table.rows[2]["time"].text == "–"


def test_sentences_say_what_is_saved_and_what_that_is_in_time():
    assert saving_text(LAYER) == (
        "The layer saves 192 activations (768 B) and 13.8 thousand operations behind it, to the end of the model."
    )
    assert buys_text(LAYER) == (
        "The layer and a 3 × 3 convolution with 4 channels take 3.00 ms ±2.0 % with the maximum, and 6.00 ms ±2.0 % "
        "without it: left out, that takes 2.00 times as long."
    )
    worse = replace(LAYER, choices=(choice(Alternative.MAX, 2e6, 7e6, 0.25), CHOICES[2]))
    assert buys_text(worse).endswith("in time the layer buys nothing here.")
    close = replace(LAYER, choices=(choice(Alternative.MAX, 2e6, 5.9e6, 0.25), CHOICES[2]))
    assert buys_text(close).endswith("cannot be told.")
    idle = replace(LAYER, saving=replace(LAYER.saving, activations=0, bytes=0, operations=0))
    assert saving_text(idle).startswith("The layer saves nothing")


def test_what_has_no_figures_says_why_once():
    missing = [Choice(alternative=each, is_layer=False, operations=0, reason="It cannot be.") for each in
               (Alternative.BLUR, Alternative.MAX_BLUR)]  # fmt: skip
    assert reasons(replace(LAYER, choices=(*CHOICES, *missing))) == (
        "Blur, then subsampling; maximum, blur, then subsampling: It cannot be.",
    )


def test_the_figure_joins_what_nothing_beats():
    drawing = effects_figure(LAYER)
    assert drawing is not None
    assert "maximum 3.00 ms, keeps 75 %" in drawing.alt
    panels = drawing.draw(Width.WIDE).axes
    front = panels[0].lines[0]
    # The average is cheaper and keeps more than the maximum, and nothing keeps as much as none.
    assert list(front.get_xdata()) == [2.0, 6.0]
    assert list(front.get_ydata()) == pytest.approx([0.875, 1.0])
    assert len(panels) == 2
    assert set(LOOKS) == set(Alternative)
    assert len(set(LOOKS.values())) == len(LOOKS)


def test_there_is_no_figure_where_nothing_was_timed():
    assert effects_figure(replace(LAYER, choices=tuple(replace(each, with_next=None) for each in CHOICES))) is None


def test_the_page_has_the_layer_and_the_classifier(tmp_path):
    share = Estimate(value=0.9, low=0.88, high=0.92)
    accuracy = Accuracy(plain=share, shifted=replace(share, value=0.6), steady=share, seeds=5)
    known = tuple(replace(each, accuracy=accuracy) for each in CHOICES)
    found = replace(
        FOUND, layers=(replace(LAYER, choices=known),), accuracies=((Alternative.MAX, accuracy),), notes=("A note.",)
    )
    assert len(effects_figure(found.layers[0]).draw(Width.NARROW).axes) == 3
    site = write_report(build_effects(found, "poolbench effects models.py:Net"), tmp_path)
    page = site.page.read_text(encoding="utf-8")
    for text in ("pool1", "90.0 %", "±2.0", "A note.", "poolbench effects models.py:Net", "takes 2.00 times as long"):
        assert text in page
    assert accuracy_table(found).rows[0]["shifted"].number == 0.6
    assert accuracy_table(FOUND) is None


def test_a_page_in_which_nothing_was_timed_stands(tmp_path):
    none = tuple(Choice(alternative=each, is_layer=False, operations=0, reason="No time.") for each in Alternative)
    bare = replace(LAYER, saving=None, choices=none)
    found = replace(FOUND, layers=(bare,))
    assert "No time." in write_report(build_effects(found, ""), tmp_path).page.read_text(encoding="utf-8")
    assert "No time." in render_effects(found)


def test_json_has_the_numbers_unrounded():
    document = json.loads(json.dumps(effects_document(FOUND)))
    assert document["layers"][0]["choices"][0]["with_next"]["value"] == 3e6
    assert document["layers"][0]["saving"]["activations"] == 192


def test_the_pictures_and_the_table_of_the_page_are_those_of_the_stored_numbers(tmp_path):
    spec = importlib.util.spec_from_file_location("pooling_pictures", PICTURES / "pooling.py")
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    pictures.draw_all(tmp_path)
    drawn = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert drawn == {path.name: path.read_bytes() for path in PICTURES.glob("*.svg")}, "run: make pictures"
    page = (PICTURES.parent / "pooling.md").read_text(encoding="utf-8")
    assert pictures.with_table(page) == page, "run: make pictures"


def test_a_drawing_is_the_same_bytes_each_time():
    assert files(effects_figure(LAYER)) == files(effects_figure(LAYER))
