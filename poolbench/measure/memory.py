"""How much memory a call touches at its peak."""

from __future__ import annotations

from collections.abc import Callable

from poolbench.measure.lifetime import status_bytes


def touched_peak_bytes(call: Callable[[], object]) -> int | None:
    """Return the peak growth of resident memory during one ``call``, in bytes; None where it cannot be measured.

    The kernel's high-water mark is reset before the call, so that imports and inputs do not count. Memory that the
    allocator still holds from earlier calls is not seen to grow, so this is a lower bound.
    """
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return None
    before = status_bytes("VmRSS")
    call()
    peak = status_bytes("VmHWM")
    return max(peak - before, 0) if before and peak else None
