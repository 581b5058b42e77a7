"""Where the control groups of this process lie.

Linux alone has them, in two versions; systems between the two have both. Where a process's groups lie is described in
proc_pid_cgroup(5) and proc_pid_mountinfo(5); psutil and the standard library know neither. ``root`` is where /proc and
/sys are found, so that tests can plant their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path("/")

_V1, _V2 = "cgroup", "cgroup2"


def group_folders(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, and of those around them, as far as they can be seen.

    A group is bound by all that it lies in. ``controller`` is the kernel's name, such as ``cpu`` or ``memory``: version
    1 has a hierarchy for each. Version 2 has one for all, whose folders come whether they limit that or not.
    """
    groups = _groups(controller, root)
    for mount in _mounts(controller, root):
        group = groups.get(mount.kind)
        if group is None:
            continue
        # A container that sees the host's names of its groups, or a group outside of its own view, has its own at top.
        inside = group.relative_to(mount.top) if group.is_relative_to(mount.top) else PurePosixPath()
        point = root / mount.point.relative_to("/")
        yield point
        if ".." not in inside.parts:
            yield from (point.joinpath(*inside.parts[: depth + 1]) for depth in range(len(inside.parts)))


def text(path: Path) -> str:
    """Return what stands in a file of the kernel's, or nothing where it is not there or is kept from this process."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mount:
    """A hierarchy of control groups: ``top`` is the group that is seen at the folder ``point``."""

    top: PurePosixPath
    point: PurePosixPath
    kind: str


def _groups(controller: str, root: Path) -> dict[str, PurePosixPath]:
    """Return the group that this process is in, by version."""
    found: dict[str, PurePosixPath] = {}
    for line in text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            found[_V2] = PurePosixPath(path)
        elif controller in controllers.split(","):
            found[_V1] = PurePosixPath(path)
    return found


def _mounts(controller: str, root: Path) -> Iterator[_Mount]:
    for line in text(root / "proc/self/mountinfo").splitlines():
        where, _, what = line.partition(" - ")
        fields, kinds = where.split(), what.split()
        if len(fields) < 5 or len(kinds) < 3 or not (fields[3].startswith("/") and fields[4].startswith("/")):
            continue
        if kinds[0] == _V2 or (kinds[0] == _V1 and controller in kinds[2].split(",")):
            yield _Mount(top=_path(fields[3]), point=_path(fields[4]), kind=kinds[0])


def _path(field: str) -> PurePosixPath:
    """Return a path of mountinfo, in which blanks, tabs, newlines and backslashes are written in octal."""
    return PurePosixPath(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field))
