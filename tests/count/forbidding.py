"""Runs a command to which the system refuses some calls, as containers do.

python -m tests.count.forbidding CALL[,CALL…] COMMAND…    (names of CALLS; x86-64)
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

CALLS = {"ptrace": 101, "personality": 135, "perf_event_open": 298, "process_vm_readv": 310}

# https://docs.kernel.org/userspace-api/seccomp_filter.html
_SET_SECCOMP, _FILTER, _NO_NEW_PRIVILEGES = 22, 2, 38
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def forbid(numbers: list[int]) -> None:
    """Have this process, and all that it starts, get EPERM from the system calls of these numbers."""
    steps = [(_LOAD, 0, 0, 0)]
    for number in numbers:
        steps += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    code = ctypes.create_string_buffer(
        b"".join(struct.pack("HBBI", *step) for step in (*steps, (_RETURN, 0, 0, _ALLOW)))
    )
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps) + 1, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0), (_SET_SECCOMP, _FILTER, ctypes.c_void_p(ctypes.addressof(program)))):
        if libc.prctl(*arguments, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main() -> None:
    """Forbid what the first argument names, and become the command."""
    forbid([CALLS[name] for name in sys.argv[1].split(",")])
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
