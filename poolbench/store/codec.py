"""Result files' records: RunHeader and ResultRow as JSON objects, one per line, and back to equal objects.

A record is ``{"record": "run" | "row", "schema": 7, …fields}``. Its fields are those of the dataclass, by its type
hints: nested dataclasses are objects, tuples are lists, enums their values, subjects and workloads the texts that name
them (a run's ``names`` are those of its workloads in the catalogue), and samples one list per field. JSON has no NaN or
infinity, so a float that is one is written as the text "nan", "inf" or "-inf".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, TypeAlias

from poolbench.errors import PoolbenchError, StoreError
from poolbench.model.ids import parse_id
from poolbench.model.result import SCHEMA_VERSION, ResultRow, RunHeader
from poolbench.model.subject import parse_subject
from poolbench.store import typed

Record: TypeAlias = dict[str, Any]

RUN = "run"
ROW = "row"


def _from_schema_1(record: Record) -> Record:
    """Schema 2 has a row's ``memory``, for which ``peak_bytes`` is no substitute: it was blind to reused memory."""
    if record.get("record") == ROW:
        return {field: value for field, value in record.items() if field != "peak_bytes"}
    method = record.get("method")
    return {**record, "method": {**method, "memory": False}} if isinstance(method, dict) else record


def _as_it_is(record: Record) -> Record:
    """What the next schema adds says by its default how it was before."""
    return record


CONVERSIONS: Mapping[int, Callable[[Record], Record]] = {
    1: _from_schema_1,
    2: _as_it_is,  # 3 has a row's evidence of disturbance and its stage: rows from before have none, and surveyed
    3: _as_it_is,  # 4 has a method's stay: buffers moved with each block
    4: _as_it_is,  # 5 has a method's one_core: processes ran on any core
    # 6 has null for dirty where the revision is "unknown", which was the installed version, and false. It has the
    # machine's identity and CPU quota: machines had no name of their own, and none was asked for. A row names its
    # kernels, which was not told. A header has what a gate was begun with: gates from before are judged again by roles
    # that are given.
    5: _as_it_is,
    6: _as_it_is,  # 7 has what a fleet's run was measured for: runs from before were no fleet's
    # 8 has a method's warm, mirrored and shared: a tenth of a slot was run before it, each block's order was drawn, and
    # each subject read an input of its own.
    7: _as_it_is,
}
"""For each schema before the present one, the function that makes its records into those of the next."""


def encode_header(header: RunHeader) -> bytes:
    """Return ``header`` as one line, newline included."""
    return _line(RUN, {**typed.dump(RunHeader, header), "names": header.names})


def encode_row(row: ResultRow) -> bytes:
    """Return ``row`` as one line, newline included."""
    return _line(ROW, typed.dump(ResultRow, row))


def decode_line(line: bytes) -> RunHeader | ResultRow:
    """Return what ``line`` holds. Raises StoreError, with what is wrong but not where, for anything else."""
    record = upgrade(_parse(line))
    kind = record.pop("record", None)
    del record["schema"]
    target = {RUN: RunHeader, ROW: ResultRow}.get(kind) if isinstance(kind, str) else None
    if target is None:
        raise StoreError(f"its record is {kind!r}, not 'run' or 'row'.")
    try:
        names = typed.load(dict[str, str], record.pop("names", {}), "names") if target is RunHeader else {}
        if target is RunHeader:
            for field, unknown in (("workloads", unknown_workload), ("subjects", unknown_subject)):
                if isinstance(record.get(field), list):
                    record[field] = _known(field, record[field], unknown)
        decoded = typed.load(target, record)
    except typed.FieldError as error:
        raise StoreError(f"{error}.") from error
    if isinstance(decoded, RunHeader):
        return replace(decoded, workloads=tuple(workload.named(names) for workload in decoded.workloads))
    assert isinstance(decoded, ResultRow)
    return decoded


def _known(field: str, texts: list[object], unknown: Callable[[object], str]) -> list[object]:
    """Return the workloads or subjects that this version knows. Raises StoreError where it knows none of them."""
    problems = {str(text): unknown(text) for text in texts}
    known = [text for text in texts if not problems[str(text)]]
    if problems and not known:
        raise StoreError(f"it has no {field} that this poolbench knows: {next(iter(problems.values()))}")
    return known


@cache
def unknown_workload(text: object) -> str:
    """Return why ``text`` names no workload that this version knows; "" where it does. A later one may know more."""
    return _problem(parse_id, text)


@cache
def unknown_subject(text: object) -> str:
    """Return why ``text`` names no subject, as ``unknown_workload`` does."""
    return _problem(parse_subject, text)


def _problem(parse: Callable[[str], object], text: object) -> str:
    try:
        if isinstance(text, str):
            parse(text)
    except PoolbenchError as error:
        return str(error)
    return ""


def upgrade(
    record: Record,
    *,
    conversions: Mapping[int, Callable[[Record], Record]] = CONVERSIONS,
    version: int = SCHEMA_VERSION,
) -> Record:
    """Return ``record`` in schema ``version``, converted step by step. Raises StoreError where no way leads there."""
    schema = record.get("schema")
    if type(schema) is not int or schema < 1:
        raise StoreError(f"its schema version is {schema!r}, not a whole number from 1 on.")
    if schema > version:
        raise StoreError(
            f"it is written in schema {schema}, and this poolbench reads up to {version}: read it with the poolbench "
            "that wrote it, or a newer one."
        )
    while schema < version:
        if schema not in conversions:
            raise StoreError(f"it is written in schema {schema}, which this poolbench no longer converts.")
        schema += 1
        record = {**conversions[schema - 1](record), "schema": schema}
    return dict(record)


def _line(kind: str, fields: Record) -> bytes:
    # ASCII only: a line cannot then be broken by an encoding, a line separator or half a surrogate pair.
    record = {"record": kind, "schema": SCHEMA_VERSION, **fields}
    return json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def _parse(line: bytes) -> Record:
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise StoreError(f"byte {error.start + 1} of the line is not text.") from error
    except json.JSONDecodeError as error:
        raise StoreError(f"it is not a JSON object ({error.msg} at character {error.pos + 1}).") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"it is not a JSON object ({error}).") from error
    if not isinstance(record, dict):
        raise StoreError("it is JSON, but not an object.")
    return record


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")
