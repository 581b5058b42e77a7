"""Which core a process runs on, and keeping it there. Linux; elsewhere processes stay where the system has them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROCESSOR_FIELD = 39
"""Of proc_pid_stat(5), counted from 1; the second is the command's name, in parentheses, and may hold anything."""


def can_choose_cores() -> bool:
    """Whether this system lets a process say on which cores it runs. Some containers forbid it."""
    if not hasattr(os, "sched_setaffinity") or not Path("/proc/self/stat").exists():
        return False
    try:
        os.sched_setaffinity(0, os.sched_getaffinity(0))
    except OSError:
        return False
    return True


def allowed_cores() -> frozenset[int]:
    """Return the cores that this process may run on."""
    return frozenset(os.sched_getaffinity(0))


def stay_on(cores: Iterable[int]) -> None:
    """Let all threads of this process run on ``cores`` alone; those that they start later inherit it."""
    chosen = set(cores)
    for task in os.listdir("/proc/self/task"):
        with suppress(ProcessLookupError):  # a thread may end between the listing and this
            os.sched_setaffinity(int(task), chosen)


def current_core() -> int:
    """Return the core on which the main thread of this process runs, or ran last."""
    after_name = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    return int(after_name.split()[_PROCESSOR_FIELD - 3])
