"""Subjects that a project declares in its ``pyproject.toml``: any callable that pools, with no code of poolbench's.

    [tool.poolbench.subjects]
    mine = "package.module:function"

The project is the folder, at or above the current one, that has a ``pyproject.toml``; the variable POOLBENCH_REPOSITORY
names another. Reading a declaration imports nothing. ``docs/backends.md`` has the keys.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poolbench.errors import UsageError, nearest
from poolbench.model.pooling import AXIS_NAMES, Kind
from poolbench.model.workload import DType

REPOSITORY_VARIABLE = "POOLBENCH_REPOSITORY"
FILE = "pyproject.toml"
TABLE = "tool.poolbench.subjects"

WORDS = ("x", "window", "stride", "padding", "pads", "dilation", "kind")
"""What a signature may name: the array, sizes as tuples with one number per spatial axis, ``pads`` as pairs of (before,
after), and ``kind`` as the text "max" or "avg"."""

KEYS = ("call", "signature", "kind", "ranks", "layout", "dtypes", "include_padding")

DEFAULT_SIGNATURE = "x, window, stride, padding"

_CALL = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<function>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")
_NAME = re.compile(r"[A-Za-z_][\w.-]*(?::[\w.-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A declared subject: ``module:function`` takes what ``positional`` and ``keywords`` (by name) say.

    ``kinds`` and ``ranks`` are what it pools, ``channels_last`` whether its arrays lie so. ``include_padding`` is how
    its averages count padding.
    """

    name: str
    module: str
    function: str
    positional: tuple[str, ...]
    keywords: Mapping[str, str]
    kinds: tuple[Kind, ...] = (Kind.MAX,)
    ranks: tuple[int, ...] = (2,)
    channels_last: bool = False
    dtypes: tuple[DType, ...] = (DType.F32,)
    include_padding: bool = True

    @property
    def words(self) -> frozenset[str]:
        """What the callable is told."""
        return frozenset((*self.positional, *self.keywords.values()))

    @property
    def signature(self) -> str:
        """The call as it is declared."""
        return ", ".join((*self.positional, *(f"{name}={word}" for name, word in self.keywords.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with a ``pyproject.toml``: its distribution's name ("" where it says none), and what it declares.

    ``paths`` are what a build reads, relative to the folder; none for all that git has there.
    """

    folder: Path
    distribution: str = ""
    paths: tuple[str, ...] = ()
    subjects: Mapping[str, Declaration]


def project_folder() -> Path | None:
    """Return the folder of the project that this process is about; None where there is none.

    Raises UsageError where POOLBENCH_REPOSITORY names no project.
    """
    named = os.environ.get(REPOSITORY_VARIABLE)
    start = Path(named).expanduser().absolute() if named else Path.cwd()
    found = next((folder for folder in (start, *start.parents) if (folder / FILE).is_file()), None)
    if named and found is None:
        raise UsageError(f"There is no {FILE} at or above {start}: name the folder of a project that pip can install.")
    return found


def read_project() -> Project | None:
    """Return the project that this process is about; None where there is none. Raises UsageError for a bad file."""
    folder = project_folder()
    if folder is None:
        return None
    path = folder / FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    own = content.get("tool", {}).get("poolbench", {})
    declared = own.get("subjects", {}) if isinstance(own, dict) else None
    if not isinstance(declared, dict):
        raise UsageError(f'{path}: [{TABLE}] is no table. Write lines such as mine = "package.module:function" in it.')
    paths = own.get("paths", [])
    if not _is_texts(paths) or any(Path(each).is_absolute() or ".." in Path(each).parts for each in paths):
        raise UsageError(
            f"{path}: paths in [tool.poolbench] lists what a build reads, relative to {folder}, such as "
            '["pyproject.toml", "src"].'
        )
    name = content.get("project", {}).get("name", "")
    return Project(
        folder=folder,
        distribution=name if isinstance(name, str) else "",
        paths=tuple(paths),
        subjects={key: _declaration(path, key, value) for key, value in declared.items()},
    )


def declared() -> Mapping[str, Declaration]:
    """Return the subjects that the project declares, by name. Raises UsageError for a declaration that is none."""
    project = read_project()
    return {} if project is None else project.subjects


def _declaration(path: Path, name: str, value: object) -> Declaration:
    where = f"{path}: the subject '{name}' in [{TABLE}]"
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"{where} has no name that a subject can have: take letters, digits, - and _.")
    table: Mapping[str, Any] = {"call": value} if isinstance(value, str) else value if isinstance(value, dict) else {}
    for key in table:
        if key not in KEYS:
            near = (nearest(key, KEYS, 1) or [", ".join(KEYS)])[0]
            raise UsageError(f"{where} has the unknown key '{key}': known is {near}.")
    call = table.get("call")
    match = _CALL.fullmatch(call) if isinstance(call, str) else None
    if match is None:
        raise UsageError(f'{where} names no callable: write {name} = "package.module:function".')
    positional, keywords = _signature(where, table.get("signature", DEFAULT_SIGNATURE))
    kind = table.get("kind", "max")
    has_kind = "kind" in (*positional, *keywords.values())
    if kind not in list(Kind):
        raise UsageError(f"{where}: kind is {' or '.join(Kind)}, not '{kind}'.")
    ranks = table.get("ranks", [2])
    if not isinstance(ranks, list) or not ranks or any(rank not in AXIS_NAMES for rank in ranks):
        raise UsageError(f"{where}: ranks lists the numbers of spatial axes that it pools, such as [1, 2, 3].")
    layout = table.get("layout", "channels_first")
    if layout not in ("channels_first", "channels_last"):
        raise UsageError(f"{where}: layout is channels_first or channels_last, not '{layout}'.")
    dtypes = table.get("dtypes", ["f32"])
    if not _is_texts(dtypes) or not dtypes or any(each not in list(DType) for each in dtypes):
        raise UsageError(f"{where}: dtypes lists element types out of {', '.join(DType)}.")
    include_padding = table.get("include_padding", True)
    if not isinstance(include_padding, bool):
        raise UsageError(f"{where}: include_padding is true or false.")
    return Declaration(
        name=name,
        module=match["module"],
        function=match["function"],
        positional=positional,
        keywords=keywords,
        kinds=tuple(Kind) if has_kind else (Kind(kind),),
        ranks=tuple(ranks),
        channels_last=layout == "channels_last",
        dtypes=tuple(map(DType, dtypes)),
        include_padding=include_padding,
    )


def _signature(where: str, text: object) -> tuple[tuple[str, ...], dict[str, str]]:
    positional: list[str] = []
    keywords: dict[str, str] = {}
    for part in text.split(",") if isinstance(text, str) else [""]:
        name, is_keyword, word = (each.strip() for each in part.partition("="))
        word = word if is_keyword else name
        if word not in WORDS or (keywords and not is_keyword) or (is_keyword and not name.isidentifier()):
            raise UsageError(
                f"{where}: the signature '{text}' does not say what the callable takes. Write words out of "
                f'{", ".join(WORDS)}, in order, then name=word for keywords, such as "{DEFAULT_SIGNATURE}" or '
                '"x, kernel_size=window".'
            )
        if is_keyword:
            keywords[name] = word
        else:
            positional.append(word)
    words = (*positional, *keywords.values())
    if not {"x", "window"} <= set(words) or len(set(words)) < len(words) or {"padding", "pads"} <= set(words):
        raise UsageError(f"{where}: the signature '{text}' must name x and window, each word once, and one padding.")
    return tuple(positional), keywords


def _is_texts(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(each, str) for each in value)
