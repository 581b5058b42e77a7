from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.analyse.compare.summary import summarise
from poolbench.errors import StoreError
from poolbench.model.fleet import FleetTerms
from poolbench.model.method import Method
from poolbench.model.result import SCHEMA_VERSION, UNKNOWN_REVISION, ResultRow, RunHeader, Verification
from poolbench.store.codec import decode_line, encode_header, encode_row, upgrade
from poolbench.store.reading import read_run
from poolbench.store.typed import FieldError
from tests.unit.store.strategies import HEADERS, ROWS, plain_header, plain_row

ROOT = Path(__file__).parents[3]
ROW = plain_row()


def refuse(name: str) -> None:
    raise AssertionError(f"bare {name} in JSON")


@given(HEADERS)
def test_header_comes_back_equal(header: RunHeader) -> None:
    line = encode_header(header)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    json.loads(line, parse_constant=refuse)
    assert repr(decode_line(line)) == repr(header)  # repr tells 1 from 1.0 and "hot" from Cache.HOT, == does not
    assert decode_line(line) == header


@given(ROWS)
def test_row_comes_back_equal(row: ResultRow) -> None:
    line = encode_row(row)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    json.loads(line, parse_constant=refuse)
    assert repr(decode_line(line)) == repr(row)
    assert decode_line(line) == row


def test_not_a_number_comes_back() -> None:
    row = dataclasses.replace(plain_row(), verification=Verification(exact_ulp=math.nan), seconds=-math.inf)
    line = encode_row(row)
    json.loads(line, parse_constant=refuse)
    back = decode_line(line)
    assert isinstance(back, ResultRow)
    assert back.verification.exact_ulp is not None and math.isnan(back.verification.exact_ulp)
    assert back.seconds == -math.inf


def test_records_say_what_they_are_and_hold_samples_as_columns() -> None:
    header, row = json.loads(encode_header(plain_header())), json.loads(encode_row(plain_row()))
    assert (header["record"], header["schema"]) == ("run", SCHEMA_VERSION)
    assert (row["record"], row["schema"]) == ("row", SCHEMA_VERSION)
    assert row["samples"]["elapsed_ns"] == [10_000_000]
    assert row["status"] == "OK"


def test_numbers_of_numpy_are_stored_as_numbers() -> None:
    row: Any = dataclasses.replace(plain_row(), loops=np.int64(7), seconds=np.float32(0.5), launch=np.uint64(9))
    back = decode_line(encode_row(row))
    assert isinstance(back, ResultRow)
    assert (back.loops, back.seconds, back.launch) == (7, 0.5, 9)
    assert type(back.loops) is int


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("loops", 1.5, "loops is 1.5, not a whole number"),
        ("dirty", 1, "dirty is 1, not true or false"),
        ("status", "FINE", "not one of OK, UNSUPPORTED"),
        ("facts", {"isa": 2}, "facts.isa is 2, not text"),
        ("seconds", "fast", "seconds is 'fast', not a number"),
        ("verification", None, "verification is None, not an object"),
        ("samples", {"loops": [1]}, "the samples lack the columns block"),
        ("samples", {"loops": [1], "block": []}, "the columns of samples differ in length"),
        ("samples", {"loops": [True]}, "samples.loops is not a list of whole numbers"),
        ("samples", {"speed": [1]}, "samples.speed is not a column"),
        ("colour", "red", "colour is not a field"),
        ("schema", "1", "schema version is '1'"),
        ("schema", 0, "schema version is 0"),
        ("schema", True, "schema version is True"),
        ("record", "column", "record is 'column'"),
        ("record", ["row"], "record is ['row']"),
    ],
)
def test_a_field_that_does_not_fit_is_named(field: str, value: object, words: str) -> None:
    record = json.loads(encode_row(plain_row()))
    record[field] = value
    with pytest.raises(StoreError) as caught:
        decode_line(json.dumps(record).encode())
    assert words in str(caught.value)


def test_a_missing_field_is_named_and_one_with_a_default_is_not_needed() -> None:
    record = json.loads(encode_row(plain_row()))
    del record["note"]
    assert decode_line(json.dumps(record).encode()) == plain_row()
    del record["workload"]
    with pytest.raises(StoreError, match="the field workload is missing"):
        decode_line(json.dumps(record).encode())


@pytest.mark.parametrize("field", ["loops", "launch"])
def test_writing_refuses_a_wrong_type_by_name(field: str) -> None:
    row: Any = dataclasses.replace(plain_row(), **{field: "many"})
    with pytest.raises(FieldError, match=f"{field} is 'many', not a whole number"):
        encode_row(row)


