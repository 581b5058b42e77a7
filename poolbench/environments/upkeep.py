"""What the cache of environments takes, and letting go of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poolbench.environments.cache import Cache, size_on_disk
from poolbench.environments.kernel import TREE
from poolbench.environments.reference import KERNEL
from poolbench.errors import BuildError, UnknownNameError

DAY_S = 86400.0

_SHORTEST_COMMIT = 7
_COMMIT = re.compile("[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something in the cache: ``what`` is how a subject names it, ``key`` its folder; ``used_at`` in Unix seconds."""

    what: str
    key: str
    bytes: int
    used_at: float
    path: Path

    def is_called(self, name: str) -> bool:
        """Whether ``name`` is what it holds, its key, its family (the part before @), or a shorter commit."""
        family, _, version = self.what.partition("@")
        wanted_family, _, wanted = name.partition("@")
        is_commit = family == wanted_family and bool(_COMMIT.fullmatch(version)) and len(wanted) >= _SHORTEST_COMMIT
        return name in (self.what, self.key, family) or (is_commit and version.startswith(wanted[: len(version)]))


def kept(cache: Cache) -> list[Kept]:
    """Return what the cache holds: complete environments, then the trees that kernels are built in."""
    entries = [
        Kept(what=each.contents.what, key=each.name, bytes=each.contents.bytes, used_at=each.used_at, path=each.path)
        for each in cache.entries()
    ]
    trees = [
        Kept(
            what=f"{KERNEL}, build tree",
            key=path.name.removeprefix("."),
            bytes=size_on_disk(path),
            used_at=path.stat().st_mtime,
            path=path,
        )
        for path in sorted(cache.root.glob(f"{TREE}*"))
    ]
    return sorted(entries, key=lambda each: (each.what, each.key)) + trees


def called(things: Sequence[Kept], names: Sequence[str]) -> list[Kept]:
    """Return those of ``things`` that ``names`` call. Raises UnknownNameError for a name that calls none."""
    chosen = []
    for name in names:
        found = [each for each in things if each.is_called(name)]
        if not found:
            known = [word for each in things for word in (each.what, each.key)]
            raise UnknownNameError("environment", name, known, "See 'poolbench env list'.")
        chosen += found
    return list(dict.fromkeys(chosen))


def unused(things: Sequence[Kept], days: float, now: float) -> list[Kept]:
    """Return those that were last used more than ``days`` before ``now``, in seconds since 1970."""
    return [each for each in things if now - each.used_at > days * DAY_S]


def remove(cache: Cache, things: Sequence[Kept]) -> None:
    """Remove ``things``, and what interrupted builds left. Raises BuildError where something cannot be."""
    for each in things:
        cache.remove(each.path.name)
        if each.path.exists():
            raise BuildError(f"{each.path} could not be removed.")
    if cache.root.exists():
        cache.remove_leftovers()
