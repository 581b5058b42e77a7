"""How CPython's own heap lies when a call is counted: alike in every process.

A call allocates and frees small objects, and two things decide how many instructions that takes. Where a pool of blocks
has one free block left, taking it moves the pool from one list to another, and giving it back moves it again: some
fifteen. And a block that is given back is looked up by its address, which takes four more in that part of an arena that
lies before a multiple of an arena's size (``address_in_range`` in CPython's obmalloc.c). Both depend on all that the
process allocated before, such as whether modules were compiled just now, or how long a variable of its environment is.
"""

from __future__ import annotations

import mmap
import sys

_LARGEST, _STEP = 512, 16
"""Sizes, in bytes, of the blocks that lie in pools: each multiple of the step up to the largest has its own."""

_ARENA, _POOL = 1 << 20, 1 << 14
"""Bytes of an arena, which begins at any page, and of a pool, which begins at a multiple of its size."""

_TRIES = 4
"""How often the next arena is moved by a pool's size, where arenas lie so that no pool ends at a multiple of theirs."""


def roomy_heap() -> list[object]:
    """Return objects that must be kept while calls are counted: the pools in use have free blocks of every size.

    A call that needs fewer than a dozen blocks of one size then neither fills a pool nor has to begin one.
    """
    kept: list[object] = []
    for size in range(_STEP, _LARGEST + 1, _STEP):
        kept.append([_block(size) for _ in range(_ARENA // size)])  # what earlier objects left free
        for _ in range(_TRIES):
            others, pool = _pool(size)
            kept += [others, pool]
            if pool:
                del pool[::2]
                break
            kept.append(mmap.mmap(-1, _POOL))
    return kept


def _pool(size: int) -> tuple[list[object], list[object]]:
    """Return new blocks, and apart from them those of one pool that ends at a multiple of an arena's size.

    All of that pool lies before the multiple, in whichever arena it is. The pool is full, or empty if none came.
    """
    others: list[object] = []
    pool: list[object] = []
    while len(others) < 2 * _ARENA // size:
        block = _block(size)
        if id(block) % _ARENA >= _ARENA - _POOL:
            pool.append(block)
            continue
        others.append(block)
        if len(pool) > _POOL // size // 2:  # else earlier objects have most of it
            return others, pool
        others += pool
        pool = []
    return others, []


def _block(size: int) -> object:
    """Return a new object of ``size`` bytes, and of a type whose freed objects the interpreter keeps nowhere else."""
    overhead = sys.getsizeof(b"")
    if size > overhead + 1:
        return bytes(size - overhead)
    return object() if size == _STEP else complex(size)