def test_a_newer_schema_is_refused_with_advice() -> None:
    record = {**json.loads(encode_row(plain_row())), "schema": SCHEMA_VERSION + 1, "unknown": 1}
    with pytest.raises(StoreError, match=rf"schema {SCHEMA_VERSION + 1}.*reads up to {SCHEMA_VERSION}.*newer"):
        decode_line(json.dumps(record).encode())


def test_runs_from_before_inputs_were_shared_had_their_own_and_drew_each_order() -> None:
    record = json.loads(encode_header(plain_header()))
    record["schema"] = 7
    for field in ("warm", "mirrored", "shared"):
        del record["method"][field]
    header = decode_line(json.dumps(record).encode())
    assert isinstance(header, RunHeader)
    assert (header.method.warm, header.method.mirrored, header.method.shared) == (0.1, False, False)


def test_older_schemas_are_converted_step_by_step() -> None:
    conversions = {
        1: lambda record: {**record, "b": record["a"] + 1},
        2: lambda record: {"c": record["b"] * 10},
    }
    assert upgrade({"schema": 1, "a": 1}, conversions=conversions, version=3) == {"schema": 3, "c": 20}
    assert upgrade({"schema": 2, "b": 1}, conversions=conversions, version=3) == {"schema": 3, "c": 10}
    with pytest.raises(StoreError, match="no longer converts"):
        upgrade({"schema": 1}, conversions={2: conversions[2]}, version=3)


def test_runs_from_before_the_memory_ledger_are_read() -> None:
    header, row = (json.loads(encode(value)) for encode, value in ((encode_header, plain_header()), (encode_row, ROW)))
    for record in (header, row):
        record["schema"] = 1
    del header["method"]["memory"], row["memory"], row["memory_seconds"]
    row["peak_bytes"] = 4096  # blind to memory that was used again: no figure of the ledger
    old = decode_line(json.dumps(header).encode())
    assert isinstance(old, RunHeader)
    assert old == dataclasses.replace(plain_header(), method=Method(memory=False))
    assert decode_line(json.dumps(row).encode()) == ROW
    row["schema"] = 2
    with pytest.raises(StoreError, match="peak_bytes is not a field"):
        decode_line(json.dumps(row).encode())


def test_an_unknown_revision_comes_back_and_runs_from_before_it_could_be_stored_are_read() -> None:
    unknown = dataclasses.replace(plain_header(), revision=UNKNOWN_REVISION, dirty=None)
    assert decode_line(encode_header(unknown)) == unknown
    record = {**json.loads(encode_header(plain_header())), "schema": 5}
    assert decode_line(json.dumps(record).encode()) == plain_header()


def test_rows_from_before_the_evidence_of_disturbance_are_read() -> None:
    record = {**json.loads(encode_row(ROW)), "schema": 2}
    del record["evidence"]
    back = decode_line(json.dumps(record).encode())
    assert isinstance(back, ResultRow)
    assert back == ROW and back.evidence == ()


def test_runs_from_before_a_machine_had_a_name_are_read() -> None:
    record = {**json.loads(encode_header(plain_header())), "schema": 5}
    del record["machine"]["identity"], record["machine"]["conditions"]["cpu_quota"]
    back = decode_line(json.dumps(record).encode())
    assert isinstance(back, RunHeader)
    assert back == plain_header() and back.machine.key == back.machine.hardware.key


@pytest.mark.parametrize("path", sorted((ROOT / "results").glob("*/*.jsonl")), ids=lambda path: path.stem)
def test_the_runs_of_this_repository_are_read(path: Path) -> None:
    run = read_run(path)
    assert run.rows and not run.warnings
    assert summarise(run.header, run.rows).workloads


@given(st.binary(max_size=60))
def test_any_bytes_give_a_sentence(line: bytes) -> None:
    with pytest.raises(StoreError, match=r"\.$"):
        decode_line(line)


@given(ROWS.map(encode_row), st.data())
def test_a_torn_line_is_never_taken_for_a_whole_one(line: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(line) - 2))
    with pytest.raises(StoreError):
        decode_line(line[:cut])


@pytest.mark.parametrize("text", [b"NaN", b'{"a": NaN}', b"[" * 100_000, b"1" * 10_000, b"[]", b"\xff"])
def test_what_is_not_a_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(StoreError):
        decode_line(text)


def test_a_run_from_before_schema_7_was_no_fleet_s_and_one_from_then_on_keeps_what_it_was_for() -> None:
    record = {**json.loads(encode_header(plain_header())), "schema": 6}
    del record["fleet"]
    assert decode_line(json.dumps(record).encode()) == plain_header()
    terms = FleetTerms(kind="arm", repetition=2, findings=("It is busy.",))
    back = decode_line(encode_header(dataclasses.replace(plain_header(), fleet=terms)))
    assert isinstance(back, RunHeader) and back.fleet == terms
