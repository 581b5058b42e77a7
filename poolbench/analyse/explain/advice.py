"""From the times of a model's steps to what its pooling costs and what changes of it save.

Each launch is a process of its own. Its figures are medians over its blocks, and a launch is the unit of the interval,
as in every comparison here (``docs/decisions/0003-interval.md``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from poolbench.analyse.estimate.location import locate
from poolbench.model.advice import AS_IS, CHANGED, PLAIN, Change, LayerAdvice, Option, Share, unwatched
from poolbench.model.estimate import Estimate

LEAST_SAVING = 0.01
"""As a share of the step: what all changes together have to save, surely, for any to be advised."""

NARROW = 0.01
"""Of the step: an interval of this half-width says enough."""

Block = Mapping[str, Any]
Site = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Launch:
    """What one process timed: blocks, each with the nanoseconds of a step by variant, and of its calls by site."""

    blocks: Sequence[Block]


def step_time(launches: Sequence[Launch]) -> Estimate:
    """Return the time of the plain step in nanoseconds."""
    logs = [math.log(float(np.median([block[PLAIN] for block in launch.blocks]))) for launch in launches]
    found = locate(logs)
    return Estimate(
        value=math.exp(found.centre),
        low=math.exp(found.low),
        high=math.exp(found.high) if math.isfinite(found.high) else math.inf,
    )


def layers(
    launches: Sequence[Launch], sites: Sequence[Site], workloads: Mapping[tuple[str, str], Sequence[str]]
) -> tuple[LayerAdvice, ...]:
    """Return what each site costs and could save, the dearest first, with what is advised for it.

    ``workloads`` has the ids of a site's calls by its layer and function.
    """
    found = [_layer(launches, index, site, workloads) for index, site in enumerate(sites)]
    return tuple(sorted(found, key=lambda layer: -layer.share.value))


def pooling_share(launches: Sequence[Launch]) -> Share:
    """Return the share of the step that all its pooling takes."""
    return _share(launches, lambda block: sum(block[AS_IS].values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a plan is to save: by its calls, what the rest of the step gains or loses where that is sure, and both."""

    calls: Share
    rest: Share | None
    both: Share


def predicted(launches: Sequence[Launch], sites: Sequence[Site], plan: Mapping[tuple[str, str], Change]) -> Prediction:
    """Return what ``plan`` is to save.

    The calls' part is the sum over the layers of what their calls took, less what they take then. The rest of the step
    finds other caches behind other calls. What that is shows in plain steps with a change everywhere; of it the plan
    has the part that it has of the change's calls.
    """
    places = {(site["layer"], site["function"]): index for index, site in enumerate(sites)}
    chosen = [(str(places[key]), change.value) for key, change in plan.items() if key in places]
    parts = _parts(launches, sites, [change for _, change in chosen])

    def by_calls(block: Block) -> float:
        return float(sum(block[AS_IS][site] - block[change][site] for site, change in chosen))

    def by_rest(block: Block) -> float:
        return sum(part * _rest(block, change) for change, part in parts.items())

    calls = _share(launches, by_calls)
    rest = _share(launches, by_rest) if parts else None
    if rest is None or rest.low <= 0 <= rest.high:
        return Prediction(calls=calls, rest=None, both=calls)
    return Prediction(calls=calls, rest=rest, both=_share(launches, lambda block: by_calls(block) + by_rest(block)))


def _parts(launches: Sequence[Launch], sites: Sequence[Site], chosen: Sequence[str]) -> dict[str, float]:
    """Return what part of each change's sites is chosen, where the change was taken everywhere in plain steps."""
    return {
        change: chosen.count(change) / sum(not site["refusals"][change] for site in sites)
        for change in set(chosen)
        if all(unwatched(change) in block for launch in launches for block in launch.blocks)
    }


def _rest(block: Block, change: str) -> float:
    """Return what a change everywhere saved of the step beside what it saved of its calls."""
    calls = sum(block[AS_IS][site] - spent for site, spent in block[change].items())
    return float(block[PLAIN] - block[unwatched(change)] - calls)


def measured(launches: Sequence[Launch]) -> Share:
    """Return what a change of the whole model saved of its step."""
    return _share(launches, lambda block: block[PLAIN] - block[CHANGED])


def is_narrow(share: Share) -> bool:
    """Whether an interval is at most ±1 % of the step, or a quarter of what it is of."""
    return share.half_width <= max(NARROW, abs(share.value) / 4)


def _layer(
    launches: Sequence[Launch], index: int, site: Site, workloads: Mapping[tuple[str, str], Sequence[str]]
) -> LayerAdvice:
    place = str(index)
    key = (site["layer"], site["function"])
    options = []
    for name, reason in site["refusals"].items():
        saving = None
        if not reason and all(name in launch.blocks[0] for launch in launches):
            saving = _saving(launches, place, name)
        options.append(Option(change=Change(name), saving=saving, reason=reason))
    options.sort(key=lambda option: -math.inf if option.saving is None else option.saving.value, reverse=True)
    best = options[0] if options else None
    is_sure = best is not None and best.saving is not None and best.saving.low > 0
    return LayerAdvice(
        layer=site["layer"],
        function=site["function"],
        calls=site["calls"],
        is_module=site["is_module"],
        workloads=tuple(workloads.get(key, ())),
        share=_share(launches, lambda block: block[AS_IS][place]),
        options=tuple(options),
        change=best.change if best is not None and is_sure else None,
    )


def _saving(launches: Sequence[Launch], place: str, change: str) -> Share:
    return _share(launches, lambda block: block[AS_IS][place] - block[change][place])


def _share(launches: Sequence[Launch], part: Callable[[Any], float]) -> Share:
    """Return a part of the step's time, each launch's by the median of its blocks."""
    found = locate([float(np.median([part(block) / block[PLAIN] for block in launch.blocks])) for launch in launches])
    return Share(value=found.centre, low=found.low, high=found.high)
