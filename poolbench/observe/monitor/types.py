"""What a monitor tells its exporters: one call of a layer, an event, and how the monitor itself is doing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from poolbench.model.pooling import Ints

BUCKETS_S = tuple(step * 10.0**power for power in range(-6, 1) for step in (1, 2, 5))
"""Where the buckets of a histogram of calls end, in seconds: from 1 µs on, three in each power of ten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the machine did around a call. None where the system does not tell.

    ``others_cores`` is how many cores other processes kept busy on average, ``steal_cores`` how many a host took away,
    ``pressure`` the share of the time in which some process waited for a core. ``since_ns`` is when the stretch began
    over which these were counted, by the monotonic clock.
    """

    others_cores: float | None = None
    steal_cores: float | None = None
    pressure: float | None = None
    load_1min: float | None = None
    frequency_mhz: float | None = None
    since_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCall:
    """One call of a layer in a sampled step.

    ``at_s`` is the time since the epoch. ``layer`` is the module's path, ``function`` what was called there.
    ``workload`` is its id, "" where none says it. ``shape`` is the input's. ``order`` is the order of its axes in
    memory with its view, such as nchw or nchw.c64. ``threads`` is how many the framework may use, None where it does
    not say. ``waited_ns`` is how long the calling thread was ready without a core, ``cpu_ns`` how long it had one;
    None where the system does not tell. ``moved_bytes`` is what the call must read and write once. ``limit_ns`` is
    the time that this machine takes to stream as much. ``is_disturbed`` says that the thread was without a core for
    too long for the time to count.
    """

    at_s: float
    step: int
    model: str
    layer: str
    function: str
    elapsed_ns: int
    workload: str = ""
    shape: Ints = ()
    order: str = ""
    dtype: str = ""
    threads: int | None = None
    waited_ns: int | None = None
    cpu_ns: int | None = None
    moved_bytes: int | None = None
    limit_ns: float | None = None
    is_disturbed: bool = False

    @property
    def bytes_per_s(self) -> float | None:
        """The achieved bandwidth: what had to be moved, by the time that it took."""
        return None if self.moved_bytes is None else self.moved_bytes / max(self.elapsed_ns, 1) * 1e9

    @property
    def times_limit(self) -> float | None:
        """The time as a multiple of the streaming limit's."""
        return None if self.limit_ns is None else self.elapsed_ns / self.limit_ns

    @property
    def batch(self) -> int | None:
        """The first axis of the input."""
        return self.shape[0] if self.shape else None


class EventKind(StrEnum):
    """What an event says.

    DRIFT: slower than its baseline, and nothing around it changed. RECOVERED: back after a drift. DISTURBED: slower
    while the machine was busy with something else. CHANGED: the layer is given another input than before.
    """

    DRIFT = "drift"
    RECOVERED = "recovered"
    DISTURBED = "disturbed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened to a layer.

    ``ratio`` is its time over that of its baseline, with the 95 % interval from ``low`` to ``high``; all 1 where no
    time is told. ``around`` are sentences on what changed around it, empty where nothing did.
    """

    at_s: float
    step: int
    kind: EventKind
    model: str
    layer: str
    function: str
    ratio: float = 1.0
    low: float = 1.0
    high: float = 1.0
    around: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = self.layer or self.model or "the model"
        size = f"{self.ratio - 1:+.1%} ({self.low - 1:+.1%} to {self.high - 1:+.1%})"
        why = " ".join(self.around)
        if self.kind is EventKind.DRIFT:
            return f"{where} ({self.function}) became slower: {size}. {why or 'Nothing around it changed.'}"
        if self.kind is EventKind.RECOVERED:
            return f"{where} ({self.function}) is as fast as before again: {size}."
        if self.kind is EventKind.DISTURBED:
            return f"{where} ({self.function}) is slowed by what else the machine does: {size}. {why}"
        return f"{where} ({self.function}) is given another input. {why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a monitor is doing.

    ``problem`` is the sentence that says why it switched itself off, "" while it is on or was stopped. ``own_s`` is the
    time that it spent in sampled steps. ``left_out`` are calls of layers beyond the most that it tells apart.
    """

    model: str
    is_on: bool
    steps: int = 0
    sampled: int = 0
    own_s: float = 0.0
    layers: int = 0
    left_out: int = 0
    problem: str = ""


class Exporter(Protocol):
    """Takes what a monitor sees. Whatever one of its functions raises switches the monitor off."""

    def start(self, status: Status) -> None:
        """The monitor begins."""

    def calls(self, calls: tuple[LayerCall, ...], status: Status, around: Surroundings) -> None:
        """A sampled step is over; it may have had no calls."""

    def event(self, event: Event) -> None:
        """Something happened to a layer."""

    def ended(self, status: Status) -> None:
        """The monitor is off, by itself where ``status`` has a problem. What is told about it may still be read."""

    def close(self) -> None:
        """Let go of files, ports and threads."""

    def after_fork(self) -> None:
        """Now a child process: let go of what belongs to the parent, and write nothing more."""
