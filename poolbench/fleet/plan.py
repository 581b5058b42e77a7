"""A plan: a file in TOML that says what a fleet measures. It is checked here, and expanded to tasks."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from poolbench.backends import registry
from poolbench.catalogue.select import choose
from poolbench.environments.reference import Kind, reference
from poolbench.environments.revisions import revisions
from poolbench.errors import UnknownNameError, UsageError
from poolbench.model.fleet import ANY, FleetTask
from poolbench.model.method import Cache, LayoutPolicy
from poolbench.model.subject import number_copies, parse_subject
from poolbench.model.workload import Workload

SECONDS_PER_WORKLOAD = 9.0
MOST_REPETITIONS = 1000
MOST_TASKS = 1_000_000

_TOP = (
    "sweep",
    "kinds",
    "repetitions",
    "seconds",
    "launches",
    "workloads_per_task",
    "threads",
    "cache",
    "layout",
    "memory",
)
_SWEEP = ("workloads", "passes", "subjects", "releases", "revisions")

_Enum = TypeVar("_Enum", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """The tasks of a plan, those of the first repetition first; ``notes`` say what was left out of it."""

    path: Path
    tasks: tuple[FleetTask, ...]
    notes: tuple[str, ...] = ()


def read_plan(path: Path) -> FleetPlan:
    """Return the plan in ``path``.

    Raises UsageError, naming the file and the field, for what a plan cannot say.
    """
    try:
        with path.open("rb") as file:
            record = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"The plan {path} cannot be read: {error.strerror or error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The plan {path} is no TOML: {error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The plan {path} is no text: byte {error.start + 1} cannot be read as UTF-8.") from error
    try:
        return _plan(path, record)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _plan(path: Path, record: Mapping[str, Any]) -> FleetPlan:
    _require_known(record, _TOP, "a plan")
    sweeps = record.get("sweep")
    if not isinstance(sweeps, list) or not sweeps or not all(isinstance(sweep, dict) for sweep in sweeps):
        raise UsageError("A plan has one [[sweep]] or more, each with workloads and subjects; this one has none.")
    kinds = _texts(record, "kinds") or [ANY]
    for kind in kinds:
        require_kind(kind)
    repetitions = _whole(record, "repetitions", 1, most=MOST_REPETITIONS)
    chunk = _whole(record, "workloads_per_task", 1, most=1000)
    seconds = _seconds(record)
    shared: dict[str, Any] = {
        "launches": _whole(record, "launches", 0, least=0, most=100),
        "threads": _whole(record, "threads", 1, most=4096),
        "cache": _one_of(record, "cache", Cache),
        "layout": _one_of(record, "layout", LayoutPolicy),
        "memory": _truth(record, "memory"),
    }
    groups: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    notes: list[str] = []
    for sweep in sweeps:
        _require_known(sweep, _SWEEP, "a [[sweep]]")
        choice = choose(_texts(sweep, "workloads", needed=True), passes=_texts(sweep, "passes"))
        notes += choice.notes
        teams = _teams(sweep)
        groups += [(part, team) for part in _parts(choice.workloads, chunk) for team in teams]
    count = repetitions * len(groups) * len(kinds)
    if count > MOST_TASKS:
        raise UsageError(f"It makes {count:,} tasks, and {MOST_TASKS:,} are the most: split it, or repeat it less.")
    tasks = [
        FleetTask(
            workloads=workloads,
            subjects=subjects,
            seconds=seconds * len(workloads),
            kind=kind,
            repetition=repetition,
            **shared,
        )
        for repetition in range(repetitions)
        for workloads, subjects in groups
        for kind in kinds
    ]
    return FleetPlan(path=path, tasks=tuple({task.key: task for task in tasks}.values()), notes=tuple(notes))


def require_kind(kind: str) -> None:
    """Raise UsageError where ``kind`` cannot name a kind of machine."""
    if not kind or not all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in kind):
        raise UsageError(
            f"'{kind}' cannot name a kind of machine: use letters, digits, '.', '_' and '-', such as epyc-zen4."
        )


def _parts(workloads: Sequence[Workload], size: int) -> list[tuple[str, ...]]:
    ids = [workload.id for workload in workloads]
    return [tuple(ids[start : start + size]) for start in range(0, len(ids), size)]


def _teams(sweep: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the subjects that are measured together: all of the sweep's, and one release or revision at a time."""
    beside = _texts(sweep, "subjects")
    singles = [
        *(f"{name}@{release}" for name, release in _points(sweep, "releases")),
        *(f"{name}@rev:{_commit(name, text)}" for name, text in _points(sweep, "revisions")),
    ]
    if not beside and not singles:
        raise UsageError("A [[sweep]] needs subjects, such as subjects = ['strided', 'torch'].")
    return [_team([*beside, *single]) for single in ([[text] for text in singles] or [[]])]


