"""The built-in entries and the sets that they form.

Three sets are lists (``data/set_*.txt``). Two are rules, so that every entry is in one of them: ``full`` holds what
needs at most HEAVY_BYTES of input, ``heavy`` the rest.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType

from poolbench.catalogue.load import parse_catalogue
from poolbench.errors import CatalogueError, UnknownNameError
from poolbench.model.workload import Workload

HEAVY_BYTES = 200_000_000

_FULL, _HEAVY = "full", "heavy"


@cache
def entries() -> tuple[Workload, ...]:
    """Return every built-in entry: file by file in alphabetical order, each in its own order."""
    workloads: list[Workload] = []
    for name, text in _data_files("shapes_"):
        workloads += parse_catalogue(text, file=f"catalogue/data/{name}")
    known: set[str] = set()
    for workload in workloads:
        if not {workload.id, workload.name}.isdisjoint(known):
            raise CatalogueError(f"Two files of catalogue/data hold {workload.id} ({workload.name}): remove one.")
        known |= {workload.id, workload.name}
    return tuple(workloads)


@cache
def entries_by_key() -> MappingProxyType[str, Workload]:
    """Return the built-in entries by id and by name."""
    return MappingProxyType({key: workload for workload in entries() for key in (workload.id, workload.name)})


def set_names() -> tuple[str, ...]:
    """Return the names of the sets: the lists from the shortest to the longest, then the rules."""
    return tuple(_sets())


def members(set_name: str) -> tuple[Workload, ...]:
    """Return the workloads of a set, in its order. Raises UnknownNameError."""
    if set_name not in _sets():
        raise UnknownNameError("set of workloads", set_name, set_names())
    return _sets()[set_name]


@cache
def _sets() -> MappingProxyType[str, tuple[Workload, ...]]:
    lists = {
        name.removeprefix("set_").removesuffix(".txt"): tuple(
            parse_catalogue(text, file=f"catalogue/data/{name}", known=entries_by_key())
        )
        for name, text in _data_files("set_")
    }
    by_length = dict(sorted(lists.items(), key=lambda item: len(item[1])))
    full = tuple(workload for workload in entries() if workload.input_bytes <= HEAVY_BYTES)
    heavy = tuple(workload for workload in entries() if workload.input_bytes > HEAVY_BYTES)
    return MappingProxyType({**by_length, _FULL: full, _HEAVY: heavy})


def _data_files(prefix: str) -> list[tuple[str, str]]:
    folder = files("poolbench.catalogue") / "data"
    found = sorted((file for file in folder.iterdir() if file.name.startswith(prefix)), key=lambda file: file.name)
    return [(file.name, file.read_text(encoding="utf-8")) for file in found]
