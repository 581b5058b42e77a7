"""What a database was made from, and which of its Parquet files count: one JSON file, renamed into place last."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poolbench.store import typed
from poolbench.store.database.place import Place
from poolbench.store.database.schema import SCHEMA_VERSION
from poolbench.store.document import write_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of the store, as it was when it was read: its size, and when it was changed (ns since 1970).

    ``part`` is the part that its rows are in, none where ``problem`` says why it cannot be read. ``warnings`` say what
    of it was left out.
    """

    bytes: int
    changed_ns: int
    part: str = ""
    problem: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parquet:
    """A Parquet file in the folder of parts. One of another size was cut short, or is another's."""

    file: str
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A machine's month: its Parquet file for each table."""

    tables: dict[str, Parquet]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """``sources`` by path in the store, ``parts`` by machine and month. ``maker`` is poolbench's version."""

    store: str
    host: str
    maker: str
    sources: dict[str, Source] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def files(self) -> set[str]:
        """The names of all Parquet files that count."""
        return {parquet.file for part in self.parts.values() for parquet in part.tables.values()}


def write_manifest(place: Place, manifest: Manifest) -> None:
    """Put ``manifest`` in the place of the one before. Raises OSError."""
    write_document(place.manifest, SCHEMA_VERSION, typed.dump(Manifest, manifest))


def read_manifest(place: Place, maker: str) -> tuple[Manifest, str]:
    """Return what the database holds, and why it is to be made anew: nothing where it is not, or is not there yet.

    What is to be made anew holds nothing: what another schema or another version of poolbench made, what belongs to
    another folder or host, and what cannot be read.
    """
    empty = Manifest(store=str(place.store), host=place.host, maker=maker)
    try:
        record: Any = json.loads(place.manifest.read_text(encoding="utf-8"))
        schema = record.pop("schema", None) if isinstance(record, dict) else None
        if schema != SCHEMA_VERSION:
            return empty, f"it has schema {schema}, and this poolbench makes {SCHEMA_VERSION}"
        found = typed.load(Manifest, record)
        assert isinstance(found, Manifest)
    except FileNotFoundError:
        return empty, ""
    except (OSError, ValueError) as error:
        return empty, f"its list of files cannot be read ({error})"
    if (found.store, found.host) != (empty.store, empty.host):
        return empty, f"it belongs to {found.store} on {found.host}, not to {empty.store} on {empty.host}"
    if found.maker != maker:
        return empty, f"poolbench {found.maker} made it, and this is {maker}"
    return found, ""


def damage(place: Place, part: Part) -> str:
    """Return what is wrong with a part's files by their sizes; nothing where all is well."""
    for parquet in part.tables.values():
        path = place.parts / Path(parquet.file).name
        try:
            size = path.stat().st_size
        except OSError as error:
            return f"{path.name} cannot be read ({error.strerror or error})"
        if size != parquet.bytes:
            return f"{path.name} has {size} bytes instead of {parquet.bytes}"
    return ""
