"""How much processor time the control groups of this process allow.

Linux alone has them. Version 1 (``cpu.cfs_quota_us`` over ``cpu.cfs_period_us``) is described in the kernel's
Documentation/scheduler/sched-bwc.rst, version 2 (``cpu.max``) in Documentation/admin-guide/cgroup-v2.rst, and where a
process's groups lie in proc_pid_cgroup(5) and proc_pid_mountinfo(5). psutil and the standard library know neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_ROOT = Path("/")
_V1, _V2 = "cgroup", "cgroup2"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mount:
    """A hierarchy of control groups: ``top`` is the group that is seen at the folder ``point``."""

    top: PurePosixPath
    point: PurePosixPath
    kind: str


def cpu_quota(root: Path = _ROOT) -> float | None:
    """Return how many processors' time this process may use, such as 1.5; None where nothing limits it.

    A group is bound by all that it lies in, so that the smallest quota on the way up counts. ``root`` is where /proc
    and /sys are found.
    """
    quotas = [quota for folder in _folders(root) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _folders(root: Path) -> Iterator[Path]:
    """Yield the folders of this process's groups and of those around them, as far as they can be seen."""
    groups = _groups(root)
    for mount in _mounts(root):
        group = groups.get(mount.kind)
        if group is None:
            continue
        # A container that sees the host's names of its groups, or a group outside of its own view, has its own at top.
        inside = group.relative_to(mount.top) if group.is_relative_to(mount.top) else PurePosixPath()
        point = root / mount.point.relative_to("/")
        yield point
        if ".." not in inside.parts:
            yield from (point.joinpath(*inside.parts[: depth + 1]) for depth in range(len(inside.parts)))


def _groups(root: Path) -> dict[str, PurePosixPath]:
    """Return the group that this process is in, by version."""
    found: dict[str, PurePosixPath] = {}
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            found[_V2] = PurePosixPath(path)
        elif "cpu" in controllers.split(","):
            found[_V1] = PurePosixPath(path)
    return found


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _text(root / "proc/self/mountinfo").splitlines():
        where, _, what = line.partition(" - ")
        fields, kinds = where.split(), what.split()
        if len(fields) < 5 or len(kinds) < 3 or not (fields[3].startswith("/") and fields[4].startswith("/")):
            continue
        if kinds[0] == _V2 or (kinds[0] == _V1 and "cpu" in kinds[2].split(",")):
            yield _Mount(top=_path(fields[3]), point=_path(fields[4]), kind=kinds[0])


def _path(field: str) -> PurePosixPath:
    """Return a path of mountinfo, in which blanks, tabs, newlines and backslashes are written in octal."""
    return PurePosixPath(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field))


def _quota(folder: Path) -> float | None:
    words = _text(folder / "cpu.max").split() or [
        _text(folder / "cpu.cfs_quota_us").strip(),
        _text(folder / "cpu.cfs_period_us").strip(),
    ]
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return None  # "max" and -1 stand for no limit
    quota, period = map(int, words)
    return quota / period if quota and period else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # no such hierarchy, or one that is kept from this process
