"""What pooling buys and costs, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from poolbench.quantities import counted
from poolbench.report.content import Page, Section
from poolbench.report.effects import (
    accuracy_table,
    answer,
    buys_text,
    layer_table,
    layer_title,
    reasons,
    saving_text,
)
from poolbench.report.figures.effects import effects_figure

if TYPE_CHECKING:
    from poolbench.model.effects import Effects, LayerEffects

TITLE = "What pooling buys here, and what it costs"


def build_effects(found: Effects, command: str) -> Page:
    """Return the page of what was found; ``command`` finds it again."""
    lead = effects_figure(found.layers[0]) if found.layers else None
    return Page(
        key=f"{Path(found.run).stem}-effects",
        title=TITLE,
        subtitle=f"{found.title} · {counted(len(found.layers), 'layer')} · {found.processor} · run "
        f"{Path(found.run).stem}",
        started_at=found.started_at,
        machine=found.machine,
        answer=answer(found),
        lead=lead,
        sections=tuple(
            section
            for section in (
                *(_layer(layer, number) for number, layer in enumerate(found.layers, 1)),
                _classifier(found),
                Section(key="notes", title="Left out, and why", lists=(found.notes,) if found.notes else ()),
                _method(command),
            )
            if not section.is_empty
        ),
    )


def _layer(layer: LayerEffects, number: int) -> Section:
    drawing = effects_figure(layer, number=number) if number > 1 else None  # the first one leads the page
    said = reasons(layer)
    return Section(
        key=f"layer-{number}",
        title=layer_title(layer),
        words=tuple(filter(None, (saving_text(layer), buys_text(layer) if number > 1 else ""))),
        drawings=(drawing,) if drawing else (),
        tables=(layer_table(layer, number=number),),
        lists=(said,) if said else (),
    )


def _classifier(found: Effects) -> Section:
    table = accuracy_table(found)
    if table is None:
        return Section(key="classifier", title="A small classifier of digits")
    return Section(
        key="classifier", title=table.title, tables=(table,),
        words=("Two convolutions with batch normalisation, each with a pooling of 2 × 2 behind it, a third, a mean, "
               "and a dense layer; trained on images that are not shifted. The window is the same whatever the layers "
               "above are.",),
    )  # fmt: skip


def _method(command: str) -> Section:
    return Section(
        key="method", title="Method, and how to find this again", code=command,
        words=(
            "Times and memory: one run in which all calls take turns, on the array as it lies. Each output was checked "
            "before it was timed: convolutions sum up their windows here, which takes as long with any other weights. "
            "The time of several calls is the sum of theirs.",
            "Lost, changed and unsteady: on random signals whose power is the same in each octave, as in natural "
            "images, away from the edges. Linear upsampling means least squares over all weights of the three outputs "
            "along each axis that are next to an element. A convolution has random weights there: the mean of eight.",
        ),
    )  # fmt: skip
