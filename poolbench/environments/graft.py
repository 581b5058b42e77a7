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


def _same(one: str, other: str) -> bool:
    return re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()


def main(arguments: Sequence[str]) -> int:
    """Install the grafts and run the module's ``main``."""
    grafts = json.loads(arguments[0])
    sys.meta_path.insert(0, Grafts(grafts["modules"], grafts["distributions"]))
    return int(importlib.import_module(arguments[1]).main(list(arguments[2:])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
