"""Counts of instructions: what one call of a subject executes, as a second opinion beside its time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Counter(StrEnum):
    """Who counts. STEP: ptrace, one instruction at a time, exact. COUNTER: the processor, exact but for interrupts."""

    STEP = "step"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Instructions by the widest register that each touches, in bits, and how many of them read or write memory.

    ``scalar`` has those that touch no vector register. An instruction that reads and writes is in both.
    """

    scalar: int = 0
    bits128: int = 0
    bits256: int = 0
    bits512: int = 0
    loads: int = 0
    stores: int = 0

    @property
    def wide(self) -> tuple[int, int]:
        """How many touch registers of 256 and of 512 bits, which the interpreter does not."""
        return self.bits256, self.bits512


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What was counted of one call of ``subject``.

    ``workload`` is what was asked for and ``counted`` the part of it that the call was made on, both as ids.
    ``instructions`` are those of the call from Python less those of a call that does nothing (``empty``); None where
    nothing was counted, and ``reason`` says why. ``repeats`` are further rounds of instructions that repeat, such as
    ``rep movsb``, and are not in it. ``is_exact``: at least two of three
    calls had the same count, the least. ``libraries`` has the
    instructions by the file that they lie in, most first. ``mix`` is None without a disassembler or off x86-64.
    ``outputs`` is how many elements a call makes, ``touched_bytes`` what it must read and write once at least.
    ``path`` names the kernels, where the subject tells; ``notes`` are sentences on what to know of the count.
    """

    workload: str
    counted: str
    subject: str
    outputs: int
    touched_bytes: int
    instructions: int | None = None
    reason: str = ""
    is_exact: bool = True
    counter: Counter = Counter.STEP
    empty: int = 0
    repeats: int = 0
    system_calls: int = 0
    libraries: dict[str, int] = field(default_factory=dict)
    mix: Mix | None = None
    path: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def per_output(self) -> float | None:
        """Instructions for each element of the output."""
        return None if self.instructions is None else self.instructions / self.outputs

    @property
    def bytes_per_output(self) -> float:
        """Bytes that must be read and written at least for each element of the output."""
        return self.touched_bytes / self.outputs


COUNTER_TOLERANCE = 0.001
"""A processor's counter errs by an instruction or so at each interrupt: less than this is no difference there."""

INTERPRETER_SLACK = 64
"""Instructions of the interpreter that depend on how full its allocator's pools are, as the length of a path decides.
Two processes of one command have the same; those of two environments differed by 19 here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChange:
    """A head's count beside a base's, on the same part of a workload."""

    base: Count
    head: Count

    @property
    def ratio(self) -> float | None:
        """Head's instructions over base's; None where either was not counted, by another way, or on another part."""
        base, head = self.base, self.head
        if not base.instructions or head.instructions is None:
            return None
        if (base.counted, base.counter) != (head.counted, head.counter):
            return None
        return head.instructions / base.instructions

    @property
    def is_equal(self) -> bool:
        """Whether the same code was executed: as many instructions in each library, but for the interpreter's slack."""
        base, head = self.base, self.head
        if self.ratio is None or base.instructions is None or head.instructions is None:
            return False
        if base.counter is Counter.COUNTER:
            return abs(self.ratio - 1) <= COUNTER_TOLERANCE
        if base.mix is not None and head.mix is not None and base.mix.wide != head.mix.wide:
            return False
        return _outside(base) == _outside(head) and abs(base.instructions - head.instructions) <= INTERPRETER_SLACK


def _outside(count: Count) -> dict[str, int]:
    """Return the instructions by library, without those of Python's own."""
    return {name: number for name, number in count.libraries.items() if not name.startswith(("python", "libpython"))}
