"""What stands behind a subject's ``@``: a release, a git revision, or an interpreter's path.

A revision is of this project's kernel, or of the package that the current folder (or ``--repo``) is the project of.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from poolbench.backends import registry
from poolbench.backends.declaration import Project, read_project
from poolbench.errors import InvalidIdError, UsageError
from poolbench.model.subject import Subject

KERNEL = "strided"
"""The backends of this project's own kernel: this name, and its variants."""

WORKING_TREE = "."
"""The "revision" that is the sources as they lie in the repository, with what is not committed."""

_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9.]+)?", re.IGNORECASE)


class Kind(StrEnum):
    """The three ways to name an environment."""

    RELEASE = "release"
    REVISION = "revision"
    PATH = "path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An environment as a subject names it: ``text`` is the version, the git revision or the path.

    ``framework`` is the distribution that a release or an interpreter must have, and ``companions`` what the backend
    needs beside it; a revision has neither. A revision of another package than this one has a ``project``, which is the
    folder that pip builds, the ``paths`` that the build reads there (none for all), and the ``module`` that it gives.
    """

    kind: Kind
    text: str
    framework: str = ""
    companions: tuple[str, ...] = ()
    family: str = KERNEL
    project: Path | None = None
    paths: tuple[str, ...] = ()
    module: str = ""

    def __str__(self) -> str:
        if self.kind is Kind.REVISION:
            return f"{self.family}@rev:{self.text}"
        return f"{self.framework}@{'path:' if self.kind is Kind.PATH else ''}{self.text}"


def is_kernel(subject: Subject) -> bool:
    """Whether ``subject`` is this project's own kernel, which has revisions and no releases."""
    return subject.backend.partition(":")[0] == KERNEL


def reference(subject: Subject) -> Reference:
    """Return what ``subject``, which names an environment, asks for. Neither network nor git is asked.

    Raises InvalidIdError where that is none of the three, and UsageError where the backend cannot be had in it.
    """
    backend = registry.create(subject.backend)
    kind, text = _split(subject)
    if subject.is_limit:
        raise UsageError(
            f"'{subject}': the limit is this machine's, not that of a release or a revision. Write '{subject.backend}'."
        )
    if is_kernel(subject):
        if kind is not Kind.REVISION:
            other = "its releases are tags" if kind is Kind.RELEASE else "an interpreter of yours may not fit its build"
            raise UsageError(
                f"'{subject}': the kernel is built from this project's revisions, and {other}. Write "
                f"{subject.backend}@rev:GIT, such as {subject.backend}@rev:main, or @rev:. for the sources as they lie."
            )
        return Reference(kind=kind, text=text)
    if kind is Kind.REVISION:
        return _project_reference(subject, text)
    if not backend.framework:
        raise UsageError(f"'{subject}': {subject.backend} needs no framework, so that there is no release of it.")
    return Reference(
        kind=kind, text=text, framework=backend.framework, companions=tuple(getattr(backend, "companions", ()))
    )


def project_of(subject: Subject) -> tuple[Project, str]:
    """Return the project that revisions of ``subject`` (not the kernel) are built from, and the module that it gives.

    Raises UsageError where there is none, or it is that of another package.
    """
    home = registry.home(subject.backend)
    is_declared = registry.is_declared(subject.backend)
    if not is_declared and not home.distribution:
        raise UsageError(
            f"'{subject}': {subject.backend} is code of poolbench itself, of which revisions are built for the kernel "
            f"({KERNEL} and its variants) alone."
        )
    project = read_project()
    if project is None:
        raise UsageError(
            f"'{subject}': a revision is built from the package's git repository, and there is no pyproject.toml at or "
            f"above {Path.cwd()}. Run this in a clone of {home.distribution}, name one with --repo PATH, or take a "
            f"release, such as {subject.backend}@1.2.3."
        )
    if not is_declared and _folded(project.distribution) != _folded(home.distribution):
        raise UsageError(
            f"'{subject}': {subject.backend} comes from the package {home.distribution}, and the project in "
            f"{project.folder} is {project.distribution or 'one without a name'}. Run this in a clone of "
            f"{home.distribution}, or name one with --repo PATH."
        )
    return project, home.module


def settled(subject: Subject) -> Subject:
    """Return ``subject`` with its environment checked by ``reference``, and a path made absolute.

    A path is not resolved further: a virtual environment's interpreter is a link. A folder stands for its bin/python.
    """
    wanted = reference(subject)
    if wanted.kind is not Kind.PATH:
        return subject
    path = Path(os.path.abspath(Path(wanted.text).expanduser()))
    if path.is_dir():
        path = path / "bin" / "python"
    return replace(subject, environment=f"path:{path}")


def _project_reference(subject: Subject, text: str) -> Reference:
    project, module = project_of(subject)
    return Reference(
        kind=Kind.REVISION,
        text=text,
        family=subject.backend.partition(":")[0],
        project=project.folder,
        paths=project.paths,
        module=module,
    )


def _folded(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _split(subject: Subject) -> tuple[Kind, str]:
    text = subject.environment
    head, colon, rest = text.partition(":")
    if colon and head == "rev" and rest and not rest.startswith("-"):
        return Kind.REVISION, rest
    if colon and head == "path" and rest:
        return Kind.PATH, rest
    if _VERSION.fullmatch(text):
        return Kind.RELEASE, text
    raise InvalidIdError(
        f"'{subject}': '{text}' is no environment. Write a version of its framework (@1.2.3), a git revision "
        "(@rev:GIT, or @rev:. for the sources as they lie), or an interpreter (@path:PYTHON)."
    )
