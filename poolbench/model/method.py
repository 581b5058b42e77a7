"""How a run measures. Rows measured by different methods are never mixed in one run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from poolbench.model.sample import RejectionRule

METHOD_VERSION = 5
"""Raised whenever a change to the harness may move the numbers.

From 2 on, the subjects of a backend share loops. From 3 on, a thread that waits while another of its own process has
the core does not contaminate the slot of a subject that may use one thread. From 4 on, what a subject converts to its
own order before it is timed lies in its page where the input does; before, wherever NumPy put it, which is no multiple
of a cache line. From 5 on, the first call of all on new buffers is never timed; before, it was where a call takes
15 ms and more and buffers are new in each slot (inputs from 256 MiB on) or in a launch's second block.
"""


class Cache(StrEnum):
    """Whether the input lies in the caches when a call begins."""

    HOT = "hot"
    COLD = "cold"


class LayoutPolicy(StrEnum):
    """BEST: a subject may convert to its own layout before the timed call. GIVEN: it is timed on the caller's."""

    BEST = "best"
    GIVEN = "given"


class Clock(StrEnum):
    """What of a slot is compared. WALL: the time that passed. CPU: the time that the subject's process had a core.

    Where a host or a neighbour takes the cores away, CPU time is not what they took. It is blind to waiting that is the
    subject's own doing, and counts the work of all threads.
    """

    WALL = "wall"
    CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker may use before it is stopped.

    Wall seconds to import its framework, wall seconds to answer any one request (preparing, checking, a slot), and
    bytes of private memory beyond what it holds after the import.
    """

    start_s: float = 180.0
    request_s: float = 60.0
    memory_bytes: int = 8 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """Everything that decides how numbers come about. ``slot_ns`` is the target length of a slot.

    Buffers stay where they are for ``stay`` blocks, and are then prepared anew elsewhere. With ``one_core`` all who are
    compared are held on the same core for that long: the one on which the system put the first of them. For each block
    that is asked for, up to ``tries`` are measured until one is free of contaminated slots. Before each slot calls are
    made that fill the share ``warm`` of it. With ``mirrored`` every second block of a stay begins with whom the one
    before it did not begin with. With ``shared`` all subjects read one input, in the same pages of memory, in the order
    of axes that each computes in, where all of them do the same on it as on their own. ``memory`` says whether the
    memory of a call is measured too, in launches of its own.
    """

    version: int = METHOD_VERSION
    threads: int = 1
    cache: Cache = Cache.HOT
    layout: LayoutPolicy = LayoutPolicy.BEST
    clock: Clock = Clock.WALL
    slot_ns: int = 5_000_000
    stay: int = 1
    one_core: bool = False
    tries: int = 4
    warm: float = 0.1
    mirrored: bool = False
    shared: bool = False
    seed: int = 20_240_229
    memory: bool = True
    rejection: RejectionRule = field(default=RejectionRule())
    limits: Limits = field(default=Limits())


def timing_method(method: Method) -> Method:
    """Return what of ``method`` decides on times: two runs whose is equal may stand in one series.

    What workers may use before they are stopped does not, nor does measuring memory, which has launches of its own.
    """
    return replace(method, limits=Limits(), memory=False)
