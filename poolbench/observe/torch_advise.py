"""What a process for advice does: find the sites of a model's pooling, time them, and try changes on the whole."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from poolbench.model.advice import CHANGED, PLAIN, Change
from poolbench.observe.target import first_line
from poolbench.observe.torch_blocks import in_turns, measure_blocks, time_changed, time_steps
from poolbench.observe.torch_changes import Changes, calling_code, changed, pooling_module, refusal
from poolbench.observe.torch_check import difference
from poolbench.observe.torch_sites import Call, Key, visiting
from poolbench.observe.torch_step import Step

_INEXACT = {Change.BF16: 0.05, Change.F16: 0.01}
"""What a smaller type may make of the values, as a share of the largest: its own rounding, which the user asked for."""


def steps(step: Step, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sites of a step's pooling, and blocks of times for ``seconds``."""
    wanted = [Change(name) for name in request["changes"]]
    found = examine(step, wanted)
    changes = {change: [key for key in found.calls if (key, change) not in found.reasons] for change in wanted}
    changes = {change: keys for change, keys in changes.items() if keys}
    whole = {
        change: Changes(step.model, [(key, change) for key in keys], found.callers) for change, keys in changes.items()
    }
    blocks = measure_blocks(step, changes, found.functions, whole, request["seconds"])
    number = {key: index for index, key in enumerate(found.calls)}
    return {
        "sites": [
            {
                "layer": layer,
                "function": function,
                "calls": calls,
                "is_module": pooling_module(step.model, layer) is not None,
                "refusals": {change.value: found.reasons.get(((layer, function), change), "") for change in wanted},
            }
            for (layer, function), calls in found.calls.items()
        ],
        "blocks": [_numbered(block, number) for block in blocks],
    }


def trial(step: Step, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return blocks of times of the plain step and the step with ``plan``, or in channels_last where that is asked."""
    seconds = request["seconds"]
    if request["whole"]:
        return {"blocks": _in_another_order(step, seconds)}
    plan = [((layer, function), Change(change)) for layer, function, change in request["plan"]]
    changes = Changes(step.model, plan, examine(step, ()).callers)

    def slot(variant: str, count: int) -> float:
        return time_steps(step.take, count) if variant == PLAIN else time_changed(step, changes, count)

    return {"blocks": in_turns([PLAIN, CHANGED], slot, seconds)}


def _in_another_order(step: Step, seconds: float) -> list[Any]:
    """Time the step beside one of a copy of the model in channels_last."""
    other = copy.deepcopy(step)
    other.in_channels_last()

    def slot(variant: str, count: int) -> float:
        return time_steps((step if variant == PLAIN else other).take, count)

    return in_turns([PLAIN, CHANGED], slot, seconds)


@dataclass(slots=True)
class Sites:
    """A model's sites, in order: what they call, how often a step comes by, from which code, and what cannot be."""

    functions: dict[Key, Any] = field(default_factory=dict)
    calls: Counter[Key] = field(default_factory=Counter)
    callers: dict[Key, CodeType] = field(default_factory=dict)
    reasons: dict[tuple[Key, Change], str] = field(default_factory=dict)


def examine(step: Step, wanted: Sequence[Change]) -> Sites:
    """Take a step and try each change at each of its sites: outputs have to be the same, and gradients in training."""
    import torch

    found = Sites()

    def visit(call: Call) -> Any:
        found.calls[call.key] += 1
        found.functions[call.key] = call.function
        found.callers[call.key] = calling_code()
        for change in wanted:
            if (call.key, change) not in found.reasons:
                why = _difference(call, change, is_training=step.is_training)
                if why:
                    found.reasons[(call.key, change)] = why
        return call.run()

    with torch.compiler.set_stance("force_eager"), visiting(visit):
        step.take()
    return found


def _difference(call: Call, change: Change, *, is_training: bool) -> str:
    try:
        why = refusal(change, call)
        function = None if why else changed(change, call.name, call.function)
    except Exception as error:  # a compiler may raise anything
        return f"It cannot be made ({first_line(error)})."
    if function is None:
        return why
    return difference(
        call,
        function,
        _INEXACT.get(change),
        with_gradient=is_training,
        is_rounded=change in _INEXACT,
    )


def _numbered(block: Mapping[str, Any], number: Mapping[Key, int]) -> dict[str, Any]:
    """Return a block whose sites are numbers, which JSON takes as keys."""
    return {
        variant: {str(number[key]): spent for key, spent in value.items()} if isinstance(value, dict) else value
        for variant, value in block.items()
    }
