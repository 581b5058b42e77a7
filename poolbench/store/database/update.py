"""Bringing a database up to date: only files of the store that are new or have changed are read again.

A part (a machine's month) is written under new names, and counts when the manifest that names it is renamed into place.
Whoever is killed before that leaves the database as it was, and files that the next update removes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from poolbench.errors import PoolbenchError, StoreError
from poolbench.store.database.manifest import Manifest, Part, Source, damage, read_manifest, write_manifest
from poolbench.store.database.parquet import DamagedPart, PartWriter, Tables
from poolbench.store.database.place import LOCK_WAIT_S, Place, unwritable, writing
from poolbench.store.reading import StoredRun, read_header, read_run
from poolbench.store.runs import run_files

COMMIT_S = 5.0
"""An update that takes long says so often what is done, so that little is done again after it was killed."""

KEPT_S = 900.0
"""Files that no longer count stay for so long: another process may be reading them."""

Derive = Callable[[StoredRun], Tables]
Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What an update has to do: ``stale`` and ``fresh`` files by part, and files that cannot be read."""

    stale: dict[str, set[str]]
    fresh: dict[str, dict[str, Source]]
    unreadable: dict[str, Source]

    @property
    def parts(self) -> list[str]:
        """The parts to write anew."""
        return sorted(self.stale.keys() | self.fresh.keys())

    @property
    def moves(self) -> bool:
        """Whether a file's rows go from one part to another, which has to happen at once."""
        return any(
            name in stale
            for to, files in self.fresh.items()
            for part, stale in self.stale.items()
            if part not in ("", to)
            for name in files
        )


def update(
    place: Place,
    derive: Derive,
    *,
    maker: str,
    tell: Tell = lambda text: None,
    timeout_s: float = LOCK_WAIT_S,
    again: Iterable[str] = (),
) -> Manifest:
    """Bring the database of ``place.store`` up to date, and return what it holds.

    ``derive`` works out the tables of a stored run. ``maker`` is poolbench's version. ``tell`` is given a sentence for
    what is made anew and why, what is waited for, and what cannot be read. Parts named in ``again`` are made anew.

    Raises StoreError where another process writes for longer than ``timeout_s``, where the database cannot be written,
    or where the results folder cannot be listed. The results are never written to.
    """

    def waiting() -> None:
        tell(f"another process brings the database of {place.store} up to date: waiting for it.")

    with writing(place, timeout_s=timeout_s, waiting=waiting):
        manifest, why = read_manifest(place, maker)
        if why:
            tell(f"the database of {place.store} is made anew: {why}.")
        _sweep(place, manifest)
        broken = {name: why for name, part in manifest.parts.items() if (why := damage(place, part))}
        broken |= {name: "it could not be read" for name in again if name in manifest.parts and name not in broken}
        for name, why in sorted(broken.items()):
            tell(f"the part {name} of the database of {place.store} is made anew: {why}.")
        manifest = _without(manifest, broken)
        found = _found(place.store)
        changes = _changes(place.store, found, manifest)
        if changes.parts or changes.unreadable or broken or why:
            manifest = _carry_out(place, manifest, changes, derive, tell)
    for name, source in sorted(manifest.sources.items()):
        if source.problem:
            tell(f"{name} is left out: {source.problem}")
        for warning in source.warnings:
            tell(warning)
    return manifest


def _found(store: Path) -> dict[str, Source]:
    """Return the files of the store, as they are now."""
    found = {}
    for path in run_files(store):
        try:
            state = path.stat()
        except FileNotFoundError:
            continue  # moved away just now
        found[f"{path.parent.name}/{path.name}"] = Source(bytes=state.st_size, changed_ns=state.st_mtime_ns)
    return found


def _changes(store: Path, found: dict[str, Source], manifest: Manifest) -> _Changes:
    changes = _Changes(stale={}, fresh={}, unreadable={})
    for name, known in manifest.sources.items():
        now = found.get(name)
        if now is None or (now.bytes, now.changed_ns) != (known.bytes, known.changed_ns):
            changes.stale.setdefault(known.part, set()).add(name)
    for name, now in found.items():
        known = manifest.sources.get(name, replace(now, bytes=-1))
        if (now.bytes, now.changed_ns) == (known.bytes, known.changed_ns):
            continue
        try:
            header = read_header(store / name)
            month = _month(header.started_at)
        except StoreError as error:
            changes.unreadable[name] = replace(now, problem=str(error))
        except ValueError:
            changes.unreadable[name] = replace(now, problem=f"'{header.started_at}' is no moment that it began.")
        else:
            changes.fresh.setdefault(f"{header.machine.key}/{month}", {})[name] = now
    return changes


