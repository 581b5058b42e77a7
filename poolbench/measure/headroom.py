"""How much memory can still be had: what the machine has free, or less where a control group limits this process.

A limit of a container is a control group's. Linux shows them as files: ``memory.max`` and ``memory.current`` in version
2 (https://docs.kernel.org/admin-guide/cgroup-v2.html), ``memory.limit_in_bytes`` and ``memory.usage_in_bytes`` in
version 1 (https://docs.kernel.org/admin-guide/cgroup-v1/memory.html). ``root`` is where /proc and /sys are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from poolbench.measure.control_groups import ROOT, group_folders, text

_VERSION_2 = ("memory.max", "memory.current", "inactive_file")
_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def available_bytes(root: Path = ROOT) -> int:
    """Return how many bytes of memory can be had without swapping, by what the machine and all limits say."""
    return max(min([psutil.virtual_memory().available, *(group.left for group in _groups(root))]), 0)


def limit_bytes(root: Path = ROOT) -> int | None:
    """Return what a control group lets this process and its kin use, None where none limits them."""
    return min((group.most for group in _groups(root)), default=None)


def gibibytes(size: float) -> str:
    """Return ``size`` as text in GiB, to two digits."""
    return f"{size / 2**30:.2g} GiB" if size < 100 * 2**30 else f"{size / 2**30:,.0f} GiB"


class _Group(NamedTuple):
    """A control group's limit, and what is left of it."""

    most: int
    left: int


def _groups(root: Path) -> Iterator[_Group]:
    """Yield the control groups with a limit that this process is in."""
    for folder in group_folders("memory", root):
        for limit, usage, cache in (_VERSION_2, _VERSION_1):
            most, used = text(folder / limit).strip(), text(folder / usage).strip()
            if most.isdecimal() and used.isdecimal():  # "max" stands for no limit
                yield _Group(int(most), int(most) - int(used) + _reclaimable(folder, cache))


def _reclaimable(folder: Path, field: str) -> int:
    """Return the bytes of cached files that the group counts as used, and gives up when memory is asked for."""
    amounts = dict(line.split(" ", 1) for line in text(folder / "memory.stat").splitlines() if " " in line)
    amount = amounts.get(field, "")
    return int(amount) if amount.isdecimal() else 0
