"""Advice as sentences and tables: what pooling costs in a model, what to change, and what the change brought."""

from __future__ import annotations

import math

from poolbench.model.advice import Advice, LayerAdvice, Share, Trial
from poolbench.quantities import counted, percent, spread_time_text, time_text
from poolbench.report.content import Page, Section
from poolbench.report.table import NONE, Column, Row, Table, Unit, Value, counted_value, keyed, words

_SMALL = 0.02
"""Of the step: below this share pooling is no bottleneck, whatever could be saved of it."""


def title(advice: Advice) -> str:
    """Return what was timed: "models:VGG, forward, 8x3x224x224, torch 2.13.0, 1 thread"."""
    parts = (advice.target, advice.pass_.value, *advice.inputs, f"{advice.framework} {advice.version}")
    return ", ".join((*filter(None, parts), counted(advice.threads, "thread")))


def answer(advice: Advice) -> tuple[str, ...]:
    """Return the answer in sentences: whether pooling is the bottleneck, and what all changes together bring."""
    if advice.step is None or advice.share is None:
        if advice.problem or advice.notes:
            return ("Nothing was timed.",)
        return (f"{advice.target} makes no pooling call: there is nothing to change.",)
    step = time_text(advice.step.value)
    share = f"Pooling is {share_text(advice.share)} of your step of {step}"
    if not advice.is_worthwhile:
        if advice.share.high < _SMALL:
            return (f"{share}: leave it.",)
        nothing = "Nothing that was tried surely saves one per cent of the step"
        wide = advice.share.half_width > advice.share.value / 4
        longer = " The intervals are wide: a larger --budget, or a quiet machine, may say more." if wide else ""
        return (f"{share}.", f"{nothing}: leave it.{longer}")
    changed = [layer for layer in advice.layers if layer.change is not None]
    sentences = [f"{share}.", f"Change {counted(len(changed), 'layer')}."]
    for trial in advice.trials[:1]:
        if trial.measured is not None and trial.measured.value <= 0:
            # What is small for a layer may be lost in the whole, which has the last word.
            sentences[-1] = "Leave it: what single layers would save is not saved on the whole model."
        if trial.measured is not None:
            sentences.append(f"Measured on the whole model, that saves {saving_text(trial.measured, advice)}.")
        if trial.predicted is not None:
            sentences.append(f"Predicted: {saving_text(trial.predicted, advice)}.")
    return tuple(sentences)


def advised_lines(advice: Advice) -> tuple[str, ...]:
    """Return a sentence for each layer that is to be changed, the one that saves most first."""
    changed = [layer for layer in advice.layers if layer.change is not None and layer.saving is not None]
    changed.sort(key=lambda layer: -(layer.saving.value if layer.saving is not None else 0.0))
    return tuple(
        f"{layer.name}: use {layer.change.text}, saves {saving_text(layer.saving, advice)}"
        for layer in changed
        if layer.change is not None and layer.saving is not None
    )


def saving_text(saving: Share, advice: Advice) -> str:
    """Write a saving: "1.90 ± 0.20 ms of 48.0 ms a step (4.0 %)"."""
    assert advice.step is not None
    step_ns = advice.step.value
    spread = spread_time_text(saving.value * step_ns, saving.half_width * step_ns)
    return f"{spread} of {time_text(step_ns)} a step ({percent(saving.value)})"


def share_text(share: Share) -> str:
    """Write a share of the step with its interval: "4.0 ± 0.2 %"."""
    if not math.isfinite(share.half_width):
        return f"{percent(share.value)} (interval unknown)"
    decimals = 0 if share.half_width >= 0.0995 else 1 if share.half_width >= 0.00095 else 2
    value = f"{100 * share.value:.{decimals}f}".replace("-", "−")
    return f"{value} ± {100 * share.half_width:.{decimals}f} %"


def notes(advice: Advice) -> tuple[str, ...]:
    """Return what stands below the tables: what could not be tried and why, and how it was measured."""
    refused: dict[str, list[str]] = {}
    for layer in advice.layers:
        for option in layer.options:
            if option.reason:
                refused.setdefault(f"{option.change.text}: {option.reason}", []).append(layer.name)
    said = [f"Not tried with {what} ({_layers(names)})" for what, names in refused.items()]
    said += [f"{trial.what} was not measured to the end: {trial.problem}" for trial in advice.trials if trial.problem]
    said += [
        f"With {trial.what} the rest of the step {'gains' if trial.rest.value > 0 else 'loses'} "
        f"{share_text(_size(trial.rest))}: it finds other caches behind other calls. That is part of the prediction."
        for trial in advice.trials
        if trial.rest is not None
    ]
    if any(not layer.is_module and layer.change is not None for layer in advice.layers):
        said.append(
            "A function is changed where it is written: call the one of the same name in poolbench.strided.torch. "
            "poolbench.replace_pooling() changes it without that, at the cost of some microseconds for each function "
            "of the layer."
        )
    if advice.layers:
        said.append(
            "Each call is timed in its place in the model; savings of the whole model are of plain steps before and "
            f"after, in turns, in other processes. ± is half the 95 % interval over {advice.launches} processes."
        )
    return (*advice.notes, *said)


