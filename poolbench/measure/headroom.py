"""How much memory can still be had: what the machine has free, or less where a control group limits this process.

A limit of a container is a control group's. Linux shows them as files: ``memory.max`` and ``memory.current`` in version
2 (https://docs.kernel.org/admin-guide/cgroup-v2.html), ``memory.limit_in_bytes`` and ``memory.usage_in_bytes`` in
version 1. ``root`` is where /proc and /sys are found, so that tests can plant their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import psutil

_ROOT = Path("/")
_VERSION_2 = ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")
_VERSION_1 = ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def available_bytes(root: Path = _ROOT) -> int:
    """Return how many bytes of memory can be had without swapping, by what the machine and all limits say."""
    return max(min([psutil.virtual_memory().available, *(group.left for group in _groups(root))]), 0)


def limit_bytes(root: Path = _ROOT) -> int | None:
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
    with suppress(OSError):  # no Linux, or a /proc that keeps it to itself
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield from _on_path(root, path, *_VERSION_2)
            elif "memory" in controllers.split(","):
                yield from _on_path(root, path, *_VERSION_1)


def _on_path(root: Path, path: str, mount: str, limit: str, usage: str, cache: str) -> Iterator[_Group]:
    """Yield a group and all that it is part of, where they have a limit.

    In a container the path may be that of the host, which is not there: the mount itself is the group then.
    """
    group = PurePosixPath(path.lstrip("/"))
    for part in (group, *group.parents):
        folder = root / mount / part
        with suppress(OSError, ValueError):  # not there, not to be read, or "max"
            most, used = (int((folder / name).read_text(encoding="ascii")) for name in (limit, usage))
            yield _Group(most, most - used + _reclaimable(folder, cache))


def _reclaimable(folder: Path, field: str) -> int:
    """Return the bytes of cached files that the group counts as used, and gives up when memory is asked for."""
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == field:
                return int(value)
    return 0
