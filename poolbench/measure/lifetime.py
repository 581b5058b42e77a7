"""Processes that end with their parent, and within their means."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the process ``parent`` ends, and end now if it already has.

    Where the kernel offers no such thing (outside Linux), the end of the channel has to serve.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)


def cap_memory(budget_bytes: int) -> None:
    """Let this process take ``budget_bytes`` of private memory beyond what it holds now; more is refused to it.

    The limit is on private writable mappings: frameworks reserve far more address space than they ever use, so a
    limit on addresses would stop them at once.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    cap = private_bytes() + budget_bytes
    if hard != resource.RLIM_INFINITY:
        cap = min(cap, hard)
    if soft == resource.RLIM_INFINITY or cap < soft:
        resource.setrlimit(resource.RLIMIT_DATA, (cap, hard))


def private_bytes() -> int:
    """Return the bytes of private writable mappings that RLIMIT_DATA counts; 0 where the system does not tell."""
    return status_bytes("VmData")


def status_bytes(field: str) -> int:
    """Return a field of ``/proc/self/status`` in bytes; 0 where there is none."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith(f"{field}:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0
