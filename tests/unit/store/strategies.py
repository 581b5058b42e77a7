"""Headers and rows of any content, by the types of their fields, and plain ones to vary by ``dataclasses.replace``."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass, replace
from typing import Any

from hypothesis import strategies as st

from poolbench.model.ids import parse_id
from poolbench.model.machine import Conditions, Hardware, MachineFingerprint
from poolbench.model.method import Method
from poolbench.model.result import ResultRow, RunHeader, Status
from poolbench.model.sample import Sample
from poolbench.model.subject import Subject, parse_subject
from poolbench.model.workload import Workload
from tests.unit.model.strategies import workloads


def anything(hint: Any) -> st.SearchStrategy[Any]:
    """Return values of the type ``hint``; a dataclass gets every field drawn, those with a default too."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Workload:
        return workloads()
    if hint is Subject:
        return SUBJECTS
    if is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{field.name: anything(hints[field.name]) for field in fields(hint)})
    if origin is types.UnionType:
        return st.one_of(*map(anything, arguments))
    if origin is tuple:
        return st.lists(anything(arguments[0]), max_size=4).map(tuple)
    if origin is dict:
        return st.dictionaries(anything(arguments[0]), anything(arguments[1]), max_size=4)
    if hint is str:
        # Halves of surrogate pairs included: file names that are not text come as such.
        return st.text(st.characters(), max_size=20)
    if hint is float:
        # Not a number is unequal to itself, so that it has a test of its own.
        return st.floats(allow_nan=False)
    return st.from_type(hint)


SUBJECTS = st.sampled_from(["strided", "torch:channels_last", "numpy@2.1.0", "torch+threads=2#3"]).map(parse_subject)

HEADERS: st.SearchStrategy[RunHeader] = anything(RunHeader)
ROWS: st.SearchStrategy[ResultRow] = st.tuples(anything(ResultRow), workloads(), SUBJECTS).map(
    lambda parts: replace(parts[0], workload=parts[1].id, subject=str(parts[2]))
)
"""Rows whose workload and subject a header can name."""

MACHINE = MachineFingerprint(
    hardware=Hardware(
        processor="Test(R) Processor 1",
        architecture="x86_64",
        cores=2,
        cache_bytes={"L1d": 49152},
        flags=("avx2",),
        memory_gib=24,
        virtualisation="kvm",
    ),
    conditions=Conditions(load_1min=0.1),
    software={"python": "CPython 3.11.7", "torch": "2.13.0"},
)


def plain_header(run: str = "20261122-010203-abcd") -> RunHeader:
    return RunHeader(
        run=run,
        started_at="2026-11-22T01:02:03+00:00",
        revision="0123abc",
        dirty=False,
        machine=MACHINE,
        method=Method(),
        budget_s=60.0,
        subjects=(parse_subject("numpy"), parse_subject("torch")),
        workloads=(parse_id("max2d-n1c1-h4w4-k2-f32-nchw"),),
    )


def plain_row(launch: int = 0, subject: str = "torch", run: str = "20261122-010203-abcd", note: str = "") -> ResultRow:
    sample = Sample(
        block=0,
        position=0,
        loops=10,
        elapsed_ns=10_000_000,
        cpu_ns=9_990_000,
        foreign_cpu_ns=10,
        page_faults=3,
        context_switches=1,
    )
    return ResultRow(
        run=run,
        launch=launch,
        importer=0,
        group=f"{launch}",
        revision="0123abc",
        dirty=False,
        started_at="2026-11-22T01:02:04+00:00",
        machine=MACHINE.key,
        workload="max2d-n1c1-h4w4-k2-f32-nchw",
        subject=subject,
        status=Status.OK,
        note=note,
        loops=10,
        samples=(sample,),
        seconds=0.5,
    )
