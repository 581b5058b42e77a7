"""How much processor time the control groups of this process allow.

Version 1 (``cpu.cfs_quota_us`` over ``cpu.cfs_period_us``) is described in the kernel's
Documentation/scheduler/sched-bwc.rst, version 2 (``cpu.max``) in Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

from pathlib import Path

from poolbench.measure.control_groups import ROOT, group_folders, text


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return how many processors' time this process may use, such as 1.5; None where nothing limits it.

    The smallest quota of all its groups counts. ``root`` is where /proc and /sys are found.
    """
    quotas = [quota for folder in group_folders("cpu", root) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _quota(folder: Path) -> float | None:
    words = text(folder / "cpu.max").split() or [
        text(folder / "cpu.cfs_quota_us").strip(),
        text(folder / "cpu.cfs_period_us").strip(),
    ]
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return None  # "max" and -1 stand for no limit
    quota, period = map(int, words)
    return quota / period if quota and period else None
