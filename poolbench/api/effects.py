"""``poolbench effects``: layers, their alternatives, one run that times them all, and what they do to signals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from poolbench.analyse.compare.stopping import BudgetRule
from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.findings import Cell
from poolbench.api.capture import capture_target
from poolbench.api.request import Request, choose_subjects, default_limits
from poolbench.api.run import Tell, new_run, silent
from poolbench.catalogue.select import choose
from poolbench.errors import CaptureError, UsageError
from poolbench.measure.machine import fingerprint
from poolbench.measure.session import Observer
from poolbench.model.effects import (
    Accuracy,
    Alternative,
    Choice,
    Effects,
    Information,
    LayerEffects,
    Saving,
)
from poolbench.model.estimate import Estimate
from poolbench.model.method import LayoutPolicy, Method
from poolbench.model.plan import StoppingRule
from poolbench.model.result import ResultRow, RunHeader, Status
from poolbench.model.verdict import Policy
from poolbench.model.workload import Pass, Workload
from poolbench.observe.effects.measures import information
from poolbench.observe.effects.process import apart
from poolbench.observe.effects.replacements import (
    DENSE,
    DEPTHWISE,
    Part,
    Replacement,
    is_single,
    next_layer,
    replacements,
    saving_ahead,
)
from poolbench.observe.effects.server import WITHOUT
from poolbench.quantities import counted

SECONDS_PER_CALL = 3.0
"""What each call gets of a run's budget where none is asked for."""

LEAST_BUDGET_S = 40.0
"""The importing of the frameworks, twice, takes some of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectsPlan:
    """A ``Plan``: the calls of all alternatives take turns, without the limit, until the budget is used up."""

    has_limit: bool = False
    is_apart: bool = False
    circles: tuple[tuple[str, ...], ...] = ()

    def rule(self, header: RunHeader, stored: Sequence[ResultRow]) -> StoppingRule:
        """Return the rule of ``compare``."""
        return BudgetRule(
            workloads=[workload.id for workload in header.workloads],
            subjects=list(map(str, header.subjects)),
            budget_s=header.budget_s,
            policy=Policy(),
            rejection=header.method.rejection,
            stored=stored,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A pooling layer, and where it stands in a model; ``saving`` is None where that was not counted."""

    workload: Workload
    layer: str = ""
    count: int = 1
    saving: Saving | None = None
    notes: tuple[str, ...] = ()


def require_subjects(subject: str) -> None:
    """Raise UsageError where ``subject`` is none, MissingFrameworkError where it or PyTorch is not installed."""
    choose_subjects((subject, DENSE, DEPTHWISE))


def places_of(selectors: Sequence[str]) -> tuple[Place, ...]:
    """Return the layers that ids, names, sets or files name. Raises UsageError for a training pass."""
    choice = choose(selectors)
    for workload in choice.workloads:
        if workload.pass_.is_training:
            raise UsageError(f"effects times forward passes: name {workload.id.partition('.train')[0]} instead.")
    return tuple(
        Place(workload=workload, layer=workload.origin.layer, saving=saving_ahead(workload))
        for workload in choice.workloads
    )


def places_in(
    target: str, inputs: Sequence[str], *, framework: str = "", timeout_s: float | None = None
) -> tuple[tuple[Place, ...], tuple[str, ...]]:
    """Return the pooling layers of a model, equal ones once, and notes on what was left out.

    Raises UsageError for a model that pools nowhere, and what ``capture_target`` raises.
    """
    found = capture_target(target, inputs, pass_=Pass.FORWARD, framework=framework, timeout_s=timeout_s)
    if found.problem:
        raise CaptureError(found.problem)
    places, notes = [], list(found.notes)
    counted_ones, why = _savings(target, inputs, framework, timeout_s)
    if why:
        notes.append(f"What the layers save is told of the next layer alone, by arithmetic. {why}")
    for call in found.calls:
        layers = tuple(dict.fromkeys(place.layer for place in call.places if place.layer))
        if call.workload is None or call.reason:
            notes.append(f"{call.name} is left out. {call.reason}")
            continue
        places.append(
            Place(
                workload=call.workload,
                layer=layers[0] if layers else call.name,
                count=call.count,
                saving=_saving(call.workload, counted_ones),
                notes=(f"It stands for {counted(len(layers), 'layer')}.",) if len(layers) > 1 else (),
            )
        )
    if not places:
        reason = f" {notes[-1]}" if notes else ""
        raise UsageError(f"{target} makes no pooling call that could be measured, so there is nothing to tell.{reason}")
    return tuple(places), tuple(notes)


def _saving(workload: Workload, counted_ones: Mapping[str, Saving]) -> Saving:
    """Return what was counted; a global layer cannot be left out, so for that one what a dense layer would take."""
    return saving_ahead(workload) if is_single(workload) else counted_ones.get(workload.id, saving_ahead(workload))


def _savings(
    target: str, inputs: Sequence[str], framework: str, timeout_s: float | None
) -> tuple[dict[str, Saving], str]:
    """Return what the first layer of each workload saves in a model, by id; or why that was not counted."""
    limits = default_limits(fingerprint().hardware, request_s=timeout_s)
    with apart(WITHOUT, target, limits) as process:
        reply = process.ask("effects", target=target, inputs=list(inputs), framework=framework)
    found: dict[str, Saving] = {}
    for identity, _, saving in reply.get("savings", ()):
        found.setdefault(identity, Saving(**saving))
    return found, str(reply.get("why", ""))