def _team(texts: Sequence[str]) -> tuple[str, ...]:
    subjects = [parse_subject(text) for text in texts]
    for subject in subjects:
        registry.create(subject.backend)
        if not subject.environment:
            continue
        wanted = reference(subject)
        if wanted.kind is Kind.PATH:
            raise UsageError(
                f"'{subject}' names a path, and a plan cannot say where things lie on other machines: name a release, "
                f"such as {subject.backend}@1.2.3, or a revision."
            )
        if wanted.kind is Kind.REVISION and not _is_commit(wanted.text):
            raise UsageError(
                f"'{subject}' may mean another commit on each machine. Write revisions = {{ {subject.backend} = "
                f"['{wanted.text}'] }}, which is looked up once, here."
            )
    return tuple(map(str, number_copies(subjects)))


def _commit(backend: str, text: str) -> str:
    """Return the digits of the commit that ``text`` means in the repository of ``backend``."""
    if _is_commit(text):
        return text
    return revisions(f"{text}..{text}", parse_subject(backend))[0].commit


def _is_commit(text: str) -> bool:
    return 12 <= len(text) <= 40 and all(letter in "0123456789abcdef" for letter in text)


def _points(sweep: Mapping[str, Any], field: str) -> list[tuple[str, str]]:
    table = sweep.get(field, {})
    if not isinstance(table, dict):
        raise UsageError(f"'{field}' takes a table, such as {field} = {{ numpy = ['2.0.2', '2.1.3'] }}.")
    return [(name, text) for name in table for text in _texts(table, name, needed=True)]


def _require_known(record: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    for name in record:
        if name not in known:
            raise UnknownNameError(f"field of {what}", name, known, f"There are {', '.join(known)}.")


def _texts(record: Mapping[str, Any], field: str, *, needed: bool = False) -> list[str]:
    value = record.get(field, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise UsageError(f"'{field}' takes a list of texts, such as {field} = ['…'], not {value!r}.")
    if needed and not value:
        raise UsageError(f"'{field}' is missing or empty: it takes a list of texts.")
    return value


def _whole(record: Mapping[str, Any], field: str, default: int, *, most: int, least: int = 1) -> int:
    value = record.get(field, default)
    if type(value) is not int or not least <= value <= most:
        raise UsageError(f"'{field}' takes a whole number from {least} to {most:,}, not {value!r}.")
    return value


def _seconds(record: Mapping[str, Any]) -> float:
    value = record.get("seconds", SECONDS_PER_WORKLOAD)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 86_400:
        raise UsageError(f"'seconds' takes the seconds to measure a workload for, from 1 to 86,400, not {value!r}.")
    return float(value)


def _truth(record: Mapping[str, Any], field: str) -> bool:
    value = record.get(field, False)
    if not isinstance(value, bool):
        raise UsageError(f"'{field}' takes true or false, not {value!r}.")
    return value


def _one_of(record: Mapping[str, Any], field: str, kinds: type[_Enum]) -> _Enum:
    value = record.get(field, next(iter(kinds)).value)
    if value not in [kind.value for kind in kinds]:
        raise UsageError(f"'{field}' takes {' or '.join(kind.value for kind in kinds)}, not {value!r}.")
    return kinds(value)
