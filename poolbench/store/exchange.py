"""Runs that come from another store: taken over whole, or their missing rows added. Nothing that is here is replaced.

What another store offers is weighed first (``offers``), which writes nothing; ``take`` and ``add_rows`` then carry out
what can be done. A run is known by its machine and its name.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path

from poolbench.errors import StoreError
from poolbench.model.machine import Hardware
from poolbench.model.method import Method, timing_method
from poolbench.model.result import ResultRow, RunHeader
from poolbench.store.codec import encode_header, encode_row
from poolbench.store.jsonl import RunFile, is_run_name
from poolbench.store.reading import read_header, read_run
from poolbench.store.runs import SUFFIX, run_files


class Fate(StrEnum):
    """What becomes of a run that another store offers."""

    NEW = "new"
    """It is not here: it can be taken over."""
    SAME = "same"
    """Nothing in it is missing here."""
    MORE = "more"
    """It is here, and has rows that are missing here: they can be added."""
    CONFLICT = "conflict"
    """It contradicts what is here."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A run of another store. ``target`` is its place here, ``rows`` are the ones that are missing here.

    ``reason`` says what is wrong with it; nothing where nothing is.
    """

    path: Path
    fate: Fate
    header: RunHeader | None = None
    target: Path | None = None
    rows: tuple[ResultRow, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is here already: the hardware that bears each machine's key, and the methods that times were taken by."""

    hardware: dict[str, Hardware]
    methods: tuple[Method, ...]


def known_in(results_dir: Path) -> Known:
    """Return what the headers under ``results_dir`` say; those that cannot be read say nothing."""
    hardware: dict[str, Hardware] = {}
    methods: list[Method] = []
    for path in run_files(results_dir):
        try:
            header = read_header(path)
        except StoreError:
            continue  # `poolbench list runs` tells of it
        hardware.setdefault(header.machine.key, header.machine.hardware)
        if (method := timing_method(header.method)) not in methods:
            methods.append(method)
    return Known(hardware=hardware, methods=tuple(methods))


def offers(source: Path, results_dir: Path, known: Known) -> Iterator[Offer]:
    """Weigh each run under ``source`` against ``results_dir``. Raises StoreError where ``source`` has no runs."""
    if not source.is_dir():
        raise StoreError(f"There is no results folder {source} to take runs from.")
    if source.resolve() == results_dir.resolve():
        raise StoreError(f"{source} is the results folder itself: name the one that the runs come from.")
    paths = list(run_files(source))
    if not paths:
        raise StoreError(f"There are no runs under {source}: a results folder has them as <machine>/<run>{SUFFIX}.")
    hardware = dict(known.hardware)
    for path in paths:
        yield _weigh(path, results_dir, hardware)


def other_methods(offered: Iterable[Offer], known: Known) -> list[str]:
    """Return a sentence for each method that new runs were measured by and none of the runs here was."""
    runs: dict[str, list[str]] = {}
    for offer in offered:
        if offer.header is None or offer.fate is not Fate.NEW or not known.methods:
            continue
        method = timing_method(offer.header.method)
        if method not in known.methods:
            nearest = min(known.methods, key=lambda each: len(_differences(method, each)))
            runs.setdefault(", ".join(_differences(method, nearest)), []).append(offer.header.run)
    return [
        f"{_listed(names)} by another method than any run here ({what}): its times stand in no series with theirs."
        for what, names in runs.items()
    ]


def take(offer: Offer) -> None:
    """Copy a new run to its place. Raises StoreError where it cannot be written, or stands there by now."""
    assert offer.target is not None
    copy_new(offer.path, offer.target)


def add_rows(offer: Offer) -> tuple[str, ...]:
    """Append the rows that are missing here, and return what had to be put right. The machine's lock must be held."""
    assert offer.target is not None
    with RunFile.reopen(offer.target) as file:
        file.append(offer.rows)
        return file.warnings


def copy_new(source: Path, target: Path) -> None:
    """Copy a file to a name that must not exist, all of it or nothing. Raises StoreError."""
    draft = target.with_name(f"{target.name}.{secrets.token_hex(4)}.copying")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with source.open("rb") as read, draft.open("xb") as written:
                while chunk := read.read(1 << 20):
                    written.write(chunk)
                written.flush()
                os.fsync(written.fileno())
            os.link(draft, target)  # unlike a rename, it replaces nothing
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError as error:
        raise StoreError(f"{target} exists already, and nothing is overwritten.") from error
    except OSError as error:
        raise StoreError(
            f"{source} cannot be copied to {target.parent}: {error.strerror or error}. What was copied before stays; "
            "make room, and do it again."
        ) from error


def _weigh(path: Path, results_dir: Path, hardware: dict[str, Hardware]) -> Offer:
    try:
        header = read_header(path)
    except StoreError as error:
        return Offer(path=path, fate=Fate.UNREADABLE, reason=str(error))
    machine = header.machine.key
    # What a file from elsewhere says becomes the name of a file here.
    for what, name in (("machine", machine), ("run", header.run)):
        if not is_run_name(name):
            return Offer(path=path, fate=Fate.UNREADABLE, reason=f"{path}: '{name}' cannot name a {what}.")
    mine = hardware.setdefault(machine, header.machine.hardware)
    if mine != header.machine.hardware:
        what = ", ".join(_differences(header.machine.hardware, mine))
        reason = (
            f"run {header.run} comes from another machine that bears the key {machine} too ({what}): give one of them "
            "another name with POOLBENCH_MACHINE before it measures."
        )
        return Offer(path=path, fate=Fate.CONFLICT, header=header, reason=reason)
    target = results_dir / machine / f"{header.run}{SUFFIX}"
    if not target.exists():
        return Offer(path=path, fate=Fate.NEW, header=header, target=target)
    return _beside(path, header, target)


def _beside(path: Path, header: RunHeader, target: Path) -> Offer:
    """Weigh a run that is here as well."""
    try:
        if path.stat().st_size == target.stat().st_size and path.read_bytes() == target.read_bytes():
            return Offer(path=path, fate=Fate.SAME, header=header, target=target)
        theirs, mine = read_run(path), read_run(target)
    except (StoreError, OSError) as error:
        return Offer(path=path, fate=Fate.UNREADABLE, header=header, reason=str(error))
    if encode_header(theirs.header) != encode_header(mine.header):
        return _conflict(path, header, "its header differs from the one here")
    here = {row.key: encode_row(row) for row in mine.rows}
    differing = sum(encode_row(row) != here[row.key] for row in theirs.rows if row.key in here)
    if differing:
        return _conflict(path, header, f"{differing} of its rows differ from those here")
    missing = tuple(row for row in theirs.rows if row.key not in here)
    return Offer(path=path, fate=Fate.MORE if missing else Fate.SAME, header=header, target=target, rows=missing)


def _conflict(path: Path, header: RunHeader, what: str) -> Offer:
    reason = f"run {header.run} of {header.machine.key} is here with other contents: {what}. The one here stays."
    return Offer(path=path, fate=Fate.CONFLICT, header=header, reason=reason)


def _differences(theirs: Hardware | Method, mine: Hardware | Method) -> list[str]:
    return [
        f"{field.name} {getattr(theirs, field.name)} instead of {getattr(mine, field.name)}"
        for field in fields(theirs)
        if getattr(theirs, field.name) != getattr(mine, field.name)
    ]


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} others" if len(names) > 3 else "")
    return f"the run {shown} was measured" if len(names) == 1 else f"the runs {shown} were measured"
