"""What pooling buys and costs, as tables and sentences."""

from __future__ import annotations

from poolbench.model.effects import Accuracy, Alternative, Choice, Effects, LayerEffects, StepCosts
from poolbench.model.estimate import Estimate
from poolbench.quantities import count_text, listed, percent, significant, size_text, time_text
from poolbench.report.table import (
    BLANK,
    NONE,
    Column,
    Row,
    Table,
    Unit,
    Value,
    exact,
    explained,
    keyed,
    size_value,
    time_value,
    words,
)

NAMES = {
    Alternative.MAX: "maximum",
    Alternative.AVERAGE: "average",
    Alternative.CONVOLUTION: "strided convolution",
    Alternative.BLUR: "blur, then subsampling",
    Alternative.MAX_BLUR: "maximum, blur, then subsampling",
    Alternative.NONE: "none",
}
"""How a reader sees each alternative called."""


def layer_title(layer: LayerEffects) -> str:
    """Return the layer's place and id: "pool1, max2d-n1c64-h112w112-k2-f32-nchw"."""
    name = layer.layer or layer.workload.origin.name
    return f"{name}, {layer.workload.id}" if name and name != layer.workload.id else layer.workload.id


def layer_table(layer: LayerEffects, *, number: int = 1) -> Table:
    """Return a row for each alternative in a layer's place, the layer itself in bold."""
    columns = _columns(layer)
    rows = tuple(
        Row(cells=keyed(columns, _cells(choice)), role="fastest" if choice.is_layer else "", reason=choice.reason)
        for choice in layer.choices
    )
    return Table(key=f"layer-{number}", title=layer_title(layer), columns=columns, rows=rows)


def _columns(layer: LayerEffects) -> tuple[Column, ...]:
    half = "Half the 95 % interval, over launches."
    return (
        Column(key="alternative", title="in its place"),
        Column(key="time", title="time", is_figure=True, has_interval=True, unit=Unit.NANOSECONDS,
               help="Of the layer's own forward call, on the array as it lies.", spread_help=half),
        Column(key="with_next", title="and the next", is_figure=True, has_interval=True, unit=Unit.NANOSECONDS,
               help=f"With {layer.next_layer} behind it."),
        Column(key="requested", title="requested", is_figure=True, unit=Unit.BYTES,
               help="The peak of what the layer's calls request of the allocators."),
        Column(key="operations", title="operations", is_figure=True, unit=Unit.COUNT,
               help="Multiplications, additions and comparisons of the layer."),
        Column(key="weights", title="weights", is_figure=True, unit=Unit.COUNT, help="What is trained in the layer."),
        Column(key="lost", title="lost", is_figure=True, unit=Unit.SHARE,
               help="The share of the input's variance that the best linear upsampling cannot bring back."),
        Column(key="changed", title="changed", is_figure=True, unit=Unit.SHARE,
               help="How far the output moves when the input is shifted by one element; 100 % is an unrelated output."),
        Column(key="unsteady", title="unsteady", is_figure=True, unit=Unit.SHARE,
               help="The share of the shifted output that does not follow linearly from the output before."),
        Column(key="accuracy", title="digits", is_figure=True, has_interval=True, unit=Unit.SHARE,
               help="Accuracy of the small classifier with this in its place, ± half the 95 % interval over seeds."),
        Column(key="shifted", title="shifted", is_figure=True, has_interval=True, unit=Unit.SHARE,
               help="The same on images shifted by one pixel."),
    )  # fmt: skip


def _cells(choice: Choice) -> tuple[Value, ...]:
    known = choice.information
    return (
        words(NAMES[choice.alternative], is_strong=choice.is_layer),
        _time(choice.time),
        _time(choice.with_next),
        size_value(choice.requested_bytes),
        _count(choice.operations) if choice.alternative is not Alternative.NONE or not choice.reason else BLANK,
        _count(choice.weights) if choice.weights else words(NONE),
        *(_share(value) for value in ((known.lost, known.changed, known.unsteady) if known else (None,) * 3)),
        _accuracy(None if choice.accuracy is None else choice.accuracy.plain),
        _accuracy(None if choice.accuracy is None else choice.accuracy.shifted),
    )


def accuracy_table(found: Effects) -> Table | None:
    """Return the classifier's rows; None where it was not trained."""
    if not found.accuracies:
        return None
    seeds = found.accuracies[0][1].seeds
    columns = (
        Column(key="alternative", title="as its pooling"),
        *(
            Column(key=key, title=title, is_figure=True, has_interval=True, unit=Unit.SHARE, help=text)
            for key, title, text in (
                ("plain", "right", f"The share of right answers: the mean of {seeds} seeds, ± half its 95 % interval."),
                ("shifted", "right, shifted", "On images shifted by one pixel, in eight directions."),
                ("steady", "steady", "The share of shifted images whose answer stays what it was."),
            )
        ),
    )
    rows = tuple(
        Row(cells=keyed(columns, (words(NAMES[alternative]), *map(_accuracy, _shares(accuracy)))))
        for alternative, accuracy in found.accuracies
    )
    return Table(key="classifier", title="A small classifier of digits", columns=columns, rows=rows)


