"""From sightings to a capture: equal calls together, named, and with what can measure them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from poolbench.backends import registry
from poolbench.backends.base import Backend
from poolbench.catalogue.tags import derived_tags
from poolbench.model.capture import Capture, CapturedCall, Place
from poolbench.model.ids import parse_id
from poolbench.model.subject import LIMIT
from poolbench.model.workload import Origin, Pass, Workload, pass_text
from poolbench.observe.sighting import Report, Sighting
from poolbench.quantities import listed

REDUCTION_TAG = "reduction"
"""What the catalogue calls a workload whose calls are all means or maxima over all spatial axes."""


def gather(report: Report, *, target: str, pass_: Pass, inputs: Iterable[str] = ()) -> Capture:
    """Return what ``report`` saw of ``target``, equal calls together in the order in which they first came.

    ``target`` is how a user names the model, ``inputs`` are the texts of what it was given.
    """
    support = _Support()
    names = _Names(target)
    calls = tuple(_call(group, support, names) for group in _groups(report))
    return Capture(
        target=target,
        framework=report.framework,
        version=report.version,
        pass_=pass_,
        inputs=tuple(inputs),
        calls=calls,
        notes=tuple(dict.fromkeys(report.notes)),
        problem=report.problem,
    )


@dataclass(slots=True)
class _Group:
    """Sightings of equal calls with their counts."""

    first: Sighting
    sightings: dict[Sighting, int] = field(default_factory=dict)


def _groups(report: Report) -> list[_Group]:
    groups: dict[tuple[object, ...], _Group] = {}
    for seen, count in report.sightings.items():
        key: tuple[object, ...] = (seen.id, seen.pass_, seen.reason)
        if not seen.id:  # nothing but the id tells that shapes and types are equal
            key = (*key, seen.function, seen.shape, seen.dtype)
        group = groups.setdefault(key, _Group(seen))
        group.sightings[seen] = count
    return list(groups.values())


def _call(group: _Group, support: _Support, names: _Names) -> CapturedCall:
    first = group.first
    places = _places(group)
    name = names.new(first)
    workload = None
    reason = first.reason
    if first.id:
        workload = _workload(first, name, places)
        reason = reason or support.refusal(workload)
    return CapturedCall(
        workload=workload,
        name=name,
        pass_=Pass(first.pass_),
        places=places,
        shape=first.shape,
        strides=first.strides,
        gradient_strides=first.gradient_strides,
        dtype=first.dtype,
        device=first.device,
        threads=first.threads,
        reason=reason,
        note=" ".join(dict.fromkeys(seen.note for seen in group.sightings if seen.note)),
    )


def _places(group: _Group) -> tuple[Place, ...]:
    counts: dict[tuple[str, str, bool], int] = {}
    for seen, count in group.sightings.items():
        key = (seen.layer, seen.function, seen.is_reduction)
        counts[key] = counts.get(key, 0) + count
    return tuple(
        Place(layer=layer, function=function, count=count, is_reduction=is_reduction)
        for (layer, function, is_reduction), count in counts.items()
    )


def _workload(first: Sighting, name: str, places: tuple[Place, ...]) -> Workload:
    workload = parse_id(first.id)
    layers = list(dict.fromkeys(place.layer for place in places if place.layer))
    tags = derived_tags(workload)
    if all(place.is_reduction for place in places):
        tags = (*tags, REDUCTION_TAG)
    return replace(
        workload,
        origin=Origin(name=name, model=first.model, layer=listed(layers, 3) if layers else ""),
        tags=tags,
        weight=sum(place.count for place in places),
    )


class _Names:
    """Names for workloads, each given once: the model, the layer's path and the pass."""

    def __init__(self, target: str) -> None:
        self._root = _word(target.rpartition(":")[2].rpartition("/")[2].removesuffix(".onnx")) or "model"
        self._given: set[str] = set()

    def new(self, seen: Sighting) -> str:
        """Return a name for a call that no other has."""
        where = _word(seen.layer) or _word(seen.function)
        base = f"{_word(seen.model) or self._root}.{where}"
        if not re.match(r"[A-Za-z_]", base):
            base = f"model.{base}"
        end = pass_text(Pass(seen.pass_))
        name, number = f"{base}{end}", 1
        while name in self._given:
            number += 1
            name = f"{base}_{number}{end}"
        self._given.add(name)
        return name


def _word(text: str) -> str:
    """Return ``text`` with nothing but what a name of the catalogue may hold."""
    return re.sub(r"[^\w.-]+", "_", text, flags=re.ASCII).strip("._-")


class _Support:
    """Asks the registered backends; a backend that cannot be loaded supports nothing."""

    def __init__(self) -> None:
        infos = registry.describe_all()
        self._backends: list[Backend] = [
            registry.create(info.name)
            for info in infos
            if not info.for_tests and not info.problem and info.name != LIMIT
        ]

    def refusal(self, workload: Workload) -> str:
        """Return "" where some backend computes ``workload``, else a sentence that says why none does."""
        reasons = []
        for backend in self._backends:
            answer = backend.supports(workload)
            if answer.ok:
                return ""
            reasons.append(f"{backend.name}: {answer.reason}")
        return f"No subject computes it. {reasons[0]}" if reasons else "No subject is registered."
