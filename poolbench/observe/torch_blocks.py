"""Timing a model's step, and its pooling calls where they stand, in turns.

A call is timed in its own place, between the layers around it, so that it finds the caches and the memory that it finds
in the model: the clock runs around the call alone, not around what watches it. In training the clock also runs around
the call's part of the backward pass, from the node of its output to that of its input.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from poolbench.model.advice import AS_IS, PLAIN, Change, unwatched
from poolbench.observe.torch_changes import Changes, changed
from poolbench.observe.torch_sites import Call, Key, visiting
from poolbench.observe.torch_step import Step

SLOT_S = 0.004
"""A slot has as many steps as fill this: shorter ones mostly see the timer."""

WARM_S = 0.5
LONG_S = 0.02
"""A step that takes this long need not be taken once before it is timed: little of it is finding code and memory."""

_LONGEST_CHAIN = 8

Block = dict[str, Any]
"""By variant: of PLAIN the nanoseconds of a step, of the others those of a step's calls at each site."""


class CallClock:
    """Times pooling calls by site while it is active, each as it is or by what ``routes`` has in its place."""

    def __init__(self) -> None:
        self.spent_ns: dict[Key, int] = {}
        self.routes: Mapping[Key, Callable[..., Any]] = {}

    def visit(self, call: Call) -> Any:
        """Make the call and book its time."""
        route = self.routes.get(call.key)
        function, args, kwargs = route or call.function, call.args, call.kwargs
        begin = time.perf_counter_ns()
        output = function(*args, **kwargs)
        spent = time.perf_counter_ns() - begin
        self.spent_ns[call.key] = self.spent_ns.get(call.key, 0) + spent
        self._follow(call, output)
        return output

    def _follow(self, call: Call, output: Any) -> None:
        """Have the call's part of the backward pass timed, if there is to be one."""
        first = (output[0] if isinstance(output, tuple) else output).grad_fn
        if first is None:
            return
        end, last = call.input.grad_fn, first
        for _ in range(_LONGEST_CHAIN):
            nodes = [node for node, _ in last.next_functions if node is not None]
            if len(nodes) != 1 or nodes[0] is end or nodes[0].name().endswith("AccumulateGrad"):
                break
            last = nodes[0]
        began = 0

        def start(*_: Any) -> None:
            nonlocal began
            began = time.perf_counter_ns()

        def stop(*_: Any) -> None:
            self.spent_ns[call.key] += time.perf_counter_ns() - began

        last.register_hook(stop)
        first.register_prehook(start)


def measure_blocks(
    step: Step,
    changes: Mapping[Change, Sequence[Key]],
    functions: Mapping[Key, Any],
    whole: Mapping[Change, Changes],
    seconds: float,
) -> list[Block]:
    """Return blocks in which steps take turns for ``seconds``: plain, timed as they are, timed by each change.

    Plain steps with each of ``whole`` take turns with them: what a change does to the code around the calls shows in
    nothing else. Each comes once forward and once in reverse order in a block. ``functions`` are what the sites call.
    """
    clock = CallClock()
    routes: dict[str, dict[Key, Any]] = {AS_IS: {}}
    for change, keys in changes.items():
        routes[change.value] = {key: changed(change, key[1], functions[key]) for key in keys}
    put_in = {unwatched(change): edits for change, edits in whole.items()}

    def slot(variant: str, count: int) -> Any:
        if variant == PLAIN:
            return time_steps(step.take, count)
        if variant in put_in:
            return time_changed(step, put_in[variant], count)
        clock.spent_ns, clock.routes = {}, routes[variant]
        with visiting(clock.visit):
            for _ in range(count):
                step.take()
        return {key: spent / count for key, spent in clock.spent_ns.items()}

    return in_turns([PLAIN, *routes, *put_in], slot, seconds)


def in_turns(variants: Sequence[str], slot: Callable[[str, int], Any], seconds: float) -> list[Block]:
    """Return blocks of ``variants``, each forward and then in reverse order, until ``seconds`` are over.

    ``slot`` runs a variant for so many steps and returns its figures: a number, or numbers by key. A block has the
    means of its two slots. There are three blocks at least.
    """
    begin = time.perf_counter()
    single_ns = min(_number(slot(variants[0], 1)) for _ in range(3))
    while time.perf_counter() - begin < min(WARM_S, seconds / 4):
        for variant in variants:
            slot(variant, 1)
    count = max(1, round(SLOT_S * 1e9 / max(single_ns, 1)))
    blocks: list[Block] = []
    gc.collect()
    gc.freeze()  # what an import left is no garbage, and looking through it after every block takes long
    gc.disable()
    try:
        while len(blocks) < 3 or time.perf_counter() - begin < seconds:
            there = {variant: slot(variant, count) for variant in variants}
            back = {variant: slot(variant, count) for variant in reversed(variants)}
            blocks.append({variant: _mean(there[variant], back[variant]) for variant in variants})
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    return blocks


def time_changed(step: Step, changes: Changes, count: int) -> float:
    """Return the nanoseconds of a step with ``changes``, which are taken out again."""
    changes.put_in()
    try:
        return time_steps(step.take, count)
    finally:
        changes.take_out()


def time_steps(take: Callable[[], Any], count: int) -> float:
    """Return the nanoseconds of a step. A short one is taken once before: it finds no code and no memory of its own."""
    begin = time.perf_counter_ns()
    take()
    spent = time.perf_counter_ns() - begin
    if count == 1 and spent >= LONG_S * 1e9:
        return spent
    begin = time.perf_counter_ns()
    for _ in range(count):
        take()
    return (time.perf_counter_ns() - begin) / count


def _number(value: Any) -> float:
    return sum(value.values()) if isinstance(value, dict) else value


def _mean(one: Any, other: Any) -> Any:
    if isinstance(one, dict):
        return {key: (one[key] + other.get(key, one[key])) / 2 for key in one}
    return (one + other) / 2
