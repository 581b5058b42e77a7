"""The order of slots: palindromic blocks, as a pure function.

Within a block every subject runs once forward and once in reverse order, so that a linear drift of the machine
cancels. The forward order changes from block to block, so that no subject always follows the same neighbour.
"""

from __future__ import annotations

import random
from collections.abc import Sequence


def block_order(subjects: Sequence[str], *, seed: int, launch: int, block: int) -> tuple[str, ...]:
    """Return the slots of one block, such as A B C C B A. Depends on the arguments alone."""
    forward = list(subjects)
    random.Random(f"{seed}/{launch}/{block}").shuffle(forward)
    return (*forward, *reversed(forward))
