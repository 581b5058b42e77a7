"""Calls that take a known amount of memory, each way of taking it in turn.

    python -m tests.memory.planted LIBRARY ROUTE small|huge BYTES:TOUCHED…

prints what is measured of each as one JSON list, in a process of its own: huge pages cannot be switched on again.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from poolbench.measure.memory import give_back_at_once, requested_peak, switch_off_huge_pages, touched_peak

Plant = Callable[[int, int], object]
"""Takes so many bytes, touches the first so many of them, and lets them go, or returns what holds them."""

COMPILED = ("malloc", "mmap", "posix_memalign")
ROUTES = (*COMPILED, "numpy", "torch", "tensorflow")
ELSEWHERE = "malloc_elsewhere"
"""malloc in a thread of its own, whose memory the C library keeps apart."""


def plant(library: Path, route: str) -> Plant:
    """Return the way ``route`` of taking memory."""
    if route == ELSEWHERE:
        here, thread = plant(library, "malloc"), ThreadPoolExecutor(1)
        return lambda size, touched: thread.submit(here, size, touched).result()
    compiled = ctypes.CDLL(str(library))
    compiled.planted_touch.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    if route in COMPILED:
        function = getattr(compiled, f"planted_{route}")
        function.argtypes = [ctypes.c_size_t, ctypes.c_size_t]

        def call(size: int, touched: int) -> None:
            if function(size, touched):
                raise MemoryError(f"{route} of {size} bytes failed")

        return call
    allocate, address = {"numpy": _numpy, "torch": _torch, "tensorflow": _tensorflow}[route]()

    def hold(size: int, touched: int) -> object:
        held = allocate(size)
        compiled.planted_touch(address(held), touched)
        return held

    return hold


def _numpy() -> tuple[Callable[[int], Any], Callable[[Any], int]]:
    import numpy as np

    return lambda size: np.empty(size, np.uint8), lambda array: array.ctypes.data


def _torch() -> tuple[Callable[[int], Any], Callable[[Any], int]]:
    import torch

    return lambda size: torch.empty(size, dtype=torch.uint8), lambda tensor: tensor.data_ptr()


def _tensorflow() -> tuple[Callable[[int], Any], Callable[[Any], int]]:
    import numpy as np
    import tensorflow as tf

    from poolbench.backends.tensorflow_eager import Eager

    Eager().stop_recycling()
    return (
        lambda size: tf.raw_ops.Empty(shape=[size], dtype=tf.uint8, init=False),
        lambda tensor: np.frombuffer(memoryview(tensor), np.uint8).ctypes.data,
    )


def main(library: str, route: str, pages: str, *cases: str) -> None:
    """Measure each case."""
    small = pages == "small"
    if small:
        assert switch_off_huge_pages()
    give_back_at_once()
    take = plant(Path(library), route)
    found = []
    for case in cases:
        size, touched = map(int, case.split(":"))

        def call(size: int = size, touched: int = touched) -> object:
            return take(size, touched)

        call()
        call()
        found.append((touched_peak(call, small_pages=small).bytes, requested_peak(call).bytes))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
