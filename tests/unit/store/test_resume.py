from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given

from poolbench.errors import ResumeError
from poolbench.model.machine import Conditions
from poolbench.model.method import Cache, Limits
from poolbench.model.result import UNKNOWN_REVISION, RunHeader
from poolbench.model.subject import Subject, parse_subject
from poolbench.store.resume import check_resumable
from tests.unit.store.strategies import HEADERS, MACHINE, plain_header


def named(*texts: str) -> tuple[Subject, ...]:
    return tuple(map(parse_subject, texts))


@given(HEADERS)
def test_the_same_header_may_go_on(header: RunHeader) -> None:
    assert check_resumable(header, header) is None


def test_budget_conditions_and_time_may_differ() -> None:
    stored = plain_header()
    machine = dataclasses.replace(MACHINE, conditions=Conditions(load_1min=9.0, governor="powersave"))
    now = dataclasses.replace(stored, budget_s=1.0, started_at="later", machine=machine)
    assert check_resumable(stored, now) is None


def _software(**changes: str | None) -> Any:
    versions = {name: version for name, version in {**MACHINE.software, **changes}.items() if version is not None}
    return {"machine": dataclasses.replace(MACHINE, software=versions)}


STORED = plain_header()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (_software(torch="2.14.0"), ["torch was 2.13.0, and is 2.14.0"]),
        (_software(torch=None), ["torch was 2.13.0, and is not installed now"]),
        (_software(onnx="1.20"), ["onnx was not installed, and is 1.20 now"]),
        (
            {"machine": dataclasses.replace(MACHINE, hardware=dataclasses.replace(MACHINE.hardware, cores=4))},
            ["the machine was test-processor-1-2c-24g-", "the machine's cores was 2, and is 4"],
        ),
        ({"method": dataclasses.replace(STORED.method, threads=2)}, ["the method's threads was 1, and is 2"]),
        ({"method": dataclasses.replace(STORED.method, cache=Cache.COLD)}, ["cache was hot, and is cold"]),
        (
            {"method": dataclasses.replace(STORED.method, limits=Limits(memory_bytes=1))},
            ["the method's limits.memory_bytes was", "and is 1"],
        ),
        ({"revision": "fedc"}, ["revision was 0123abc, and is fedc"]),
        ({"dirty": True}, ["had none when the run began, and have uncommitted changes now"]),
        (
            {"subjects": named("numpy")},
            ["subjects included torch, which is no longer asked for"],
        ),
        ({"subjects": named("numpy", "torch", "strided")}, ["subjects did not include strided"]),
        (
            {"subjects": named("torch", "numpy")},
            ["order numpy, torch, and are now in torch, numpy"],
        ),
        ({"workloads": ()}, ["workloads included max2d-n1c1-h4w4-k2-f32-nchw"]),
    ],
)
def test_each_difference_is_said_in_words(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ResumeError) as caught:
        check_resumable(STORED, dataclasses.replace(STORED, **changes))
    message = str(caught.value)
    assert STORED.run in message and "start a new run with 'poolbench compare'" in message
    for word in words:
        assert word in message


def test_nobody_can_tell_whether_two_unknown_revisions_are_the_same() -> None:
    unknown = dataclasses.replace(STORED, revision=UNKNOWN_REVISION, dirty=None)
    for stored, now in ((unknown, unknown), (unknown, STORED), (STORED, unknown)):
        with pytest.raises(ResumeError, match=r"revision was \w+, and is \w+: its sources may have changed") as caught:
            check_resumable(stored, now)
        assert str(caught.value).count("\n  - ") == 1


def test_one_name_for_two_machines_does_not_mix_their_rows() -> None:
    named = dataclasses.replace(MACHINE, identity="bench-1")
    other = dataclasses.replace(named, hardware=dataclasses.replace(named.hardware, cores=4))
    with pytest.raises(ResumeError) as caught:
        check_resumable(dataclasses.replace(STORED, machine=named), dataclasses.replace(STORED, machine=other))
    assert "the machine's cores was 2, and is 4" in str(caught.value)
    assert "the machine was bench-1" not in str(caught.value)


def test_all_differences_are_listed_at_once() -> None:
    now = dataclasses.replace(STORED, revision="fedc", dirty=True, **_software(torch="2.14.0", python="CPython 3.12.0"))
    with pytest.raises(ResumeError) as caught:
        check_resumable(STORED, now)
    assert str(caught.value).count("\n  - ") == 4
