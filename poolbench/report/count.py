"""Counts of instructions in words: a table of them, and what a head's count says beside a base's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from poolbench.model.count import Count, CountChange
from poolbench.quantities import signed_percent

NOT_COUNTED = "–"


def count_rows(found: Sequence[Count], names: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    """Return the header and a row for each count: what of it is a call, and of what kinds it is."""
    header = ["workload", "subject", "instructions", "per output", "bytes per output", "scalar", "128", "256", "512",
              "loads", "stores"]  # fmt: skip
    return header, [_row(one, names) for one in found]


def count_lines(found: Sequence[Count]) -> list[str]:
    """Return what has to be known beside the table: the parts, where instructions lie, reasons and notes."""
    lines = []
    for counted, asked in dict.fromkeys((one.counted, one.workload) for one in found):
        if counted != asked:
            lines.append(f"Counted on {counted}, a part of {asked}.")
    for one in found:
        if one.instructions is None:
            lines.append(f"{one.subject}: {one.reason}")
            continue
        where = ", ".join(f"{name} {number:,}" for name, number in list(one.libraries.items())[:4])
        path = "".join(f" {kernel}" for kernel in one.path.values())
        extra = f"; {one.repeats:,} further rounds of rep" if one.repeats else ""
        calls = f"; {one.system_calls:,} system calls" if one.system_calls else ""
        lines.append(f"{one.subject}{path}: {where}{calls}{extra}")
        lines += [f"{one.subject}: {note}" for note in one.notes]
    counters = sorted({one.counter.value for one in found if one.instructions is not None})
    if counters:
        how = {"step": "one step at a time (ptrace)", "counter": "by the processor's counter (perf_event)"}
        lines.append(f"Counted {' and '.join(how[one] for one in counters)}. A count is no time.")
    return lines


def count_document(found: Sequence[Count]) -> list[dict[str, object]]:
    """Return the counts as data; ``docs/json.md`` has the keys."""
    return [
        {**asdict(one), "counter": one.counter.value, "per_output": one.per_output,
         "bytes_per_output": one.bytes_per_output}
        for one in found
    ]  # fmt: skip


def change_words(change: CountChange | None) -> str:
    """Return what a head's count says beside a base's, in few words; "–" where there is none."""
    if change is None or change.ratio is None:
        return NOT_COUNTED
    if change.is_equal:
        return "counts equal"
    if change.base.instructions == change.head.instructions:
        return "as many, of other kinds"
    return f"{signed_percent(change.ratio - 1)} instructions"


def change_sentence(change: CountChange | None, *, is_undecided: bool = False, same_memory: bool = False) -> str:
    """Return the same as a sentence; "" where nothing was counted.

    ``is_undecided`` and ``same_memory`` are of the verdict beside it: equal counts and equal memory then say that there
    is nothing in the code to decide about.
    """
    if change is None:
        return ""
    if change.ratio is None:
        reasons = [one.reason for one in (change.base, change.head) if one.instructions is None and one.reason]
        return f"Not counted: {reasons[0]}" if reasons else ""
    if change.is_equal:
        if is_undecided and same_memory:
            return "Same code path: counts and memory are equal, so what could not be decided is the machine's noise."
        return "Same code path: counts equal."
    return f"Counts: {change_words(change)}."


def _row(one: Count, names: Mapping[str, str]) -> list[str]:
    name = names.get(one.workload, one.workload)
    if one.instructions is None or one.per_output is None:
        return [name, one.subject, *[NOT_COUNTED] * 9]
    mix = one.mix
    kinds = [NOT_COUNTED] * 6 if mix is None else [
        f"{number:,}" for number in (mix.scalar, mix.bits128, mix.bits256, mix.bits512, mix.loads, mix.stores)
    ]  # fmt: skip
    about = "" if one.is_exact else "≈ "
    return [
        name,
        one.subject,
        f"{about}{one.instructions:,}",
        f"{one.per_output:.2f}",
        f"{one.bytes_per_output:.1f}",
        *kinds,
    ]


def count_change_document(change: CountChange | None) -> dict[str, object] | None:
    """Return a head's count beside a base's as data; None where nothing was counted."""
    if change is None:
        return None
    base, head = count_document((change.base, change.head))
    return {"ratio": change.ratio, "equal": change.is_equal, "base": base, "head": head}