def layers_table(advice: Advice) -> Table:
    """Return a row for each layer that pools, the dearest first."""
    columns = (
        Column(key="layer", title="layer"),
        Column(key="function", title="function", is_detail=True),
        Column(key="calls", title="calls", is_figure=True, unit=Unit.COUNT, help="In one step."),
        Column(key="share", title="share of the step", is_figure=True, has_interval=True, unit=Unit.SHARE),
        Column(key="change", title="best of what was tried"),
        Column(key="saving", title="saves", is_figure=True, has_interval=True, unit=Unit.SHARE,
               help="Of the step, conversions at the layer's borders counted."),
        Column(key="is_advised", title="advised"),
        Column(key="workloads", title="id", is_detail=True),
    )  # fmt: skip
    rows = tuple(Row(cells=keyed(columns, _layer_cells(advice, layer))) for layer in advice.layers)
    return Table(key="layers", title="What each layer costs", columns=columns, rows=rows)


def options_table(advice: Advice) -> Table:
    """Return a row for each layer and change."""
    columns = (
        Column(key="layer", title="layer"),
        Column(key="change", title="change"),
        Column(key="saving", title="saves", is_figure=True, has_interval=True, unit=Unit.SHARE),
        Column(key="reason", title="why not"),
    )
    rows = tuple(
        Row(cells=keyed(columns, (
            words(layer.name), words(option.change.text), share_value(option.saving), words(option.reason),
        )))
        for layer in advice.layers
        for option in layer.options
    )  # fmt: skip
    return Table(key="options", title="What was tried", columns=columns, rows=rows)


def trials_table(advice: Advice) -> Table:
    """Return a row for each change of the whole model."""
    columns = (
        Column(key="what", title="change of the whole model"),
        Column(key="calls", title="its calls save", is_figure=True, has_interval=True, unit=Unit.SHARE, is_detail=True),
        Column(key="rest", title="the rest gains", is_figure=True, has_interval=True, unit=Unit.SHARE, is_detail=True,
               help="By what a change of the calls does to the code around them; a dash where that is not sure."),
        Column(key="predicted", title="predicted", is_figure=True, has_interval=True, unit=Unit.SHARE),
        Column(key="measured", title="measured", is_figure=True, has_interval=True, unit=Unit.SHARE),
    )  # fmt: skip
    rows = tuple(Row(cells=keyed(columns, _trial_cells(trial))) for trial in advice.trials)
    return Table(key="trials", title="Before and after, of the step", columns=columns, rows=rows)


def advice_page(advice: Advice, *, started_at: str, machine: str) -> Page:
    """Return the page of an advice."""
    tables = tuple(table for table in (layers_table(advice), trials_table(advice), options_table(advice)) if table.rows)
    lines = advised_lines(advice)
    sections = (
        Section(key="change", title="What to change", lists=(lines,) if advice.is_worthwhile and lines else ()),
        *(Section(key=table.key, title=table.title, tables=(table,)) for table in tables),
        Section(key="notes", title="Notes", words=notes(advice)),
    )
    return Page(
        key=f"advice-{started_at}",
        title="Is pooling the bottleneck?",
        subtitle=title(advice),
        started_at=started_at,
        machine=machine,
        answer=answer(advice),
        lead=None,
        sections=tuple(section for section in sections if not section.is_empty),
        warnings=(advice.problem,) if advice.problem else (),
    )


def share_value(share: Share | None) -> Value:
    """Return a cell with a share of the step; a dash where there is none."""
    if share is None:
        return words(NONE)
    return Value(text=share_text(share), number=share.value, low=share.low, high=share.high)


def _layer_cells(advice: Advice, layer: LayerAdvice) -> tuple[Value, ...]:
    best = next((option for option in layer.options if option.saving is not None), None)
    return (
        words(layer.name),
        words(layer.function),
        counted_value(layer.calls),
        share_value(layer.share),
        words(NONE if best is None else best.change.text),
        share_value(None if best is None else best.saving),
        words("yes" if advice.is_worthwhile and layer.change is not None else "no"),
        words(" ".join(layer.workloads)),
    )


def _trial_cells(trial: Trial) -> tuple[Value, ...]:
    return (
        words(trial.what),
        share_value(trial.calls),
        share_value(trial.rest),
        share_value(trial.predicted),
        share_value(trial.measured),
    )


def _size(share: Share) -> Share:
    """Return a gain, or a loss as a positive share."""
    return share if share.value >= 0 else Share(value=-share.value, low=-share.high, high=-share.low)


def _layers(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