def _month(started_at: str) -> str:
    moment = datetime.fromisoformat(started_at)
    return f"{(moment if moment.tzinfo is None else moment.astimezone(UTC)):%Y-%m}"


def _carry_out(place: Place, manifest: Manifest, changes: _Changes, derive: Derive, tell: Tell) -> Manifest:
    """Write the parts that change, and the manifest: in between as well, but where that would count a file twice."""
    before, counting = manifest.files, time.monotonic()
    gone = set().union(*changes.stale.values())
    sources = {name: source for name, source in manifest.sources.items() if name not in gone} | changes.unreadable
    parts = dict(manifest.parts)
    parts.pop("", None)
    # What stays to be done is not among the sources: whoever is killed leaves it to the next one.
    pending = {name: source for name, source in manifest.sources.items() if name in gone}
    writer = PartWriter(place)
    try:
        for name in changes.parts:
            if not name:
                continue  # files that could not be read have no part
            part, done = _write_part(writer, place, name, parts.get(name), changes, derive, tell, sources)
            sources |= done
            if part is None:
                parts.pop(name, None)
            else:
                parts[name] = part
            for file in changes.stale.get(name, ()):
                pending.pop(file, None)
            if time.monotonic() - counting > COMMIT_S and not changes.moves:
                manifest = _commit(place, replace(manifest, sources={**sources, **pending}, parts=parts))
                counting = time.monotonic()
        manifest = _commit(place, replace(manifest, sources=sources, parts=parts))
    finally:
        writer.close()
    _retire(place, before - manifest.files)
    return manifest


def _write_part(
    writer: PartWriter,
    place: Place,
    name: str,
    old: Part | None,
    changes: _Changes,
    derive: Derive,
    tell: Tell,
    sources: dict[str, Source],
) -> tuple[Part | None, dict[str, Source]]:
    """Write one part anew; return it (None where nothing is left of it) and its files that were read."""
    fresh = dict(changes.fresh.get(name, {}))
    writer.begin()
    if old is not None:
        try:
            writer.keep(old, changes.stale.get(name, ()))
        except DamagedPart as error:
            tell(f"the part {name} of the database of {place.store} is made anew: {error}.")
            fresh |= {file: source for file, source in sources.items() if source.part == name}
            writer.begin()
    done: dict[str, Source] = {}
    for file, source in sorted(fresh.items()):
        try:
            stored = read_run(place.store / file)
            writer.add(file, derive(stored))
        except PoolbenchError as error:
            done[file] = replace(source, part="", problem=str(error))
        else:
            done[file] = replace(source, part=name, problem="", warnings=stored.warnings)
    return writer.finish(), done


def _commit(place: Place, manifest: Manifest) -> Manifest:
    try:
        write_manifest(place, manifest)
    except OSError as error:
        raise unwritable(place, error) from error
    return manifest


def _without(manifest: Manifest, parts: Iterable[str]) -> Manifest:
    """Return the manifest as if ``parts`` had never been made."""
    gone = set(parts)
    return replace(
        manifest,
        sources={name: source for name, source in manifest.sources.items() if source.part not in gone},
        parts={name: part for name, part in manifest.parts.items() if name not in gone},
    )


def _retire(place: Place, files: Iterable[str]) -> None:
    """Begin the time that files which no longer count are kept."""
    for file in files:
        try:
            (place.parts / file).touch()
        except OSError as error:
            raise unwritable(place, error) from error


def _sweep(place: Place, manifest: Manifest) -> None:
    """Remove what no longer counts, and what was being written when somebody was killed."""
    counting, before = manifest.files, time.time() - KEPT_S
    try:
        for path in place.parts.iterdir():
            is_old = path.suffix != ".parquet" or path.stat().st_mtime < before
            if path.name not in counting and is_old:
                path.unlink()
        for draft in place.folder.glob(f"{place.manifest.name}.*"):
            draft.unlink()
    except OSError as error:
        raise unwritable(place, error) from error
