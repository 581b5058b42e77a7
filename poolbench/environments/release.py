"""A framework's release in an environment of its own: made by ``venv`` and pip, which decide what fits together."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from poolbench.backends.registry import module_name
from poolbench.environments.cache import Contents, Entry, freeze
from poolbench.environments.commands import CommandError, Commands, last_lines
from poolbench.environments.interpreter import Interpreter, grafts
from poolbench.environments.reference import Reference
from poolbench.errors import BuildError, nearest

WORKER_NEEDS = ("numpy", "ml_dtypes")
"""What a worker imports itself."""

MEMORY_TOOL = "memray"
"""What the memory of a call is measured with, at the present environment's version where it has one."""

_INVENTORY = Path(__file__).with_name("inventory.py")
_INSTALL_TIMEOUT_S = 3600.0
_QUICK_TIMEOUT_S = 300.0
_OLD_NUMPY = "numpy<2"
_LISTED = 5

EXTRAS = {"jax": "cpu"}
"""What a framework's release is asked for with: early ones of JAX need it to bring what they compile with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What is installed for a reference, and the name that it is kept under."""

    reference: Reference

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip is asked for."""
        framework = self.reference.framework
        tool = (f"{MEMORY_TOOL}=={metadata.version(MEMORY_TOOL)}",) if find_spec(MEMORY_TOOL) is not None else ()
        others = [name for name in (*self.reference.companions, *WORKER_NEEDS) if name != framework]
        extra = f"[{EXTRAS[framework]}]" if framework in EXTRAS else ""
        return (f"{framework}{extra}=={self.reference.text}", *others, *tool)

    @property
    def name(self) -> str:
        """The folder's name: by the interpreter that it is made from, and the requirements."""
        base = [sys.version, sysconfig.get_config_var("SOABI"), sys.base_prefix, *self.requirements]
        digest = hashlib.sha256(json.dumps(base).encode()).hexdigest()[:12]
        return f"{self.reference.framework}-{self.reference.text}-{digest}"

    def build(self, folder: Path, commands: Commands) -> Contents:
        """Make the environment in ``folder``. Raises BuildError with the builder's reason."""
        python = folder / "bin" / "python"
        pip = virtual_environment(commands, folder, str(self.reference))
        self._install(commands, pip, self.requirements)
        module = module_name(self.reference.framework)
        if "compiled using NumPy 1.x" in self._import(commands, python, module, may_fail=True):
            # Releases from before NumPy 2 do not say that they cannot live with it.
            self._install(commands, pip, (*self.requirements, _OLD_NUMPY))
        self._import(commands, python, module)
        found = inventory(commands, python, self._distributions)
        facts = {"python": found.python, "distributions": freeze(found.distributions)}
        return Contents(what=str(self.reference), facts=facts, distributions=found.distributions)

    def is_sound(self, path: Path) -> bool:
        """Whether the environment's interpreter is still there: it is a link to the one that it was made from."""
        return (path / "bin" / "python").exists()

    def interpreter(self, entry: Entry) -> Interpreter:
        """Return the interpreter of a complete environment."""
        return Interpreter(
            key=entry.name,
            python=str(entry.path / "bin" / "python"),
            grafts=grafts(framework=self.reference.framework),
            is_foreign=True,
            facts=entry.contents.facts,
        )

    @property
    def _distributions(self) -> tuple[str, ...]:
        return (self.reference.framework, *self.reference.companions, *WORKER_NEEDS)

    def _install(self, commands: Commands, pip: list[str], requirements: tuple[str, ...]) -> None:
        # Wheels alone: what pip would compile here is not what the release's users run. Who sets either knows better.
        wheels = () if {"PIP_ONLY_BINARY", "PIP_NO_BINARY"} & os.environ.keys() else ("--only-binary", ":all:")
        command = [*pip, "--disable-pip-version-check", "--no-input", "install", *wheels, *requirements]
        try:
            commands.run(command, timeout_s=_INSTALL_TIMEOUT_S, variables=clean_variables())
        except CommandError as error:
            raise BuildError(self._why(error.output)) from error

    def _why(self, output: str) -> str:
        """Return why pip could not install, as a sentence."""
        framework, version = self.reference.framework, self.reference.text
        lacking = re.search(r"satisfies the requirement (\S+?)==", output)
        if lacking is not None and lacking[1].partition("[")[0] == framework:
            versions = offered_versions(output)
            if versions:
                near = sorted(nearest(version, versions, _LISTED), key=versions.index) or versions[-_LISTED:]
                return (
                    f"pip finds no {framework} {version} for Python {sys.version_info[0]}.{sys.version_info[1]} here; "
                    f"near it there is {', '.join(near)}, and the newest is {versions[-1]}."
                )
        said = [line for line in output.splitlines() if line.startswith(("ERROR", "WARNING: Retrying"))]
        shown = [*said[:1], *[line for line in said[1:] if line.startswith("ERROR")]]
        return f"{framework} {version} could not be installed; pip says: {last_lines(chr(10).join(shown) or output)}"

    def _import(self, commands: Commands, python: Path, module: str, *, may_fail: bool = False) -> str:
        command = [str(python), "-P", "-c", f"import numpy, ml_dtypes, {module}"]
        try:
            return commands.run(command, timeout_s=_QUICK_TIMEOUT_S, variables=clean_variables())
        except CommandError as error:
            if may_fail:
                return error.output
            raise BuildError(
                f"{self.reference.framework} {self.reference.text} was installed but cannot be imported: {error}"
            ) from error


def virtual_environment(commands: Commands, folder: Path, what: str) -> list[str]:
    """Make an empty virtual environment in ``folder`` for ``what``, and return the pip that installs into it.

    Raises BuildError where it cannot be made.
    """
    python = folder / "bin" / "python"
    own_pip = find_spec("pip") is None
    command = [sys.executable, "-m", "venv", *(() if own_pip else ("--without-pip",)), str(folder)]
    try:
        commands.run(command, timeout_s=_QUICK_TIMEOUT_S, variables=clean_variables())
    except CommandError as error:
        raise BuildError(f"{what}: a virtual environment could not be made: {error}") from error
    return [str(python), "-m", "pip"] if own_pip else [sys.executable, "-m", "pip", "--python", str(python)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """An interpreter's implementation and version, and the distributions' versions by name."""

    python: str
    distributions: dict[str, str]


def inventory(commands: Commands, python: Path, distributions: tuple[str, ...]) -> Inventory:
    """Return what ``python`` is, and what it has of ``distributions`` and their needs.

    Raises BuildError where it does not say.
    """
    command = [str(python), "-P", str(_INVENTORY), *distributions, "--", MEMORY_TOOL]
    try:
        output = commands.run(command, timeout_s=_QUICK_TIMEOUT_S, variables=clean_variables())
        return Inventory(**json.loads(output.splitlines()[-1]))
    except (CommandError, ValueError, TypeError, IndexError) as error:
        raise BuildError(f"{python} does not say what is installed in it: {error}") from error


def offered_versions(output: str) -> list[str] | None:
    """Return the versions among which pip says that it found none to its liking; None where it does not say so."""
    offered = re.search(r"\(from versions: ([^)]*)\)", output)
    return None if offered is None else [text for text in re.split(r",\s*", offered[1]) if text and text != "none"]


def clean_variables() -> dict[str, str]:
    """Return this process's environment variables without those that lead another Python to our packages."""
    return Interpreter(is_foreign=True).variables(os.environ)
