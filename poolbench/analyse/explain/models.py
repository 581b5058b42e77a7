"""The pooling index of a model: the time of all its pooling calls, each weighted by how often it is made.

A model's index is a sum of times that were measured one by one, so caches are as each layer alone leaves them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poolbench.analyse.estimate.findings import RunSummary
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.estimate.location import Location, combine, locate
from poolbench.model.estimate import Estimate
from poolbench.model.subject import Subject
from poolbench.model.workload import Pass, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One workload's place in a model: the model's name, and how many such calls one step makes."""

    model: str
    workload: Workload
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIndex:
    """One subject on one model: nanoseconds of all the measured pooling calls of one step, and the ratio to the least.

    ``layers`` counts the measured ones, ``of_layers`` those that the catalogue has; ``calls`` their weights' sum.
    ``ratio`` is 1 for the fastest, with an interval that holds what launches share against each other.
    """

    model: str
    subject: Subject
    time_ns: Estimate
    ratio: Estimate
    workloads: tuple[str, ...]
    layers: int
    of_layers: int
    calls: int
    is_fastest: bool


def model_name(model: str, workload: Workload) -> str:
    """Return what a model is called in the pass of ``workload``: passes are never added up with each other."""
    if workload.pass_ is Pass.FORWARD:
        return model
    sliced = "" if workload.gradient_view.is_contiguous else ", sliced gradient"
    return f"{model} ({workload.pass_}{sliced})"


def model_indices(
    summary: RunSummary, ledger: Ledger, layers: Sequence[Layer], known: Mapping[str, int]
) -> list[ModelIndex]:
    """Return the index of each model and subject, model by model, the fastest first.

    ``layers`` are the run's; ``known`` is the number of layers of each model in the catalogue. A subject counts on a
    model when it takes part in the comparison of each of its measured layers: otherwise its sum would lack a term.
    """
    found: list[ModelIndex] = []
    by_pass: dict[str, list[Layer]] = {}
    for layer in layers:
        by_pass.setdefault(model_name(layer.model, layer.workload), []).append(layer)
    for model, mine in by_pass.items():
        compared = {w.id: {cell.subject for cell in w.cells if cell.is_compared} for w in summary.workloads}
        subjects = set.intersection(*(compared.get(layer.workload.id, set()) for layer in mine))
        sums = {
            subject: _Sum(ledger, mine, subject, summary.policy.confidence)
            for subject in summary.header.subjects
            if subject in subjects
        }
        if not sums:
            continue
        fastest = min(sums, key=lambda subject: sums[subject].log_ns.centre)
        for subject in sorted(sums, key=lambda subject: sums[subject].log_ns.centre):
            found.append(
                ModelIndex(
                    model=model,
                    subject=subject,
                    time_ns=_exponential(sums[subject].log_ns),
                    ratio=Estimate(value=1.0, low=1.0, high=1.0)
                    if subject == fastest
                    else _exponential(sums[subject].against(sums[fastest], summary.policy.confidence)),
                    workloads=tuple(layer.workload.id for layer in mine),
                    layers=len(mine),
                    of_layers=max(known.get(mine[0].model, 0), len(mine)),
                    calls=sum(layer.weight for layer in mine),
                    is_fastest=subject == fastest,
                )
            )
    return found


class _Sum:
    """A weighted sum of times. Its logarithm changes by each term's share of the sum times that term's own."""

    def __init__(self, ledger: Ledger, layers: Sequence[Layer], subject: Subject, confidence: float) -> None:
        parts: list[tuple[Location, list[int]]] = []
        for layer in layers:
            rows = ledger.rows(layer.workload.id, str(subject))
            levels = {r.row.launch: r.level for r in rows if r.level is not None}
            parts.append((locate(list(levels.values()), confidence), list(levels)))
        times = [layer.weight * math.exp(part.centre) for layer, (part, _) in zip(layers, parts, strict=True)]
        total = math.fsum(times)
        self.parts = parts
        self.shares = [time / total for time in times]
        self.log_ns = self._at(combine(parts, self.shares, confidence), math.log(total))

    def against(self, other: _Sum, confidence: float) -> Location:
        """Return the log ratio of this sum to another."""
        weights = [*self.shares, *(-share for share in other.shares)]
        return self._at(
            combine([*self.parts, *other.parts], weights, confidence), self.log_ns.centre - other.log_ns.centre
        )

    @staticmethod
    def _at(location: Location, centre: float) -> Location:
        """Return ``location``, whose interval is right and whose centre is a mean of logarithms, at ``centre``."""
        shift = centre - location.centre
        return Location(
            centre=centre,
            low=location.low + shift,
            high=location.high + shift,
            p_value=location.p_value,
            influence=location.influence,
            allowance=location.allowance,
            degrees=location.degrees,
        )


def _exponential(location: Location) -> Estimate:
    if not math.isfinite(location.high):
        return Estimate(value=math.exp(location.centre), low=0.0, high=math.inf)
    return Estimate(value=math.exp(location.centre), low=math.exp(location.low), high=math.exp(location.high))
