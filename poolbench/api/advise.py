"""``poolbench.advise``, which ``poolbench/__init__.py`` documents, and what the command of that name does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from poolbench.analyse.explain.advice import (
    LEAST_SAVING,
    Launch,
    Site,
    is_narrow,
    layers,
    measured,
    pooling_share,
    predicted,
    step_time,
)
from poolbench.api.capture import PASSES, capture_target
from poolbench.api.request import default_limits
from poolbench.errors import UnknownNameError, UsageError
from poolbench.measure.cores import usable_cores
from poolbench.measure.machine import fingerprint
from poolbench.model.advice import Advice, Change, LayerAdvice, Trial
from poolbench.model.capture import Capture
from poolbench.model.workload import Pass
from poolbench.observe.advising import ModelProcess, model_process
from poolbench.quantities import listed
from poolbench.store.lock import machine_lock

DEFAULT_BUDGET_S = 60.0
DTYPES = {"bf16": Change.BF16, "f16": Change.F16}
ALWAYS = (Change.STRIDED, Change.CHANNELS_LAST, Change.CHANNELS_FIRST)
ADVISED = "the advised layers"
WHOLE_MODEL = "the whole model in channels_last"

_FIRST_ROUND, _SECOND_ROUND = 0.5, 0.35
"""Of the budget: for the layers, and for the change of the model."""

Tell = Callable[[str], None]


def advise(
    target: str,
    inputs: Sequence[str],
    *,
    pass_: Pass | str = Pass.FORWARD,
    allow_dtypes: Sequence[str] = (),
    compile: bool = False,
    attempt: str = "",
    device: str = "",
    threads: int = 1,
    budget_s: float = DEFAULT_BUDGET_S,
    timeout_s: float | None = None,
    tell: Tell = lambda text: None,
) -> Advice:
    """Return what the pooling of ``target`` costs, what to change, and what the change brought.

    ``attempt`` names a change that is tried on the whole model wherever it applies, whatever is advised. ``tell`` gets
    a word on each stage.
    """
    wanted = _changes(allow_dtypes, compile=compile)
    if attempt and attempt not in wanted:
        raise UnknownNameError("change to try", attempt, [change.value for change in wanted])
    if threads < 1 or threads > usable_cores():
        raise UsageError(f"There are {usable_cores()} cores here: give --threads a number from 1 to that.")
    if pass_ not in PASSES:
        raise UsageError(f"A model is run for the pass {PASSES[0]} or {PASSES[1]}, not for {pass_}.")
    chosen = Pass(pass_)
    tell("watching a step")
    seen = capture_target(target, inputs, pass_=chosen, device=device, timeout_s=timeout_s)
    if device and device != "cpu":
        raise UsageError(f"Advice is for the CPU, where poolbench measures, and not for {device}: leave --device out.")
    advice = Advice(
        target=target,
        framework=seen.framework,
        version=seen.version,
        pass_=chosen,
        inputs=seen.inputs,
        threads=threads,
        notes=seen.notes,
        problem=seen.problem,
    )
    if not seen.calls or seen.problem:
        return advice
    if seen.framework != "torch":
        return replace(advice, notes=(*advice.notes, _only_torch(seen)))
    limits = default_limits(fingerprint().hardware, request_s=timeout_s)
    with (
        machine_lock("poolbench advise"),
        model_process(target, inputs, chosen, threads=threads, limits=limits) as process,
    ):
        return _advised(advice, seen, process, wanted, Change(attempt) if attempt else None, budget_s, tell)


def _changes(allow_dtypes: Sequence[str], *, compile: bool) -> tuple[Change, ...]:
    for name in allow_dtypes:
        if name not in DTYPES:
            raise UnknownNameError("type to allow", name, DTYPES)
    return (*ALWAYS, *((Change.COMPILE,) if compile else ()), *(DTYPES[name] for name in allow_dtypes))


def _only_torch(seen: Capture) -> str:
    return (
        f"Steps of {seen.framework} are not timed here, nor is their pooling changed: write the calls down with "
        "'poolbench capture … --output mine.txt', and 'poolbench compare -w mine.txt' compares each with what else "
        "could compute it."
    )


def _advised(
    advice: Advice,
    seen: Capture,
    process: ModelProcess,
    wanted: Sequence[Change],
    attempt: Change | None,
    budget_s: float,
    tell: Tell,
) -> Advice:
    tell("timing the pooling layers where they stand")
    first = process.round("steps", _FIRST_ROUND * budget_s, changes=[change.value for change in wanted])
    launches = [Launch(reply["blocks"]) for reply in first.replies if reply["sites"] == first.replies[0]["sites"]]
    if not launches:
        return replace(advice, problem=first.problem)
    sites: Sequence[Site] = first.replies[0]["sites"]
    if not sites:
        return replace(advice, notes=(*advice.notes, _unseen(seen)))
    found = layers(launches, sites, _ids(seen))
    plan = {(layer.layer, layer.function): layer.change for layer in found if layer.change is not None}
    expected = predicted(launches, sites, plan).both if plan else None
    is_worthwhile = expected is not None and expected.low > 0 and expected.value >= LEAST_SAVING
    advice = replace(
        advice,
        step=step_time(launches),
        share=pooling_share(launches),
        layers=found,
        is_worthwhile=is_worthwhile,
        launches=len(launches),
        problem=first.problem,
    )
    trials: list[Trial] = []
    if is_worthwhile or attempt is not None:
        tried = plan if attempt is None else _everywhere(found, attempt)
        what = ADVISED if attempt is None else attempt.text
        tell(f"trying {what} on the whole model")
        trials.append(_trial(process, launches, sites, tried, what, _SECOND_ROUND * budget_s, budget_s))
    if _may_turn(found):
        tell(f"trying {WHOLE_MODEL}")
        share = 1 - _FIRST_ROUND - _SECOND_ROUND if trials else _SECOND_ROUND
        trials.append(_trial(process, launches, sites, {}, WHOLE_MODEL, share * budget_s, 0.0))
    return replace(advice, trials=tuple(trials))


def _trial(
    process: ModelProcess,
    launches: Sequence[Launch],
    sites: Sequence[Site],
    plan: Mapping[tuple[str, str], Change],
    what: str,
    round_s: float,
    extra_s: float,
) -> Trial:
    """Time the whole model with ``plan``, or in another order where that is empty, in processes of their own.

    Where the interval is wide after ``round_s`` seconds, up to ``extra_s`` more are taken.
    """
    if not plan and what != WHOLE_MODEL:
        return Trial(what=what, predicted=None, measured=None, problem="It applies to none of the layers.")
    answers = process.round(
        "trial",
        round_s,
        extra_s=extra_s,
        is_enough=lambda replies: is_narrow(measured([Launch(reply["blocks"]) for reply in replies])),
        plan=[[layer, function, change.value] for (layer, function), change in plan.items()],
        whole=not plan,
    )
    found = measured([Launch(reply["blocks"]) for reply in answers.replies]) if answers.replies else None
    expected = predicted(launches, sites, plan) if plan else None
    return Trial(
        what=what,
        predicted=None if expected is None else expected.both,
        measured=found,
        calls=None if expected is None else expected.calls,
        rest=None if expected is None else expected.rest,
        problem=answers.problem,
    )


def _everywhere(found: Sequence[LayerAdvice], change: Change) -> dict[tuple[str, str], Change]:
    return {
        (layer.layer, layer.function): change
        for layer in found
        if any(option.change is change and option.saving is not None for option in layer.options)
    }


def _may_turn(found: Sequence[LayerAdvice]) -> bool:
    """Whether any layer has images or volumes whose channels are outermost."""
    turning = [option for layer in found for option in layer.options if option.change is Change.CHANNELS_LAST]
    return any(option.saving is not None for option in turning)


def _ids(seen: Capture) -> dict[tuple[str, str], list[str]]:
    ids: dict[tuple[str, str], list[str]] = {}
    for call in seen.calls:
        for place in call.places:
            if call.workload is not None:
                for function in (place.function, f"{place.function}_with_indices"):
                    ids.setdefault((place.layer, function), []).append(call.workload.id)
    return ids


def _unseen(seen: Capture) -> str:
    functions = sorted({place.function for call in seen.calls for place in call.places})
    return (
        f"The pooling of this model ({listed(functions)}) is called without Python, as scripted modules do, so that it "
        "cannot be timed where it stands."
    )
