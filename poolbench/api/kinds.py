"""``poolbench effects --layers``: what each kind of layer takes of a model's step."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from poolbench.analyse.estimate.location import locate
from poolbench.api.request import default_limits
from poolbench.errors import UsageError
from poolbench.measure.machine import fingerprint
from poolbench.model.effects import KindCost, LayerKind, StepCosts
from poolbench.model.estimate import Estimate
from poolbench.model.verdict import Policy
from poolbench.model.workload import Pass
from poolbench.observe.effects.process import apart
from poolbench.observe.effects.server import KINDS
from poolbench.observe.inputs import parse_input
from poolbench.observe.target import parse_target
from poolbench.store.lock import machine_lock

LAYERS_BUDGET_S = 20.0
"""The seconds for which a model's step is profiled."""


def step_costs(
    target: str,
    inputs: Sequence[str],
    *,
    pass_: Pass = Pass.FORWARD,
    framework: str = "",
    budget_s: float = LAYERS_BUDGET_S,
    timeout_s: float | None = None,
) -> StepCosts:
    """Return what each kind of layer takes of a PyTorch model's step, on one thread, in a process of its own.

    The step takes turns with and without PyTorch's profiler for ``budget_s`` seconds. Raises UsageError for what
    cannot be carried out as written or fails, CaptureError where the process ends.
    """
    if pass_ not in (Pass.FORWARD, Pass.TRAINING):
        raise UsageError(f"A model is run for the pass {Pass.FORWARD} or {Pass.TRAINING}, not for {pass_}.")
    limits = default_limits(fingerprint().hardware, request_s=timeout_s)
    with machine_lock(f"effects --layers {target}"), apart(KINDS, target, limits) as process:
        reply = process.ask(
            "effects",
            target=str(parse_target(target)),
            inputs=[str(parse_input(text)) for text in inputs],
            framework=framework,
            budget_s=budget_s,
            **{"pass": pass_.value},
        )
    return costs_by_kind(reply["rounds"], target=target, pass_=pass_, inputs=inputs, version=reply["version"])


def costs_by_kind(
    rounds: Sequence[Mapping[str, Any]], *, target: str, pass_: Pass, inputs: Sequence[str], version: str
) -> StepCosts:
    """Return medians over rounds, with their intervals; what no operator took stands beside the kinds."""
    profiled = [float(each["profiled"]) for each in rounds]
    covered = [sum(each["times"].values()) for each in rounds]
    kinds = []
    for kind in LayerKind:
        if kind is LayerKind.BETWEEN:
            times = [max(whole - part, 0.0) for whole, part in zip(profiled, covered, strict=True)]
            size = 0
        else:
            times = [float(each["times"].get(kind, 0)) for each in rounds]
            size = int(statistics.median(each["bytes"].get(kind, 0) for each in rounds))
        if any(times):
            share = statistics.median(time / whole for time, whole in zip(times, profiled, strict=True))
            kinds.append(KindCost(kind=kind, time=_centre(times), share=share, bytes=size))
    return StepCosts(
        target=target,
        pass_=pass_,
        inputs=tuple(inputs),
        version=version,
        kinds=tuple(kinds),
        step=_centre([float(each["plain"]) for each in rounds]),
        profiled=_centre(profiled),
        covered=statistics.median(part / whole for part, whole in zip(covered, profiled, strict=True)),
        rounds=len(rounds),
    )


def _centre(times: Sequence[float]) -> Estimate:
    """Return the robust centre of times with its interval, as of those of launches."""
    found = locate([math.log(max(time, 1.0)) for time in times], Policy().confidence)
    high = math.exp(min(found.high, 700.0)) if math.isfinite(found.high) else math.inf
    return Estimate(value=math.exp(found.centre), low=math.exp(found.low), high=high)
