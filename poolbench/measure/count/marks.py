"""What a counted process does around a call: mark its begin and its end for the stepper that watches."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable

from poolbench.measure.count.heap import roomy_heap

MARK = signal.SIGUSR1
"""The stepper takes it from the process and counts from each odd one to the next."""

_SILENT = 0
"""A signal's number that is checked and sent to nobody: warming up takes the same way as counting, unmarked."""

_SOURCE = """
def counted(mark, number, call):
    mark(number)
    call()
    mark(number)
"""


class Empty:
    """The call that does nothing: what marking costs, and the interpreter's part of a call."""

    def run(self) -> None:
        """Do nothing."""
        return None


def marked(call: Callable[[], object], *, repeats: int, warm: int) -> None:
    """Call ``call`` ``warm`` times, and then between marks ``repeats`` times.

    Garbage is not collected meanwhile, and the heap is laid alike in every process. The function that calls is compiled
    anew for each ``call``: the interpreter specialises it for what it calls.
    """
    names: dict[str, Callable[..., None]] = {}
    exec(compile(_SOURCE, "<counted>", "exec"), names)
    counted, mark = names["counted"], signal.raise_signal
    gc.collect()
    gc.disable()
    kept = roomy_heap()
    for _ in range(warm):
        counted(mark, _SILENT, call)
    for _ in range(repeats):
        counted(mark, MARK, call)
    gc.enable()
    del kept
