"""How many cores a process has, which one it runs on, and keeping it there.

Choosing a core is for Linux; elsewhere processes stay where the system has them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from poolbench.measure.quota import cpu_quota

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


def usable_cores() -> int:
    """Return how many threads of this process can run at once: by its affinity, and by its CPU quota rounded up.

    The kernel's ``threads=`` follows the same rule where it is left out.
    """
    cores = len(allowed_cores()) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else min(cores, math.ceil(quota))


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