def effects(
    title: str,
    places: Sequence[Place],
    *,
    subject: str = "torch",
    budget_s: float,
    memory: bool = True,
    results: Path,
    classifier: Mapping[Alternative, Accuracy] | None = None,
    notes: Sequence[str] = (),
    observer: Observer | None = None,
    tell: Tell = silent,
) -> Effects:
    """Return what each of ``places`` buys and costs beside its alternatives.

    ``subject`` computes maxima and averages; the convolutions are PyTorch's. Everything that is timed stands in one
    run, in which the calls take turns. Raises MissingFrameworkError without PyTorch, and what a run raises.
    """
    planned = [(place, replacements(place.workload, subject)) for place in places]
    parts = _all_parts(choices for _, choices in planned)
    subjects, _ = choose_subjects(list(dict.fromkeys((subject, *(part.subject for part in parts)))))
    workloads = tuple(dict.fromkeys(part.workload for part in parts))
    request = Request(
        subjects=subjects,
        workloads=workloads,
        method=Method(memory=memory, layout=LayoutPolicy.GIVEN, limits=default_limits(fingerprint().hardware)),
        budget_s=budget_s,
        results_dir=results,
        plan=EffectsPlan(),
    )
    with new_run(request, observer=observer, tell=tell) as run:
        rows = [row for group in run.measure() for row in group]
        summary = summarise(run.header, rows)
        path = str(run.path)
    cells = {(str(cell.subject), found.id): cell for found in summary.workloads for cell in found.cells}
    known = dict(classifier or {})
    hardware = summary.header.machine.hardware
    return Effects(
        title=title,
        layers=tuple(_layer(place, choices, cells, known) for place, choices in planned),
        accuracies=tuple(known.items()),
        run=path,
        started_at=summary.header.started_at,
        machine=summary.header.machine.key,
        processor=hardware.processor or hardware.architecture,
        notes=tuple(notes),
    )


def budget_s(places: Sequence[Place], subject: str, asked_s: float | None = None) -> float:
    """Return the seconds of a run of ``places``, those ``asked_s`` for or else so many for each call."""
    if asked_s is not None:
        return asked_s
    parts = _all_parts(replacements(place.workload, subject) for place in places)
    return max(LEAST_BUDGET_S, SECONDS_PER_CALL * len({part.workload for part in parts}))


def _all_parts(planned: Iterable[Sequence[Replacement]]) -> list[Part]:
    """Return every call once."""
    return list(dict.fromkeys(part for choices in planned for choice in choices for part in _parts_of(choice)))


Cells = Mapping[tuple[str, str], Cell]


def _parts_of(choice: Replacement) -> tuple[Part, ...]:
    return choice.parts if choice.next_part is None else (*choice.parts, choice.next_part)


def _layer(
    place: Place, choices: Sequence[Replacement], cells: Cells, accuracies: Mapping[Alternative, Accuracy]
) -> LayerEffects:
    return LayerEffects(
        workload=place.workload,
        layer=place.layer,
        count=place.count,
        choices=tuple(_choice(place.workload, choice, cells, accuracies) for choice in choices),
        next_layer=next_layer(place.workload),
        saving=place.saving,
        notes=place.notes,
    )


def _choice(
    workload: Workload, planned: Replacement, cells: Cells, accuracies: Mapping[Alternative, Accuracy]
) -> Choice:
    if planned.reason:
        return Choice(alternative=planned.alternative, is_layer=planned.is_layer, operations=0, reason=planned.reason)
    reasons = [reason for part in _parts_of(planned) if (reason := _problem(part, cells))]
    times = [_time(part, cells) for part in planned.parts]
    behind = None if planned.next_part is None else _time(planned.next_part, cells)
    own = _sum(times)
    return Choice(
        alternative=planned.alternative,
        is_layer=planned.is_layer,
        operations=planned.operations,
        weights=planned.weights,
        time=own if planned.parts else None,
        requested_bytes=_requested(planned.parts, cells),
        with_next=_sum([*times, behind]),
        information=_information(workload, planned.alternative),
        accuracy=accuracies.get(planned.alternative),
        reason=" ".join(dict.fromkeys(reasons)),
    )


def _problem(part: Part, cells: Cells) -> str:
    cell = cells.get((part.subject, part.workload.id))
    if cell is None:
        return f"The budget was used up before {part.subject} was measured on {part.workload.id}."
    if cell.status is not Status.OK:
        return cell.note
    return "" if cell.timing is not None else f"{part.subject} had no clean slot on {part.workload.id}."


def _time(part: Part, cells: Cells) -> Estimate | None:
    cell = cells.get((part.subject, part.workload.id))
    if cell is None or cell.timing is None:
        return None
    return Estimate(value=cell.timing.median_ns, low=cell.timing.low_ns, high=cell.timing.high_ns)


def _sum(times: Sequence[Estimate | None]) -> Estimate | None:
    """Return the sum of times; its interval has the sums of the ends, which is wider than it need be."""
    known = [time for time in times if time is not None]
    if not known or len(known) < len(times):
        return None
    return Estimate(
        value=sum(time.value for time in known),
        low=sum(time.low for time in known),
        high=sum(time.high for time in known),
    )


def _requested(parts: Sequence[Part], cells: Cells) -> int | None:
    """Return the peak of what the calls request, the outputs of those before still being held."""
    held, peak = 0, 0
    for part in parts:
        cell = cells.get((part.subject, part.workload.id))
        if cell is None or cell.memory is None or cell.memory.requested.bytes is None:
            return None
        peak = max(peak, held + cell.memory.requested.bytes)
        held = cell.memory.output_bytes
    return peak


def _information(workload: Workload, alternative: Alternative) -> Information | None:
    """Return what the alternative does to signals; None of windows that are not alike."""
    if workload.spec.as_windowed(workload.spatial) is None:
        return None
    return information(alternative, workload.spec, workload.spatial)
