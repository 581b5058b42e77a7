"""The stepper: known code to the instruction, and what it says where it may not or cannot count."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from poolbench.measure.count import tracing
from poolbench.measure.count.tracing import TracingError, trace
from tests.count.machine_code import CODES

x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the known code is x86-64's")


@x86
def test_known_code_is_counted_to_the_instruction():
    names = [name for name in CODES if name != "return"]
    traced = trace(
        [sys.executable, "-m", "tests.count.machine_code", "3", *names], os.environ, limit=50_000, counter="step"
    )
    empty = traced.regions[2]
    for place, name in enumerate(names, 1):
        region = traced.regions[3 * place + 2]
        found = (region.instructions - empty.instructions + 1, region.repeats, region.system_calls - empty.system_calls)
        assert found == CODES[name][1:], name
        assert region.end == "mark"
    assert traced.end == "exited 0"


def marked(call: str, **options: int) -> tracing.Trace:
    source = f"import threading\nfrom poolbench.measure.count.marks import marked\nmarked({call}, repeats=2, warm=0)"
    return trace([sys.executable, "-c", source], os.environ, counter="step", **{"limit": 100_000, **options})


def test_a_call_that_is_too_long_is_ended_at_the_limit():
    (region,) = marked("lambda: sum(range(10**9))", limit=5_000).regions
    assert region.end == "limit" and region.instructions == 5_001


def test_a_call_that_starts_a_thread_is_not_counted_further():
    (region,) = marked("lambda: threading.Thread(target=print).start()").regions
    assert region.end == "thread"


def test_a_count_does_not_depend_on_what_was_allocated_before():
    source = """
import mmap
from poolbench.measure.count.marks import marked
kept = []
for _ in range(40):  # a pool has 31 blocks of this size, and an arena 256 pages
    kept.append(bytes(470))
    kept.append(mmap.mmap(-1, 9 * mmap.PAGESIZE))
    marked(lambda: bytes(470), repeats=2, warm=100)
"""
    traced = trace([sys.executable, "-c", source], os.environ, limit=10_000, counter="step")
    numbers = [region.instructions for region in traced.regions]
    least = [min(pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
    assert len(least) == 40 and len(set(least)) == 1


def test_a_process_that_dies_in_the_call_is_told():
    traced = marked("lambda: __import__('os')._exit(7)")
    assert traced.regions[-1].end == "ended" and traced.end == "exited 7"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("refused trace 1", "does not let a process be traced .*--cap-add=SYS_PTRACE"),
        ("refused counter 2", "counter of instructions cannot be had here .*--method step"),
        ("refused counter 13", "kernel.perf_event_paranoid"),
        ("refused execute 2", "could not be started"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(said: str, sentence: str, tmp_path: Path, monkeypatch):
    fake = tmp_path / "stepper"
    fake.write_text(f'#!/bin/sh\necho "{said}" > "$1"\n')
    fake.chmod(0o755)
    monkeypatch.setattr(tracing, "stepper_path", lambda: fake)
    with pytest.raises(TracingError, match=sentence):
        trace(["true"], {}, limit=1)


@x86
@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("ptrace", "This system does not let a process be traced (Operation not permitted)"),
        ("personality", "99 repeats, randomised True"),
        ("process_vm_readv", "99 repeats, randomised False"),  # what repeats is known by its code
    ],
)
def test_what_a_container_forbids(call: str, told: str):
    source = """
import os, sys
from poolbench.measure.count.tracing import TracingError, trace
try:
    traced = trace([sys.executable, "-m", "tests.count.machine_code", "1", "repeated"], os.environ, limit=9999)
    repeats = traced.regions[1].repeats - traced.regions[0].repeats
    print(f"{repeats} repeats, randomised {traced.is_randomised}")
except TracingError as error:
    print(error)
"""
    command = [sys.executable, "-m", "tests.count.forbidding", f"{call},perf_event_open", sys.executable, "-c", source]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith(told)


def test_only_what_decides_how_a_subject_computes_is_handed_on(tmp_path: Path, monkeypatch):
    fake = tmp_path / "stepper"
    fake.write_text("#!/bin/sh\n/usr/bin/env\n: > $1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(tracing, "stepper_path", lambda: fake)
    printed = trace(["true"], {"OMP_NUM_THREADS": "1", "USER": "me", "PATH": "/bin"}, limit=1).printed.splitlines()
    assert {"OMP_NUM_THREADS=1", "PATH=/bin", "PYTHONHASHSEED=0"} <= set(printed)
    assert not any(line.startswith("USER=") for line in printed)
