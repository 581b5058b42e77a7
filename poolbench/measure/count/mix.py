"""What kinds of instructions were executed: by file, and by the width of the registers that each touches."""

from __future__ import annotations

import platform
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from poolbench.measure.count.tracing import Trace
from poolbench.model.count import Mix

_NAMELESS = "(elsewhere)"


def difference(trace: Trace, region: int) -> dict[int, int]:
    """Return by address what a region executed beyond the first: the call, less one that does nothing."""
    empty, call = trace.places[0], trace.places[region]
    return {
        address: count
        for address in empty.keys() | call.keys()
        if (count := call.get(address, 0) - empty.get(address, 0))
    }


def by_file(counts: Mapping[int, int], trace: Trace) -> dict[str, int]:
    """Return the instructions by the name of the file that they lie in, most first."""
    files = sorted(trace.files)
    begins = [begin for begin, _, _ in files]
    found: Counter[str] = Counter()
    for address, count in counts.items():
        place = bisect_right(begins, address) - 1
        inside = place >= 0 and address < files[place][1]
        found[(Path(files[place][2]).name if inside and files[place][2] else _NAMELESS)] += count
    return {name: count for name, count in found.most_common() if count}


def has_mix() -> bool:
    """Whether instructions can be told apart here: by capstone, of x86-64."""
    return platform.machine() in ("x86_64", "AMD64") and find_spec("capstone") is not None


def mix_of(counts: Mapping[int, int], codes: Mapping[int, bytes]) -> Mix | None:
    """Return how many instructions of each kind ``counts`` has; None where they cannot be told apart."""
    if not has_mix():
        return None
    import capstone

    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    disassembler.detail = True
    widths: Counter[int] = Counter()
    loads = stores = 0
    for address, count in counts.items():
        instruction = next(disassembler.disasm(codes[address], address, 1), None)
        if instruction is None:  # newer than the disassembler: what is encoded by EVEX or VEX is a vector's
            widths[_encoded_width(codes[address])] += count
            continue
        widths[_width(instruction)] += count
        reads, writes = _memory(instruction, capstone)
        loads += count * reads
        stores += count * writes
    return Mix(
        scalar=widths[0],
        bits128=widths[128],
        bits256=widths[256],
        bits512=widths[512],
        loads=loads,
        stores=stores,
    )


_PREFIXES = (("zmm", 512), ("ymm", 256), ("xmm", 128))


def _width(instruction: object) -> int:
    text = instruction.op_str  # type: ignore[attr-defined]  # capstone ships no types
    return next((bits for prefix, bits in _PREFIXES if prefix in text), 0)


def _memory(instruction: object, capstone: object) -> tuple[bool, bool]:
    """Return whether an instruction reads memory, and whether it writes it; addresses alone (lea, nop) are neither."""
    if instruction.mnemonic in ("lea", "nop") or instruction.mnemonic.startswith("prefetch"):  # type: ignore[attr-defined]
        return False, False
    mnemonic = instruction.mnemonic  # type: ignore[attr-defined]
    reads, writes = mnemonic in ("pop", "ret"), mnemonic in ("push", "call")
    for place, operand in enumerate(instruction.operands):  # type: ignore[attr-defined]
        if operand.type != capstone.x86.X86_OP_MEM:  # type: ignore[attr-defined]
            continue
        # Of AVX capstone 5 takes stores for loads; there the first operand is where the result goes, and only there.
        if operand.access and not mnemonic.startswith("v"):
            reads |= bool(operand.access & capstone.CS_AC_READ)  # type: ignore[attr-defined]
            writes |= bool(operand.access & capstone.CS_AC_WRITE)  # type: ignore[attr-defined]
        else:
            writes |= place == 0
            reads |= place > 0
    return reads, writes


def _encoded_width(code: bytes) -> int:
    if code[:1] == b"\x62" and len(code) > 3:
        return (128, 256, 512, 512)[(code[3] >> 5) & 3]
    if code[:1] == b"\xc5" and len(code) > 1:
        return 256 if code[1] & 4 else 128
    if code[:1] == b"\xc4" and len(code) > 2:
        return 256 if code[2] & 4 else 128
    return 0
