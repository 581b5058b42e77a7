"""How CPython's own heap lies when a call is counted: alike in every process.

A call allocates and frees small objects. Where a pool of blocks has one free block left, taking it moves the pool from
one list to another, and giving it back moves it again: some fifteen instructions that depend on all that the process
allocated before, such as whether modules were compiled just now.
"""

from __future__ import annotations

import sys

_LARGEST, _STEP = 512, 16
"""Sizes, in bytes, of the blocks that lie in pools: each multiple of the step up to the largest has its own."""

_FILLED = 1 << 20
"""Bytes a size that take up what earlier objects left free, so that the last ones lie in pools of their own."""

_LOOSENED = 1 << 15
"""Bytes a size, of those last ones, of which every second block is given back: two pools' worth."""


def roomy_heap() -> list[list[object]]:
    """Return objects that must be kept while calls are counted: the pools in use have free blocks of every size.

    A call that needs fewer than a few dozen blocks of one size then neither fills a pool nor has to begin one.
    """
    kept = []
    for size in range(_STEP, _LARGEST + 1, _STEP):
        blocks = [_block(size) for _ in range(_FILLED // size)]
        del blocks[-_LOOSENED // size :: 2]
        kept.append(blocks)
    return kept


def _block(size: int) -> object:
    """Return a new object of ``size`` bytes, and of a type whose freed objects the interpreter keeps nowhere else."""
    overhead = sys.getsizeof(b"")
    if size > overhead + 1:
        return bytes(size - overhead)
    return object() if size == _STEP else complex(size)
