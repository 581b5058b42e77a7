"""Every error that poolbench raises on purpose, and the exit code of each.

    PoolbenchError
    ├── UsageError                   exit 2: the request cannot be carried out as written
    │   ├── InvalidSpecError         a pooling spec or a shape that does not fit it
    │   ├── InvalidIdError           a workload id or a subject that does not parse
    │   ├── UnknownNameError         a name that nothing is registered under
    │   ├── CatalogueError           a catalogue file that cannot be read, with file and line
    │   ├── MissingFrameworkError    a framework that is not installed here
    │   ├── MissingExtraError        packages of an extra that are not installed here
    │   └── ResumeError              a run that must not be continued
    ├── StoreError                   exit 2: results that cannot be read or written
    │   └── RunLockedError           another run holds this machine
    └── MeasurementError             exit 3: the measurement itself failed
        ├── DiskFullError            a row that could not be stored
        ├── CaptureError             a user's model that failed before its calls were seen
        └── BuildError               an environment that could not be made

Messages are sentences for the person who caused them: what, where, the nearest valid choice, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of every command (one table for all of them)."""

    DONE = 0
    REGRESSION = 1
    USAGE = 2
    MEASUREMENT_FAILED = 3
    UNDECIDED = 4
    INTERRUPTED = 130
    OUTPUT_LOST = 141
    """All went well but for printing it, as into a full disk. A reader that goes away is not even that."""


class PoolbenchError(Exception):
    """The root of the tree: ``except PoolbenchError`` catches all that poolbench raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class UsageError(PoolbenchError):
    """The request cannot be carried out as written."""


class InvalidSpecError(UsageError):
    """A pooling spec contradicts itself, or does not fit the shape it is applied to."""


class InvalidIdError(UsageError):
    """A workload id or a subject does not follow its grammar."""


class UnknownNameError(UsageError):
    """A name is not registered. The message lists the nearest names that are."""

    def __init__(self, what: str, name: str, known: Iterable[str], advice: str = "") -> None:
        super().__init__(unknown_name_message(what, name, known, advice))


class CatalogueError(UsageError):
    """A catalogue file is missing or has a line that cannot be read."""


class MissingFrameworkError(UsageError):
    """A backend's framework is not installed in this environment."""


class MissingExtraError(UsageError):
    """What was asked for needs packages that the base installation leaves out."""


class ResumeError(UsageError):
    """A run must not be continued: software, machine or method differ from its beginning."""


class StoreError(PoolbenchError):
    """Results cannot be read or written."""


class RunLockedError(StoreError):
    """Another run is measuring on this machine."""


class MeasurementError(PoolbenchError):
    """The measurement itself failed."""

    exit_code = ExitCode.MEASUREMENT_FAILED


class DiskFullError(MeasurementError):
    """A finished row could not be stored, so measuring on would lose results."""


class CaptureError(MeasurementError):
    """A user's model failed, or its process did, before any of its pooling calls was seen."""


class BuildError(MeasurementError):
    """A subject's environment could not be made. Its subject is reported as failed with this; the others go on."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to ``count`` of ``known`` that resemble ``name``, best first."""
    return difflib.get_close_matches(name, list(known), n=count, cutoff=0.4)


def unknown_name_message(what: str, name: str, known: Iterable[str], advice: str = "") -> str:
    """Say that ``name`` is unknown, with the nearest valid names."""
    choices = sorted(set(known))
    close = nearest(name, choices)
    if close:
        hint = f"Did you mean {' or '.join(close)}?"
    elif choices:
        hint = f"Known: {', '.join(choices[:12])}{' …' if len(choices) > 12 else ''}."
    else:
        hint = "None is known."
    return " ".join(part for part in (f"There is no {what} '{name}'.", hint, advice) if part)
