"""Kinds of instructions, by their bytes."""

from __future__ import annotations

import pytest

from poolbench.measure.count.mix import by_file, difference, mix_of
from poolbench.measure.count.tracing import Trace
from poolbench.model.count import Mix

CODES = {
    0x10: bytes.fromhex("ffc9"),  # dec ecx
    0x12: bytes.fromhex("0f1006"),  # movups xmm0, [rsi]
    0x15: bytes.fromhex("c5fc110f"),  # vmovups [rdi], ymm1
    0x20: bytes.fromhex("62f17c48100e"),  # vmovups zmm1, [rsi]
    0x30: bytes.fromhex("488d4708"),  # lea rax, [rdi + 8]
    0x40: bytes.fromhex("53"),  # push rbx
}


def test_the_call_is_what_the_empty_one_has_not():
    trace = Trace(places=({1: 5, 2: 1}, {1: 5, 2: 4, 3: 1}), files=((0, 3, "/lib/a.so"), (3, 4, "")))
    assert difference(trace, 1) == {2: 3, 3: 1}
    assert by_file({2: 3, 3: 1, 9: 2}, trace) == {"a.so": 3, "(elsewhere)": 3}


def test_instructions_are_told_apart_by_their_registers_and_by_memory():
    pytest.importorskip("capstone")
    counts = dict(zip(CODES, (10, 20, 30, 40, 50, 60), strict=True))
    assert mix_of(counts, CODES) == Mix(scalar=120, bits128=20, bits256=30, bits512=40, loads=60, stores=90)
