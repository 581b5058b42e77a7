"""Finds backends by name through the entry points of the group ``poolbench.backends``; the built-in ones included.

Naming a backend imports nothing; making one imports its own file, and still no framework.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import cast

from poolbench.backends.base import Backend
from poolbench.backends.declaration import TABLE, declared
from poolbench.backends.declared import Declared
from poolbench.errors import MissingFrameworkError, UnknownNameError, UsageError
from poolbench.model.subject import LIMIT

GROUP = "poolbench.backends"

ALIASES = {"numpy": "numpy:shifted"}
"""Short names: the only ones there are."""

FOR_TESTS = "fake"
"""What the names of planted subjects begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendInfo:
    """What a listing says of a backend.

    ``framework`` is the distribution that it needs ("" for none), ``version`` the installed one's. ``problem`` is
    a sentence where the backend itself cannot be loaded; nothing else is known of it then.
    """

    name: str
    framework: str
    installed: bool
    version: str | None
    for_tests: bool
    problem: str = ""


def names() -> list[str]:
    """Return the names of all backends, sorted; those for tests, the streaming limit and declared ones included.

    Raises UsageError where the project's declarations cannot be read, or take a name that is registered.
    """
    registered = _registered()
    clash = sorted(registered & declared().keys())
    if clash:
        raise UsageError(f"The name '{clash[0]}' in [{TABLE}] is that of a registered backend: take another one.")
    return sorted(registered | declared().keys())


def is_declared(name: str) -> bool:
    """Whether ``name`` is a subject that the project declares. Raises UsageError as ``names`` does."""
    return name not in _registered() and name in declared()


def _registered() -> set[str]:
    return {point.name for point in metadata.entry_points(group=GROUP)}


def resolve(name: str) -> str:
    """Return the registered name that ``name`` stands for. Raises UnknownNameError with the nearest ones."""
    full = ALIASES.get(name, name)
    if full in _registered():
        return full  # whatever the file of a project says
    known = names()
    if full not in known:
        public = [*(known_name for known_name in known if not is_for_tests(known_name)), *ALIASES]
        raise UnknownNameError(
            "subject", name, public, f"See 'poolbench list backends'; a project's own stand in [{TABLE}]."
        )
    return full


def is_for_tests(name: str) -> bool:
    """Whether the registered ``name`` is a subject that is planted for tests."""
    return name.split(":")[0] == FOR_TESTS


def create(name: str) -> Backend:
    """Return a new instance of the backend ``name`` (or of what the alias stands for). Imports no framework.

    Raises UnknownNameError for a name that is not registered, and UsageError, naming the package at fault, where
    a registered backend cannot be imported or made.
    """
    full = resolve(name)
    point = next((point for point in metadata.entry_points(group=GROUP) if point.name == full), None)
    if point is None:
        return Declared(declared()[full])
    try:
        return cast(Backend, point.load()())
    except Exception as error:
        # A third-party package may fail in any way; the user must learn which package it was.
        package = point.dist.name if point.dist is not None else point.module
        raise UsageError(
            f"The subject '{full}' is registered by the package {package}, whose {point.value} cannot be loaded "
            f"({type(error).__name__}: {error}). Repair or uninstall {package}."
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The distribution that a backend's code comes from ("" where nobody says), and the module that it gives."""

    distribution: str
    module: str


def home(name: str) -> Home:
    """Return what must be installed for another ``name``: the framework of a built-in one, else its own package.

    Both are empty for a backend of poolbench's own code. Raises UnknownNameError as ``create`` does.
    """
    full = resolve(name)
    backend = create(full)
    if isinstance(backend, Declared):
        return Home(distribution="", module=backend.declaration.module.partition(".")[0])
    point = next(point for point in metadata.entry_points(group=GROUP) if point.name == full)
    if point.dist is None or point.dist.name == "poolbench":
        return Home(distribution=backend.framework, module=module_name(backend.framework))
    return Home(distribution=point.dist.name, module=point.module.partition(".")[0])


def require(backend: Backend) -> None:
    """Raise MissingFrameworkError, with what to install, where ``backend`` needs a package that is not here.

    Imports nothing. A backend that needs more than its framework names it in an attribute ``companions``.
    """
    if isinstance(backend, Declared):
        top = backend.declaration.module.partition(".")[0]
        if not _is_installed(top):
            raise MissingFrameworkError(
                f"The subject '{backend.name}' is of the module {top}, which is not installed here: pip install -e . "
                f"in its folder, or name a revision, such as {backend.name}@rev:HEAD."
            )
    for package in (backend.framework, *getattr(backend, "companions", ())):
        if package and not _is_installed(package):
            raise MissingFrameworkError(
                f"The subject '{backend.name}' needs the package {package}, which is not installed here: "
                f"pip install '{_installable(backend.name, package)}'."
            )


def describe(name: str) -> BackendInfo:
    """Return what a listing says of the backend ``name``. Raises UnknownNameError."""
    full = resolve(name)
    try:
        backend = create(full)
    except UnknownNameError:
        raise
    except UsageError as error:
        return BackendInfo(
            name=full, framework="", installed=False, version=None, for_tests=is_for_tests(full), problem=str(error)
        )
    try:
        require(backend)
        installed = True
    except MissingFrameworkError:
        installed = False
    return BackendInfo(
        name=full,
        framework=backend.framework,
        installed=installed,
        version=_version(backend.framework),
        for_tests=is_for_tests(full),
    )


def describe_all() -> list[BackendInfo]:
    """Return every registered backend's description, by name, without the streaming limit."""
    return [describe(name) for name in names() if name != LIMIT]


def _is_installed(package: str) -> bool:
    """Whether the module that ``package`` gives can be found: builds for other devices carry other names.

    A distribution that gives none, such as that of a C library, is installed where it is known.
    """
    try:
        if find_spec(module_name(package)) is not None:
            return True
    except (ImportError, ValueError):  # a namespace that is half there
        return False
    try:
        files = metadata.files(package) or ()
    except metadata.PackageNotFoundError:
        return False
    return bool(files) and all(file.parts[0] == ".." or file.parts[0].endswith(".dist-info") for file in files)


def _version(package: str) -> str | None:
    """Return the version of the distribution ``package``, or of another that gives its module."""
    if not package:
        return metadata.version("poolbench")
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        pass
    if not _is_installed(package):
        return None
    builds = metadata.packages_distributions().get(module_name(package), [])
    return metadata.version(builds[0]) if builds else None


def module_name(package: str) -> str:
    """Return the module that the distribution ``package`` gives."""
    return package.replace("-", "_")


def _installable(name: str, package: str) -> str:
    """Return what to install: an extra of the distribution that registers ``name`` where it has one for it."""
    for point in metadata.entry_points(group=GROUP):
        if point.name == name and point.dist is not None:
            for extra in point.dist.metadata.get_all("Provides-Extra") or []:
                needs = [line for line in point.dist.requires or [] if f"extra == '{extra}'" in line.replace('"', "'")]
                if any(re.split(r"[^\w.-]", line, maxsplit=1)[0] == package for line in needs):
                    return f"{point.dist.name}[{extra}]"
    return package