def kinds_table(found: StepCosts) -> Table:
    """Return a row for each kind of layer, the longest first."""
    columns = (
        Column(key="kind", title="kind of layer"),
        Column(key="time", title="time", is_figure=True, has_interval=True, unit=Unit.NANOSECONDS,
               help=f"Of one step under the profiler: the centre of {found.rounds} rounds.",
               spread_help="Half the 95 % interval, over rounds."),
        Column(key="share", title="share", is_figure=True, unit=Unit.SHARE, help="Of the profiled step."),
        Column(key="bytes", title="requested", is_figure=True, unit=Unit.BYTES,
               help="What the operators request of the allocator in a step, all together."),
    )  # fmt: skip
    rows = tuple(
        Row(
            cells=keyed(
                columns,
                (words(cost.kind), time_value(cost.time), _share(cost.share), size_value(cost.bytes or None)),
            )
        )
        for cost in sorted(found.kinds, key=lambda cost: -cost.share)
    )
    return Table(key="kinds", title=kinds_title(found), columns=columns, rows=rows)


def kinds_title(found: StepCosts) -> str:
    """Return what was profiled: "models:VGG, training, 8x3x224x224, torch 2.13.0"."""
    return ", ".join((found.target, found.pass_.value, *found.inputs, f"torch {found.version}"))


def kinds_text(found: StepCosts) -> str:
    """Say how far the profiler's sum is from the step's own time."""
    return (
        f"A step takes {time_text(found.step.value)}, and {time_text(found.profiled.value)} under the profiler, which "
        f"slows it by {percent(found.profiled.value / found.step.value - 1)}; both took turns. Its operators add up to "
        f"{percent(found.covered)} of that step: the rest is Python, the dispatcher and the profiler itself."
    )


def legend(table: Table) -> str:
    """Say what the columns of a table mean."""
    return " ".join(explained(column.title, column.help) for column in table.shown if column.help)


def saving_text(layer: LayerEffects) -> str:
    """Say what is less behind the layer."""
    saving = layer.saving
    if saving is None:
        return ""
    if not (saving.activations or saving.operations):
        return f"The layer saves nothing {saving.scope}."
    parts = []
    if saving.activations:
        parts.append(f"{count_text(saving.activations)} activations ({size_text(saving.bytes)})")
    if saving.operations:
        parts.append(f"{count_text(saving.operations)} operations")
    return f"The layer saves {listed(parts)} {saving.scope}."


def buys_text(layer: LayerEffects) -> str:
    """Say in a sentence what the layer buys in time, where that was measured."""
    itself = next((choice for choice in layer.choices if choice.is_layer), None)
    none = layer.choice(Alternative.NONE)
    if itself is None or none is None or itself.with_next is None or none.with_next is None:
        return ""
    one, other = itself.with_next, none.with_next
    said = (
        f"The layer and {layer.next_layer} take {time_value(one).full} with the {NAMES[itself.alternative]}, and "
        f"{time_value(other).full} without it"
    )
    if one.high < other.low:
        return f"{said}: left out, that takes {significant(other.value / one.value)} times as long."
    if other.high < one.low:
        return f"{said}: in time the layer buys nothing here."
    return f"{said}: whether the layer buys time here cannot be told."


def reasons(layer: LayerEffects) -> tuple[str, ...]:
    """Return why an alternative has no figures, and the layer's notes."""
    said: dict[str, list[str]] = {}
    for choice in layer.choices:
        if choice.reason:
            said.setdefault(choice.reason, []).append(NAMES[choice.alternative])
    return (*(f"{'; '.join(names).capitalize()}: {reason}" for reason, names in said.items()), *layer.notes)


def answer(found: Effects) -> tuple[str, ...]:
    """Return the first sentences of a page: what each of the first layers buys."""
    said = [(layer.layer or layer.workload.name, text) for layer in found.layers[:3] if (text := buys_text(layer))]
    return tuple(text if len(found.layers) == 1 else f"{name}: {text}" for name, text in said)


def _shares(accuracy: Accuracy) -> tuple[Estimate, Estimate, Estimate]:
    return accuracy.plain, accuracy.shifted, accuracy.steady


def _time(found: Estimate | None) -> Value:
    return words(NONE) if found is None else time_value(found)


def _count(number: int) -> Value:
    return exact(count_text(number), number)


def _share(value: float | None) -> Value:
    return words(NONE) if value is None else exact(percent(round(value, 4)), value)


def _accuracy(found: Estimate | None) -> Value:
    if found is None:
        return BLANK
    half = (found.high - found.low) / 2
    return Value(
        text=f"{100 * found.value:.1f} %", spread=f"±{100 * half:.1f}", number=found.value, low=found.low,
        high=found.high,
    )  # fmt: skip
