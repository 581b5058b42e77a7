"""How much memory one call takes: the peak of what it requests, and the peak of the pages that it touches.

Both are measured in a worker that does nothing else. Whatever earlier calls freed is given back to the system first,
so that a call which finds it again does not look as if it needed less.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from poolbench.measure.lifetime import status_bytes
from poolbench.model.memory import Amount, not_measured

if TYPE_CHECKING:
    from memray import FileReader

Call = Callable[[], object]

_PR_SET_THP_DISABLE = 41
_M_MMAP_THRESHOLD = -3
_MAPPED_FROM_BYTES = 32 << 10
_CLEAR_REFS = "/proc/self/clear_refs"
_RESET_PEAK = "5"

_ROOM_BYTES = 400
_ROOM_OBJECTS = 8192
_ROOM_KEPT = 100
"""Of so many objects of so many bytes (some 3 MB, a dozen of Python's arenas), one in a hundred is kept."""


def switch_off_huge_pages() -> bool:
    """Let this process have small pages alone from now on; return whether the system does so.

    With huge pages one touched byte makes 2 MiB resident. What lies on huge pages already stays there.
    """
    try:
        return int(ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False


def give_back_at_once() -> None:
    """Have the C library return freed blocks of 32 KiB and more to the system at once, where it is glibc.

    Left alone it keeps them once they have been freed: a call that gets them again would touch no new page.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)


def touched_peak(call: Call, *, small_pages: bool) -> Amount:
    """Return by how much resident memory grows, at its peak, during one ``call`` that has been warmed up.

    The system's counter is up to 0.3 MB off with two cores, and more with many. ``small_pages`` says whether huge pages
    are off; else the figure's note says what that means.
    """
    with _quiet():
        _trim()
        try:
            with open(_CLEAR_REFS, "w", encoding="ascii") as file:
                file.write(_RESET_PEAK)
        except OSError as error:
            return not_measured(f"this system cannot reset the peak ({_CLEAR_REFS}: {error.strerror}).")
        before = status_bytes("VmRSS")
        result = call()  # held: while its pages are there, the system's counter is exact
        peak = status_bytes("VmHWM")
        del result
    if not before or not peak:
        return not_measured("this system does not tell a process's peak (VmHWM in /proc/self/status).")
    note = "" if small_pages else "huge pages could not be switched off, so it comes in steps of them (2 MiB)."
    return Amount(bytes=max(peak - before, 0), note=note)


def requested_peak(call: Call) -> Amount:
    """Return how many bytes one ``call``, which has been warmed up, holds of the allocators at its peak.

    Counted are malloc and its kin and mmap, in compiled code as well. Python's own small objects are not: Python takes
    them from arenas, and room is made there before.
    """
    return _traced(call, lambda reader: reader.metadata.peak_memory)


def held_bytes(call: Call) -> Amount:
    """Return how many bytes of what one ``call`` requested its result still holds; counted as by ``requested_peak``."""
    return _traced(call, lambda reader: sum(record.size for record in reader.get_leaked_allocation_records()))


def _traced(call: Call, read: Callable[[FileReader], int]) -> Amount:
    """Trace the allocations of one call, its result held until the end, and return what ``read`` makes of them."""
    try:
        import memray
    except ImportError:
        return not_measured("memray is not installed; pip install 'poolbench[memory]' brings it.")
    with _memory_file() as path, _quiet(), _room_in_arenas():
        destination = memray.FileDestination(path, overwrite=True, compress_on_exit=False)
        with memray.Tracker(destination=destination, native_traces=False):
            result = call()
        del result
        return Amount(bytes=read(memray.FileReader(path)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what earlier calls left to the garbage collector, and keep it from running until the end."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _trim() -> None:
    """Have the C library return what it still keeps of freed blocks, where it is glibc."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def _room_in_arenas() -> Iterator[None]:
    """Leave Python arenas that are nearly empty, so that the call's small objects make it request no new one.

    A new arena is 256 KiB or 1 MiB at once, for an object of some bytes.
    """
    objects = [bytes(_ROOM_BYTES) for _ in range(_ROOM_OBJECTS)]
    kept = objects[::_ROOM_KEPT]
    del objects
    yield
    del kept


@contextlib.contextmanager
def _memory_file() -> Iterator[str]:
    """Yield the path of a file in memory: it is gone with the process, however that ends."""
    descriptor = os.memfd_create("poolbench-memory")
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
