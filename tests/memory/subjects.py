"""Planted subjects for whole runs: right answers, and a known amount of memory or a certain way of failing beside it.

The end-to-end tests register them through entry points of their own. They misbehave in the memory launch alone, which
they know by memray (there is none in a worker that is timed) or by its small pages.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from poolbench.backends.base import Prepared, Source
from poolbench.backends.fake import Fake
from poolbench.model.workload import Workload
from tests.memory.planted import COMPILED, plant

SIZE, TOUCHED = 20_000_003, 7_000_000

_PR_GET_THP_DISABLE = 42


def is_memory_launch() -> bool:
    return ctypes.CDLL(None).prctl(_PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1


class Planted(Fake):
    """Answers right, and takes SIZE bytes in each call, of which it touches TOUCHED."""

    route = ""

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        prepared: Any = super().prepare(workload, source)
        answer = prepared.compute()
        take = plant(Path(os.environ["PLANTED_LIBRARY"]), self.route)

        def call() -> Any:
            take(SIZE, TOUCHED)
            return answer

        prepared.compute = call
        return prepared


class Malloc(Planted):
    name = "fake:malloc"
    route = "malloc"


class Mmap(Planted):
    name = "fake:mmap"
    route = "mmap"


class PosixMemalign(Planted):
    name = "fake:posix_memalign"
    route = "posix_memalign"


class Traced(Fake):
    """Fails in the traced call, after what is touched has been measured."""

    name = "fake:traced"

    def call(self, answer: Any) -> Any:
        def die() -> Any:
            if "memray" in sys.modules:
                os.kill(os.getpid(), signal.SIGSEGV)
            return answer.copy()

        return die


class Hangs(Fake):
    """Never comes back from a memory launch."""

    name = "fake:hangs_there"

    def call(self, answer: Any) -> Any:
        def hang() -> Any:
            while is_memory_launch():
                time.sleep(3600)
            return answer.copy()

        return hang


class Hoards(Fake):
    """Takes memory without end in a memory launch."""

    name = "fake:hoards_there"

    def call(self, answer: Any) -> Any:
        import numpy as np

        def hoard() -> Any:
            held = []
            while is_memory_launch():
                held.append(np.empty(256 << 20, np.uint8))  # untouched: it is refused just the same
            return answer.copy()

        return hoard


class Deceives(Fake):
    """Answers wrong in a memory launch."""

    name = "fake:deceives"

    def call(self, answer: Any) -> Any:
        return lambda: answer + is_memory_launch()


def entry_points() -> str:
    """Return the text of ``entry_points.txt`` of a distribution that registers them."""
    classes = (Malloc, Mmap, PosixMemalign, Traced, Hangs, Hoards, Deceives)
    return "[poolbench.backends]\n" + "".join(f"{each.name} = {each.__module__}:{each.__name__}\n" for each in classes)


assert {Malloc.route, Mmap.route, PosixMemalign.route} == set(COMPILED)
