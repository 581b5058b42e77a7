"""The order of slots: palindromic blocks, as pure functions.

Within a block every subject runs once forward and once in reverse order, so that a linear drift of the machine
cancels. The forward order changes from block to block, so that no subject always follows the same neighbour.
"""

from __future__ import annotations

import random
from collections.abc import Sequence


def turns(
    subjects: Sequence[str], *, seed: int, launch: int, block: int, circles: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], ...]:
    """Return who is measured together in the stretch that begins with ``block``, one after the other.

    ``circles`` are subjects that are compared among themselves alone: each is measured as if there were nobody else.
    Who is in none of them is measured with the like. Depends on the arguments alone.
    """
    inside = {name for circle in circles for name in circle}
    groups = [tuple(name for name in circle if name in subjects) for circle in circles]
    groups.append(tuple(name for name in subjects if name not in inside))
    random.Random(f"{seed}/{launch}/{block}/turns").shuffle(groups)
    return tuple(group for group in groups if group)


def block_order(subjects: Sequence[str], *, seed: int, launch: int, block: int, mirror: int = 1) -> tuple[str, ...]:
    """Return the slots of one block, such as A B C C B A. Depends on the arguments alone.

    Of ``mirror`` blocks in a row the first one's order is drawn, and each other one begins where the one before it did
    not: A B B A, then B A A B. Each subject then follows itself, and the other, as often as the other does.
    """
    order = list(subjects)
    first = block - block % mirror
    random.Random(f"{seed}/{launch}/{first}/{' '.join(subjects)}").shuffle(order)
    if (block - first) % 2:
        order.reverse()
    return (*order, *reversed(order))
