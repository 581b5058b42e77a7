"""What advice says, in words, tables and forms."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from poolbench.cli.output import as_json
from poolbench.model.advice import Advice, Change, LayerAdvice, Option, Share, Trial
from poolbench.model.estimate import Estimate
from poolbench.model.workload import Pass
from poolbench.quantities import spread_time_text
from poolbench.report.advice import advice_page, advised_lines, answer, notes, share_text
from poolbench.report.render.advice import advice_document, advice_markdown, render_advice
from poolbench.report.render.html import render_page


def share(value, half=0.01):
    return Share(value=value, low=value - half, high=value + half)


ADVICE = Advice(
    target="models:Net",
    framework="torch",
    version="2.13.0",
    pass_=Pass.FORWARD,
    inputs=("8x3x224x224",),
    threads=1,
    step=Estimate(value=48e6, low=47e6, high=49e6),
    share=share(0.3),
    layers=(
        LayerAdvice(
            layer="layer3.pool", function="max_pool2d", calls=1, is_module=True, workloads=(), share=share(0.2),
            options=(
                Option(change=Change.STRIDED, saving=share(0.04, 0.004)),
                Option(change=Change.CHANNELS_LAST, saving=None, reason="Its input lies so already."),
            ),
            change=Change.STRIDED,
        ),
        LayerAdvice(
            layer="", function="avg_pool2d", calls=2, is_module=False, workloads=(), share=share(0.1),
            options=(Option(change=Change.CHANNELS_LAST, saving=share(0.05)),), change=Change.CHANNELS_LAST,
        ),
    ),
    is_worthwhile=True,
    trials=(Trial(what="the advised layers", predicted=share(0.09), measured=share(0.1)),),
    launches=8,
)  # fmt: skip


def test_the_list_is_ranked_by_what_is_saved():
    function, module = advised_lines(ADVICE)
    assert module == "layer3.pool: use poolbench.strided.torch, saves 1.92 ± 0.19 ms of 48.0 ms a step (4 %)"
    assert function.startswith(
        "the model (avg_pool2d): use PyTorch in channels_last, converted there and back, saves 2.40"
    )
    assert "call the one of the same name in poolbench.strided.torch" in " ".join(notes(ADVICE))
    assert "Its input lies so already. (layer3.pool)" in " ".join(notes(ADVICE))


def test_the_answer_has_both_savings():
    said = " ".join(answer(ADVICE))
    assert said.startswith("Pooling is 30 ± 1.0 % of your step of 48.0 ms. Change 2 layers.") or "30.0 ± 1.0 %" in said
    assert "Measured on the whole model, that saves 4.80 ± 0.48 ms" in said
    assert "Predicted: 4.32 ± 0.48 ms" in said


@pytest.mark.parametrize(("rest", "said"), [(-0.03, "loses 3.0 ± 1.0 %"), (0.03, "gains 3.0 ± 1.0 %")])
def test_what_the_rest_of_the_step_does_is_told(rest, said):
    trial = Trial(what="the advised layers", predicted=share(0.06), measured=share(0.06), rest=share(rest))
    (note,) = (sentence for sentence in notes(replace(ADVICE, trials=(trial,))) if "the rest of the step" in sentence)
    assert said in note
    assert not any("the rest of the step" in sentence for sentence in notes(ADVICE))


def test_what_saves_nothing_on_the_whole_model_is_not_advised():
    trial = Trial(what="the advised layers", predicted=share(0.02), measured=share(-0.01))
    text = " ".join(answer(replace(ADVICE, trials=(trial,))))
    assert "Leave it" in text
    assert "Change " not in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"share": share(0.013, 0.002), "is_worthwhile": False},
            "Pooling is 1.3 ± 0.2 % of your step of 48.0 ms: leave it.",
        ),
        ({"is_worthwhile": False}, "Nothing that was tried surely saves one per cent of the step: leave it."),
        ({"share": share(0.3, 0.2), "is_worthwhile": False}, "The intervals are wide"),
        ({"step": None, "share": None, "layers": (), "trials": ()}, "makes no pooling call"),
        ({"step": None, "problem": "It died."}, "Nothing was timed."),
    ],
)
def test_where_nothing_is_to_be_changed(changes, said):
    assert said in " ".join(answer(replace(ADVICE, **changes)))


def test_all_forms_have_the_same_figures():
    page = advice_page(replace(ADVICE, problem="It died midway."), started_at="2026-11-29T12:00:00", machine="here")
    html = render_page(page)
    document = json.loads(as_json(advice_document(ADVICE)))
    assert "It died midway." in html
    for text in (render_advice(ADVICE), advice_markdown(ADVICE), html):
        assert "1.92 ± 0.19 ms of 48.0 ms" in text and "20.0 ± 1.0 %" in text
    assert document["pass"] == "forward" and document["layers"][0]["change"] == "strided"
    assert document["trials"][0]["measured"]["value"] == 0.1


def test_numbers_as_text():
    assert spread_time_text(1.9e6, 0.2e6) == "1.90 ± 0.20 ms"
    assert spread_time_text(-12e3, 3e3) == "−12.0 ± 3.0 µs"
    assert spread_time_text(5, math.inf) == "5.00 ± ? ns"
    assert share_text(Share(value=0.04, low=-math.inf, high=math.inf)) == "4 % (interval unknown)"
    assert share_text(share(-0.0012, 0.0004)) == "−0.12 ± 0.04 %"
