"""Where a subject's worker runs: which interpreter, and what of the present code is grafted onto it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from poolbench.backends import registry

_GRAFT = Path(__file__).with_name("graft.py")
_PACKAGE = Path(__file__).resolve().parent.parent

_OF_ANOTHER_PYTHON = ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__")
"""Variables that lead an interpreter to the packages of this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """An interpreter for workers; made without arguments it is the present one, as it is.

    ``key`` is distinct for distinct environments ("" for the present). ``grafts`` is what ``graft.py`` takes, None
    where nothing is grafted. ``is_foreign`` says that its packages are its own. ``facts`` go into every row.
    """

    key: str = ""
    python: str = sys.executable
    grafts: Mapping[str, object] | None = None
    is_foreign: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """What may move a number, in one line: equal for environments that hold the same."""
        return ", ".join(self.facts.values())

    def command(self, module: str) -> list[str]:
        """Return the command that runs the present poolbench's ``module``; its arguments follow."""
        # -P, and PYTHONSAFEPATH for what it starts in turn: a worker imports what its environment has, and nothing
        # that lies in the current folder or beside a script.
        if self.grafts is None:
            return [self.python, "-P", "-m", module]
        return [self.python, "-P", str(_GRAFT), json.dumps(self.grafts), module]

    def variables(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables to start from.

        They are ``inherited``, without what leads an interpreter with packages of its own to ours, and say that no
        Python imports from the current folder.
        """
        dropped = _OF_ANOTHER_PYTHON if self.is_foreign else ()
        return {**{name: value for name, value in inherited.items() if name not in dropped}, "PYTHONSAFEPATH": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """An environment that could not be made; ``reason`` is a sentence."""

    reason: str


PRESENT = Interpreter()


def grafts(*, modules: Mapping[str, Path] | None = None, framework: str = "") -> dict[str, object]:
    """Return what an interpreter needs to run the present poolbench: its package and its entry points.

    ``modules`` come in addition, by full name. With ``framework``, so do the packages of others that register
    backends for it.
    """
    found = {"poolbench": str(_PACKAGE.parent)}
    distributions = {}
    for point in metadata.entry_points(group=registry.GROUP):
        name = "poolbench" if point.dist is None else point.dist.name
        top = point.module.partition(".")[0]
        if top != "poolbench":
            if not framework or registry.create(point.name).framework != framework:
                continue
            spec = find_spec(top)
            if spec is not None and spec.origin is not None:
                inside = spec.submodule_search_locations is not None
                found[top] = str(Path(spec.origin).parent.parent if inside else Path(spec.origin).parent)
        if point.dist is not None:
            distributions[name] = {
                "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {point.dist.version}\n",
                "entry_points.txt": point.dist.read_text("entry_points.txt") or "",
            }
    return {
        "modules": {**found, **{name: str(folder) for name, folder in (modules or {}).items()}},
        "distributions": list(distributions.values()),
    }
