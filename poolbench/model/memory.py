"""What one call of a subject takes of memory, and the least that the operation needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from poolbench.model.workload import Workload

NOT_MEASURED = "not measured: "
"""What the note of an amount without a figure begins with; a sentence that says why follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number of bytes; or, where ``bytes`` is None, a ``note`` that begins with NOT_MEASURED and says why.

    The note of a figure says what is special about it; both are empty where there is nothing to measure.
    """

    bytes: int | None = None
    note: str = ""


def not_measured(why: str) -> Amount:
    """Return the amount that is missing, with the sentence that says why."""
    return Amount(note=f"{NOT_MEASURED}{why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One call's account, in bytes; the input is the caller's and counts nowhere.

    ``output_bytes`` is the result's size and ``least_bytes`` what ``least_bytes`` says, both by arithmetic.
    ``requested`` is the peak of what the call holds of the allocators at one time, ``touched`` the peak of pages that
    it makes resident. ``saved`` is what the forward pass keeps for the backward one beside input and output; a forward
    workload has none.
    """

    output_bytes: int
    least_bytes: int
    saved: Amount = field(default=Amount())
    requested: Amount = field(default=Amount())
    touched: Amount = field(default=Amount())


FLAT = (
    "output_bytes", "saved_bytes", "requested_bytes", "touched_bytes", "least_bytes",
    "saved_note", "requested_note", "touched_note",
)  # fmt: skip
"""The names of ``flat``'s fields, in order: what the columns of tables for machines are called."""


def flat(memory: Memory | None) -> dict[str, int | str | None]:
    """Return an account as one field per figure and note; None, and empty notes, where there is none."""
    if memory is None:
        return {name: None if name.endswith("_bytes") else "" for name in FLAT}
    amounts = {"saved": memory.saved, "requested": memory.requested, "touched": memory.touched}
    fields: dict[str, int | str | None] = {"output_bytes": memory.output_bytes, "least_bytes": memory.least_bytes}
    fields |= {f"{part}_bytes": amount.bytes for part, amount in amounts.items()}
    fields |= {f"{part}_note": amount.note for part, amount in amounts.items()}
    return {name: fields[name] for name in FLAT}


def least_bytes(workload: Workload) -> int:
    """Return the bytes that any implementation must hold at one time for one call, its input not counted.

    Forward: the call hands out a new array of N·C·∏ᵢoᵢ elements of s bytes, oᵢ being the output's sizes (the rule of
    ``PoolSpec.output_spatial``), so it needs N·C·∏ᵢoᵢ·s. It needs no more: each element is the running maximum or sum
    of its own window, which takes a few registers, whatever the window. Nothing but the output grows with the input.

    Training: the forward part needs what a forward pass needs, the backward part the gradient of the input, which has
    the input's N·C·∏ᵢnᵢ elements, and both together N·C·(∏ᵢoᵢ + ∏ᵢnᵢ)·s. Nothing need be kept in between: an average's
    gradient follows from the output's gradient alone, and a maximum's place is found again in the input, which is the
    caller's.
    """
    return workload.written_bytes
