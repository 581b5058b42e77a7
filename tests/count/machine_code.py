"""A process that calls machine code whose number of instructions is known, between marks.

python -m tests.count.machine_code CALLS NAME…    (names of CODES)
"""

from __future__ import annotations

import ctypes
import mmap
import sys

from poolbench.measure.count.marks import marked

ROUNDS = 1000


def _loop(rounds: int, extra: str = "") -> bytes:
    """Return: mov ecx, rounds; the extra instruction; dec ecx; jnz back; ret."""
    body = bytes.fromhex(extra + "ffc9")
    return b"\xb9" + rounds.to_bytes(4, "little") + body + b"\x75" + bytes([256 - len(body) - 2]) + b"\xc3"


CODES = {
    "return": (b"\xc3", 1, 0, 0),
    "loop": (_loop(ROUNDS), 2 + 2 * ROUNDS, 0, 0),
    "vector": (_loop(ROUNDS, "0f57c0"), 2 + 3 * ROUNDS, 0, 0),  # xorps xmm0, xmm0
    "planted": (_loop(ROUNDS, "0f57c00f57c0"), 2 + 4 * ROUNDS, 0, 0),
    # mov ecx, 100; lea rdi, [rsp - 200]; mov al, 0; rep stosb; ret
    "repeated": (bytes.fromhex("b964000000488dbc2438ffffffb000f3aac3"), 5, 99, 0),
    # mov eax, 39 (getpid); syscall; ret
    "system call": (bytes.fromhex("b8270000000f05c3"), 3, 0, 1),
}
"""By name: x86-64 code, its instructions, the further rounds of those that repeat, and its system calls."""


def main() -> int:
    """Mark the codes that are named, "return" first, so many calls each."""
    for name in ("return", *sys.argv[2:]):
        code = CODES[name][0]
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        marked(ctypes.CFUNCTYPE(None)(address), repeats=int(sys.argv[1]), warm=300)
    return 0


if __name__ == "__main__":
    sys.exit(main())
