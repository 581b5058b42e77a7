"""A revision of this project's kernel: built with the present compiler and libraries, and nothing else of it taken.

All revisions are built in one tree, in which only what differs is written, so that a build compiles what has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from poolbench.environments.cache import Cache, Contents, Entry, freeze
from poolbench.environments.commands import CommandError, Commands, last_lines
from poolbench.environments.interpreter import Interpreter, grafts
from poolbench.environments.inventory import needed
from poolbench.environments.reference import KERNEL, Reference
from poolbench.environments.release import MEMORY_TOOL, WORKER_NEEDS
from poolbench.environments.sources import Sources, kernel_sources
from poolbench.errors import BuildError

TREE = ".tree-"
"""What the names of build trees begin with."""

BUILD_REQUIREMENTS = ("nanobind", "numpy")
"""What the compiled module is built against; cmake and ninja are the tools."""

_TARGET = "_pool"
_PACKAGE = "poolbench/strided"
_CONFIGURE_TIMEOUT_S = 300.0
_BUILD_TIMEOUT_S = 3600.0
_SHOWN_ERRORS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What is built for a revision, and the name that it is kept under: by content, whichever commit brings it."""

    reference: Reference
    sources: Sources
    toolchain: dict[str, str]
    cache: Cache
    tell: Callable[[str], None]

    @classmethod
    def of(cls, reference: Reference, cache: Cache, tell: Callable[[str], None]) -> Kernel:
        """Look up the revision. Raises BuildError where it, or something that a build needs, is not there."""
        sources = kernel_sources(reference.text)
        return cls(reference=reference, sources=sources, toolchain=_toolchain(), cache=cache, tell=tell)

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits for the sources and what they are built with."""
        return _digest([self.toolchain, sorted(self.sources.blobs.items())])

    @property
    def name(self) -> str:
        """The folder's name."""
        return f"{KERNEL}-{self.key}"

    def build(self, folder: Path, commands: Commands) -> Contents:
        """Build the module and put the package into ``folder``. Raises BuildError with the builder's reason."""
        files = self.sources.read()
        name = f"{TREE}{_digest(self.toolchain)}"
        tree = self.cache.root / name
        with self.cache.lock(name, is_stopped=lambda: commands.is_stopped, waiting=self._say_waiting):
            module = self._compile(tree, files, commands)
            package = folder / KERNEL
            for path, content in files.items():
                if path.endswith(".py"):
                    _write(folder / Path(path).relative_to("poolbench"), content)
            shutil.copy2(module, package / module.name)
        return Contents(what=f"{KERNEL}@{self.sources.commit[:12]}", facts=self._facts, distributions=self._installed)

    def is_sound(self, path: Path) -> bool:
        """Whether the module is still there."""
        return any(path.glob(f"{KERNEL}/{_TARGET}.*"))

    def interpreter(self, entry: Entry) -> Interpreter:
        """Return the present interpreter with this kernel in place of its own."""
        return Interpreter(key=entry.name, grafts=grafts(modules={"poolbench.strided": entry.path}), facts=self._facts)

    @property
    def _facts(self) -> dict[str, str]:
        where = "working tree on " if self.sources.is_working_tree else ""
        return {
            "revision": f"{where}{self.sources.commit}",
            "kernel": self.key,
            "distributions": freeze(self._installed),
        }

    @property
    def _installed(self) -> dict[str, str]:
        return needed(WORKER_NEEDS, alone=(MEMORY_TOOL,))

    def _say_waiting(self) -> None:
        self.tell(f"{self.reference}: waiting for another build of the kernel …")

    def _compile(self, tree: Path, files: dict[str, bytes], commands: Commands) -> Path:
        """Return the compiled module, made in ``tree``, whose lock is held."""
        unfinished = tree / "unfinished"
        if unfinished.exists():
            # It was stopped in the middle of writing: what it left is not to be trusted.
            self.cache.discard(tree)
        tree.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        _lay_out(tree / "source", files)
        tools = self.toolchain
        launcher = shutil.which("ccache")
        configure = [
            *(_tool("cmake"), "-G", "Ninja", "-S", str(tree / "source"), "-B", str(tree / "build")),
            f"-DCMAKE_MAKE_PROGRAM={_tool('ninja')}",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-DCMAKE_CXX_COMPILER={tools['compiler']}",
            *([f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}"] if launcher else []),
        ]
        try:
            commands.run(configure, timeout_s=_CONFIGURE_TIMEOUT_S)
            commands.run([_tool("ninja"), "-C", str(tree / "build"), _TARGET], timeout_s=_BUILD_TIMEOUT_S)
        except CommandError as error:
            unfinished.unlink()
            raise BuildError(
                f"the kernel of {self.sources.commit[:12]} does not build; the compiler says: {_errors(error.output)}"
            ) from error
        unfinished.unlink()  # it stays marked where the build was stopped, by whom or whatever
        suffixes = importlib.machinery.EXTENSION_SUFFIXES
        found = [path for suffix in suffixes if (path := tree / "build" / f"{_TARGET}{suffix}").exists()]
        if not found:
            raise BuildError(f"the build of {self.sources.commit[:12]} made no module {_TARGET} for this Python.")
        return found[0]


def _toolchain() -> dict[str, str]:
    """Return what decides on the compiled code, the sources apart. Raises BuildError for what is missing."""
    for tool in ("cmake", "ninja"):
        _tool(tool)
    versions = {}
    for name in BUILD_REQUIREMENTS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            raise BuildError(
                f"a revision of the kernel is built with {name}, which is not installed here: pip install {name}"
            ) from None
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), "c++", "g++", "clang++"))), None)
    if compiler is None:
        raise BuildError("a revision of the kernel is built with a C++ compiler, and there is none here: install g++.")
    said = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "python": f"{sys.version} {sysconfig.get_config_var('SOABI')} {sys.executable}",
        "compiler": compiler,
        "compiler version": said.partition("\n")[0],
        "flags": os.environ.get("CXXFLAGS", ""),
        **versions,
    }


def _tool(name: str) -> str:
    """Return the path of a build tool: this environment's, else the one on PATH. Raises BuildError."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise BuildError(f"a revision of the kernel is built with {name}, and there is none here: pip install {name}")
    return found


def _lay_out(folder: Path, files: dict[str, bytes]) -> None:
    """Make ``folder`` hold ``files`` and nothing else; what is the same already keeps its time of change."""
    for path, content in files.items():
        target = folder / path
        if not (target.is_file() and target.read_bytes() == content):
            _write(target, content)
    for present in [path for path in folder.rglob("*") if path.is_file()]:
        if present.relative_to(folder).as_posix() not in files:
            present.unlink()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    path.write_bytes(content)


def _errors(output: str) -> str:
    """Return the first errors of a compiler or of CMake; the last lines where nothing looks like one."""
    lines = output.splitlines()
    errors = [line for line in lines if " error: " in line or line.startswith("ninja: error")]
    for index, line in enumerate(lines):
        if line.startswith("CMake Error"):
            errors += lines[index : index + 2]
    return last_lines("\n".join(errors[:_SHOWN_ERRORS]) or output)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
