"""Run a module of the present poolbench where it is not installed, or with one of its packages from elsewhere.

    python graft.py GRAFTS MODULE ARGUMENT…

GRAFTS is JSON: ``modules`` maps a module's full name to the folder that it is found in, and ``distributions`` lists the
metadata that entry points are read from. Nothing else of the present environment can be seen by the interpreter.
Executed as a script; imports nothing of poolbench.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path
from types import ModuleType
from typing import Any


class Given(Distribution):
    """A distribution whose metadata is given as texts by file name."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def read_text(self, filename: str) -> str | None:
        """Return the text of a metadata file, None where there is none."""
        return self._files.get(filename)

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        """Return a path at which nothing is: files of the distribution are not reached through its metadata."""
        return Path(os.devnull) / path


class Grafts(DistributionFinder):
    """Finds what was given, before anything that the interpreter has by itself."""

    def __init__(self, modules: Mapping[str, str], distributions: Sequence[Mapping[str, str]]) -> None:
        self._modules = modules
        self._distributions = [Given(files) for files in distributions]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the module ``fullname`` is, None for one that is not grafted."""
        folder = self._modules.get(fullname)
        return None if folder is None else PathFinder.find_spec(fullname, [folder], target)

    def find_distributions(self, context: DistributionFinder.Context | None = None) -> Iterable[Distribution]:
        """Return the given distributions, or the one that is asked for by name."""
        wanted = None if context is None else context.name
        return [each for each in self._distributions if wanted is None or _same(each.name, wanted)]


def install(grafts: Mapping[str, Any]) -> None:
    """Put a finder for ``grafts`` before all others, and take out those that would add modules to what is grafted.

    An editable installation has such a finder: asked for a compiled module below a grafted package, it would answer
    with the present one.
    """
    tops = {name.partition(".")[0] for name in grafts["modules"]}
    own = [finder for finder in sys.meta_path if finder is not PathFinder and any(_knows(finder, top) for top in tops)]
    sys.meta_path[:] = [
        Grafts(grafts["modules"], grafts["distributions"]),
        *(finder for finder in sys.meta_path if finder not in own),
    ]


def _knows(finder: Any, top: str) -> bool:
    find = getattr(finder, "find_spec", None)
    return find is not None and find(top, None) is not None


def _same(one: str, other: str) -> bool:
    return re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()


def main(arguments: Sequence[str]) -> int:
    """Install the grafts and run the module's ``main``."""
    grafts = json.loads(arguments[0])
    install(grafts)
    return int(importlib.import_module(arguments[1]).main(list(arguments[2:])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
