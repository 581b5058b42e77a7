"""Drift of all layers of a model: which calls count, what they are compared with, and what changed around them."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from poolbench.observe.monitor.drift import Cusum, Rule, Shift
from poolbench.observe.monitor.types import Event, EventKind, LayerCall, Surroundings

MOST_INPUTS = 8
"""So many inputs of a layer have a baseline each; the one that was not seen for longest gives way."""

OTHERS_CORES = 0.3
STEAL_CORES = 0.05
SLOWER_CLOCK = 0.95
LOST_SHARE = 1 / 3
"""From which change on the surroundings count as changed: cores that others keep busy or a host takes away, the share
of the frequency that is left, the share of a block's calls that were without a core."""


@dataclass(slots=True)
class _Block:
    """Calls of one input of a layer since the last block: logarithms of times, and what was around each."""

    clean: list[float] = field(default_factory=list)
    disturbed: list[float] = field(default_factory=list)
    around: list[Surroundings] = field(default_factory=list)
    began_ns: int = 0


@dataclass(slots=True)
class _Input:
    """One input of a layer with its baseline. ``usual`` is what was around while the baseline was taken."""

    own: Cusum
    disturbed: Cusum
    block: _Block = field(default_factory=_Block)
    seen: int = 0
    usual: Surroundings | None = None
    first: list[Surroundings] = field(default_factory=list)
    began_ns: int = 0
    suspected: Shift | None = None
    suspected_ns: int = 0


class Detection:
    """Takes calls of any layers, and yields events."""

    def __init__(self, rule: Rule | None = None) -> None:
        self._rule = rule or Rule()
        self._layers: dict[tuple[str, str], OrderedDict[tuple[object, ...], _Input]] = {}
        self._current: dict[tuple[str, str], tuple[object, ...]] = {}
        self.ratios: dict[tuple[str, str], float] = {}
        """The last block's time over the baseline's, by layer and function."""

    def take(self, call: LayerCall, around: Surroundings, now_ns: int | None = None) -> Iterator[Event]:
        """Take in a call and what was around it, at a moment of the monotonic clock (now)."""
        now_ns = time.monotonic_ns() if now_ns is None else now_ns
        layer = (call.layer, call.function)
        key: tuple[object, ...] = (call.workload or (call.shape, call.dtype, call.order), call.threads)
        inputs = self._layers.setdefault(layer, OrderedDict())
        before = self._current.get(layer)
        self._current[layer] = key
        if key not in inputs:
            while len(inputs) >= MOST_INPUTS:
                inputs.popitem(last=False)
            inputs[key] = _Input(Cusum(self._rule), Cusum(self._rule))
            if before is not None:
                yield _event(call, EventKind.CHANGED, None, (_change(before, key, call),))
        inputs.move_to_end(key)
        mine = inputs[key]
        mine.seen += 1
        if mine.seen <= self._rule.warm_up:
            mine.began_ns = now_ns
            return
        block = mine.block
        block.began_ns = block.began_ns or now_ns
        (block.disturbed if call.is_disturbed else block.clean).append(math.log(max(call.elapsed_ns, 1)))
        block.around.append(around)
        if len(block.around) == self._rule.block:
            mine.block = _Block()
            yield from self._close(call, layer, mine, block, now_ns)

    def _close(
        self, call: LayerCall, layer: tuple[str, str], mine: _Input, block: _Block, now_ns: int
    ) -> Iterator[Event]:
        around = _middle(block.around)
        lost = len(block.disturbed) / self._rule.block
        # Calls that were without a core say nothing of the layer, as long as others are left.
        value = median(block.clean) if lost < LOST_SHARE else median([*block.clean, *block.disturbed])
        if not mine.own.has_baseline():
            may_freeze = now_ns - mine.began_ns >= self._rule.baseline_s * 1e9
            mine.first.append(around)
            mine.disturbed.take(value, may_freeze=may_freeze)
            mine.own.take(value, may_freeze=may_freeze)
            if mine.own.has_baseline():
                mine.usual, mine.first = _middle(mine.first), []
            return
        self.ratios[layer] = mine.own.ratio(value)
        why = tuple(_why(mine.usual, around, lost))
        if why:
            shift = mine.disturbed.take(value)
            if shift is not None and not shift.is_back:
                yield _event(call, EventKind.DISTURBED, shift, why)
        else:
            shift = mine.own.take(value)
            if shift is not None and shift.is_back:
                if mine.suspected is None:
                    yield _event(call, EventKind.RECOVERED, shift, ())
                mine.suspected = None  # it is over before it was told
            elif shift is not None:
                mine.suspected, mine.suspected_ns = shift, block.began_ns
        if mine.suspected is not None:
            yield from self._decide(call, mine, block.around[-1], lost)

    def _decide(self, call: LayerCall, mine: _Input, around: Surroundings, lost: float) -> Iterator[Event]:
        """Tell a drift when what is around has been read since: in a fast loop, blocks come sooner than that."""
        if mine.suspected is None or around.since_ns < mine.suspected_ns:
            return
        shift, mine.suspected = mine.suspected, None
        why = tuple(_why(mine.usual, around, lost))
        if why:
            mine.own.forget()
        yield _event(call, EventKind.DISTURBED if why else EventKind.DRIFT, shift, why)


def _event(call: LayerCall, kind: EventKind, shift: Shift | None, around: tuple[str, ...]) -> Event:
    size = shift or Shift(size=0.0, low=0.0, high=0.0)
    return Event(
        at_s=call.at_s,
        step=call.step,
        kind=kind,
        model=call.model,
        layer=call.layer,
        function=call.function,
        ratio=math.exp(size.size),
        low=math.exp(size.low),
        high=math.exp(size.high),
        around=around,
    )


def _why(usual: Surroundings | None, now: Surroundings, lost: float) -> Iterator[str]:
    """Yield a sentence for each thing that is otherwise than when the baseline was taken."""
    if lost >= LOST_SHARE:
        yield f"{lost:.0%} of its calls were without a core for a while."
    if usual is None:
        return
    if now.others_cores is not None and now.others_cores > (usual.others_cores or 0.0) + OTHERS_CORES:
        yield f"Other processes keep {now.others_cores:.1f} cores busy, {usual.others_cores or 0.0:.1f} before."
    if now.steal_cores is not None and now.steal_cores > (usual.steal_cores or 0.0) + STEAL_CORES:
        yield f"The host takes {now.steal_cores:.2f} cores away, {usual.steal_cores or 0.0:.2f} before."
    if now.frequency_mhz and usual.frequency_mhz and now.frequency_mhz < SLOWER_CLOCK * usual.frequency_mhz:
        yield f"The cores run at {now.frequency_mhz:.0f} MHz, {usual.frequency_mhz:.0f} before."


def _middle(around: Sequence[Surroundings]) -> Surroundings:
    """Return the medians of what is known."""

    def of(values: Iterator[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return median(known) if known else None

    return Surroundings(
        others_cores=of(each.others_cores for each in around),
        steal_cores=of(each.steal_cores for each in around),
        pressure=of(each.pressure for each in around),
        load_1min=of(each.load_1min for each in around),
        frequency_mhz=of(each.frequency_mhz for each in around),
    )


def _change(before: tuple[object, ...], now: tuple[object, ...], call: LayerCall) -> str:
    if before[0] == now[0]:
        return f"It may use {now[1]} threads, {before[1]} before."
    return f"Its input is {now[0]}, {before[0]} before (batch {call.batch}, {call.order or '?'}, {call.dtype or '?'})."
