"""What is known of each layer: its workload, what it moves, its limit; and how many layers are told apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poolbench.measure.touched import touched_runs
from poolbench.model.ids import parse_id
from poolbench.model.sample import RejectionRule, Sample
from poolbench.model.workload import Pass, Workload
from poolbench.observe.monitor.limits import Limits
from poolbench.observe.sighting import Seen, sighting

MOST_LAYERS = 100
"""So many layers are told apart: each is a set of time series for whoever stores them."""

MOST_INPUTS = 1000
"""So many inputs are remembered over all layers; beyond, the oldest are worked out anew."""

TEXT_LENGTH = 120
"""Longer paths of layers are shortened in the middle."""


@dataclass(frozen=True, slots=True)
class Known:
    """An input of a layer. ``workload`` is its id, "" where none says it."""

    workload: str
    order: str
    moved_bytes: int | None
    limit_ns: float | None


UNKNOWN = Known("", "", None, None)


class Book:
    """Keeps what is worked out once, and names layers."""

    def __init__(self, model: str, limits: Limits, rejection: RejectionRule | None = None) -> None:
        self.model = model
        self.left_out = 0
        self._limits = limits
        self._rejection = rejection or RejectionRule()
        self._known: dict[object, Known] = {}
        self._layers: set[tuple[str, str]] = set()

    @property
    def layers(self) -> int:
        """How many layers have been told apart so far."""
        return len(self._layers)

    def admits(self, layer: str, function: str) -> bool:
        """Whether the layer is one of those that are told apart; counts the calls of those that are not."""
        key = (layer, function)
        if key not in self._layers:
            if len(self._layers) >= MOST_LAYERS:
                self.left_out += 1
                return False
            self._layers.add(key)
        return True

    def known(self, seen: Seen, pass_: Pass, threads: int) -> Known:
        """Return what is known of an input of a layer."""
        key = (seen.function, seen.spec, seen.given, seen.given_strides, seen.dtype_name, pass_, threads)
        if key not in self._known:
            if len(self._known) >= MOST_INPUTS:
                del self._known[next(iter(self._known))]
            found = sighting(seen, pass_)
            self._known[key] = self._work_out(parse_id(found.id), threads) if found.id else UNKNOWN
        return self._known[key]

    def _work_out(self, workload: Workload, threads: int) -> Known:
        runs = touched_runs(workload)
        view = f".{workload.view}" if not workload.view.is_contiguous else ""
        return Known(
            workload.id,
            f"{workload.order}{view}",
            int(np.sum(runs.lengths)) * runs.unit_count + workload.output_bytes,
            self._limits.limit_ns(workload, threads),
        )

    def is_disturbed(self, elapsed_ns: int, cpu_ns: int | None, waited_ns: int | None, threads: int) -> bool:
        """Whether the calling thread was without a core for too long, by the rule that rejects a run's slots.

        On several threads the calling one waits for the others, which is no disturbance.
        """
        lost = elapsed_ns if cpu_ns is None or threads > 1 else cpu_ns
        return self._rejection.rejects(
            Sample(
                block=0,
                position=0,
                loops=1,
                elapsed_ns=elapsed_ns,
                cpu_ns=lost,
                foreign_cpu_ns=waited_ns or 0,
                page_faults=0,
                context_switches=0,
            )
        )


def shortened(text: str) -> str:
    """Return ``text`` with nothing that no encoding has, and no longer than a label may be."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    if len(clean) <= TEXT_LENGTH:
        return clean
    half = TEXT_LENGTH // 2 - 1
    return f"{clean[:half]}…{clean[-half:]}"
