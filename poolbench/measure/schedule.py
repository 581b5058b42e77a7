"""The order of slots: palindromic blocks, as a pure function.

Within a block every subject runs once forward and once in reverse order, so that a linear drift of the machine
cancels. The forward order changes from block to block, so that no subject always follows the same neighbour.
"""

from __future__ import annotations

import random
from collections.abc import Sequence


def block_order(
    subjects: Sequence[str], *, seed: int, launch: int, block: int, circles: Sequence[Sequence[str]] = ()
) -> tuple[str, ...]:
    """Return the slots of one block, such as A B C C B A. Depends on the arguments alone.

    ``circles`` are subjects that are compared among themselves alone: each gets a palindrome of its own, such as
    A B B A D C C D, as if it were measured without the others. Who is in none of them is in one with the like.
    """
    chance = random.Random(f"{seed}/{launch}/{block}")
    inside = {name for circle in circles for name in circle}
    groups = [[name for name in circle if name in subjects] for circle in circles]
    groups.append([name for name in subjects if name not in inside])
    chance.shuffle(groups)
    order: list[str] = []
    for group in groups:
        chance.shuffle(group)
        order += [*group, *reversed(group)]
    return tuple(order)
