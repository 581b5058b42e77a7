"""Reads what the whole machine did between two moments: busy and stolen time, and pressure on its cores."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from poolbench.model.evidence import BlockEvidence

PROC = Path("/proc")
_IDLE = (3, 4)  # idle and waiting for input or output, in the order of /proc/stat
_STEAL = 7
_COUNTED = 8  # what follows, time of guests, is contained in what comes before


@dataclass(frozen=True, slots=True)
class Reading:
    """Nanoseconds since the system's start, but ``at_ns``, which is a clock's."""

    at_ns: int
    busy_ns: int
    steal_ns: int
    pressure_ns: int


def read(proc: Path = PROC) -> Reading:
    """Return where the machine's counters stand. What the system does not tell counts as 0."""
    ticks = _ticks(f"{proc}/stat")
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    busy = sum(value for place, value in enumerate(ticks[:_COUNTED]) if place not in (*_IDLE, _STEAL))
    steal = ticks[_STEAL] if len(ticks) > _STEAL else 0
    return Reading(time.monotonic_ns(), busy * tick_ns, steal * tick_ns, _pressure_ns(f"{proc}/pressure/cpu"))


class Evidence:
    """Gathers the evidence of one group's stretches of blocks. ``reader`` tells where the counters stand."""

    def __init__(self, reader: Callable[[], Reading] = read) -> None:
        self._reader = reader
        self._before = reader()
        self._first: int | None = None
        self.blocks: list[BlockEvidence] = []

    def begin(self, block: int) -> None:
        """A stretch begins with ``block``."""
        self._before, self._first = self._reader(), block

    def end(self) -> None:
        """The stretch is over, if one has begun."""
        block, self._first = self._first, None
        if block is None:
            return
        before, now = self._before, self._reader()
        self.blocks.append(
            BlockEvidence(
                block=block,
                wall_ns=now.at_ns - before.at_ns,
                busy_ns=max(now.busy_ns - before.busy_ns, 0),
                steal_ns=max(now.steal_ns - before.steal_ns, 0),
                pressure_ns=max(now.pressure_ns - before.pressure_ns, 0),
            )
        )


def _ticks(path: str) -> list[int]:
    words = _beginning(path).partition(b"\n")[0].split()
    return [int(word) for word in words[1:]]


def _pressure_ns(path: str) -> int:
    """Return 0 for kernels without pressure-stall information, or with it switched off."""
    for line in _beginning(path).splitlines():
        if line.startswith(b"some "):
            return int(line.rpartition(b"total=")[2]) * 1000
    return 0


def _beginning(path: str) -> bytes:
    """Return the beginning of a file of the system's, nothing where it cannot be read.

    A monitor reads this among a user's calls, with nothing of it in the caches: Python's own files take three times as
    long then.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(file, 4096)
    except OSError:
        return b""
    finally:
        os.close(file)
