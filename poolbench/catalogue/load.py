"""Catalogue files: one workload a line.

    line = FIRST [NAME] (KEY=VALUE)* ["#" SOURCE]

FIRST is a workload id, or the name of an entry that is known already, so a bare list of either is a catalogue too. A
name may end in a pass as an id does: ``resnet50_stem.train``.
NAME is how tables call the workload. KEY is model, layer, weight, tags, source_batch or note; tags are separated by
commas; a value with spaces stands in double quotes. SOURCE is what follows the first word that begins with #. Blank
lines and lines that begin with # are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from poolbench.catalogue.passes import trained
from poolbench.catalogue.tags import derived_tags
from poolbench.errors import CatalogueError, InvalidIdError, InvalidSpecError, unknown_name_message
from poolbench.model.ids import EXAMPLE_ID, looks_like_id, parse_id
from poolbench.model.workload import Workload

KEYS = ("model", "layer", "weight", "tags", "source_batch", "note")

_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_TAG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_NOTHING_KNOWN: Mapping[str, Workload] = MappingProxyType({})


def read_catalogue(path: Path, known: Mapping[str, Workload] = _NOTHING_KNOWN) -> list[Workload]:
    """Return the workloads of the file at ``path``, in its order. ``known`` is as for ``parse_catalogue``.

    Raises CatalogueError where the file cannot be read, holds no workload, or has a line that does not follow the
    grammar.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors may begin a file with a byte-order mark
    except OSError as error:
        raise CatalogueError(f"The workload file '{path}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CatalogueError(f"The workload file '{path}' is not text in UTF-8: {error.reason}.") from error
    workloads = parse_catalogue(text, file=str(path), known=known)
    if not workloads:
        raise CatalogueError(
            f"The workload file '{path}' holds no workload: write one id a line, such as {EXAMPLE_ID}."
        )
    return workloads


def parse_catalogue(text: str, *, file: str, known: Mapping[str, Workload] = _NOTHING_KNOWN) -> list[Workload]:
    """Return the workloads that ``text`` lists; ``file`` is what errors call it.

    ``known`` maps ids and names to workloads: a line that begins with one takes over what is known of it, and what
    the line itself says goes before. Raises CatalogueError, with the line and what was expected there.
    """
    workloads: list[Workload] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        place = f"{file}:{number}"
        workload = _parse_line(line, place, known)
        for what, key in (("id", workload.id), ("name", workload.origin.name)):
            if key and key in seen:
                raise CatalogueError(f"{place}: the {what} {key} stands in line {seen[key]} already: remove one.")
            seen[key] = number
        workloads.append(workload)
    return workloads


@dataclass(slots=True)
class _Line:
    """The parts of a line, not yet understood."""

    first: str
    name: str
    values: dict[str, str]
    source: str


def _parse_line(line: str, place: str, known: Mapping[str, Workload]) -> Workload:
    parts = _split(line, place)
    base = _resolve(parts.first, place, known)
    origin = base.origin
    if parts.name:
        origin = replace(origin, name=parts.name)
    if parts.source:
        origin = replace(origin, source=parts.source)
    weight, written = base.weight, list(base.tags)
    for key, value in parts.values.items():
        match key:
            case "model":
                origin = replace(origin, model=value)
            case "layer":
                origin = replace(origin, layer=value)
            case "note":
                origin = replace(origin, note=value)
            case "source_batch":
                origin = replace(origin, source_batch=_count(key, value, place))
            case "weight":
                weight = _count(key, value, place)
            case "tags":
                written += _tags(value, place)
    return replace(base, origin=origin, weight=weight, tags=tuple(dict.fromkeys((*derived_tags(base), *written))))


def _split(line: str, place: str) -> _Line:
    words: list[str] = []
    source = ""
    end = 0
    for match in _WORD.finditer(line):
        if line[end : match.start()].strip():
            break  # a quote that is not closed: the pattern steps over it
        if match[0].startswith("#"):
            source, end = line[match.start() + 1 :].strip(), len(line)
            break
        words.append(match[0])
        end = match.end()
    if line[end:].strip():
        raise CatalogueError(f"{place}: expected a closing double quote after {line[end:].strip()}")
    first, *rest = words
    parts = _Line(first=first, name="", values={}, source=source)
    for position, word in enumerate(rest):
        key, equals, value = word.partition("=")
        if not equals:
            if position > 0:
                raise CatalogueError(
                    f"{place}: expected key=value or '# source' after the name, found '{word}'; put a value with "
                    "spaces in double quotes."
                )
            if not _NAME.fullmatch(word) or looks_like_id(word):
                raise CatalogueError(
                    f"{place}: expected a name of letters, digits and _ . - after the id, found '{word}'; write one "
                    "workload a line."
                )
            parts.name = word
            continue
        if key not in KEYS:
            raise CatalogueError(f"{place}: {unknown_name_message('key', key, KEYS)}")
        if key in parts.values:
            raise CatalogueError(f"{place}: expected each key once, found a second {key}.")
        parts.values[key] = value.replace('"', "")
    return parts


def _resolve(first: str, place: str, known: Mapping[str, Workload]) -> Workload:
    if first in known:
        return known[first]
    try:
        in_training = trained(first, known)
    except InvalidSpecError as error:
        raise CatalogueError(f"{place}: {first} cannot be computed: {error}") from error
    if in_training is not None:
        return in_training
    if known and not looks_like_id(first):
        names = [name for name in known if not looks_like_id(name)]
        raise CatalogueError(
            f"{place}: expected a workload id, such as {EXAMPLE_ID}, or a name of the catalogue. "
            f"{unknown_name_message('workload', first, names)}"
        )
    try:
        workload = parse_id(first)
    except InvalidIdError as error:
        raise CatalogueError(f"{place}: {error}") from error
    return known.get(workload.id, workload)  # the line may spell the id in another way


def _count(key: str, value: str, place: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", value) or int(value) < 1:
        raise CatalogueError(f"{place}: expected a whole number from 1 on as {key}, found '{value[:40]}'.")
    return int(value)


def _tags(value: str, place: str) -> list[str]:
    tags = value.split(",")
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise CatalogueError(
                f"{place}: expected tags of small letters, digits, _ and -, separated by commas alone; found '{tag}'."
            )
    return tags
