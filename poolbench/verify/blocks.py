"""Walking through large (batch, channels, ...) arrays in pieces, so that temporaries stay small."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

Block = tuple[slice, slice]


def blocks(shape: Sequence[int], elements: int) -> Iterator[Block]:
    """Yield slices over the first two axes of ``shape`` that cover it in order.

    A block has at most ``elements`` elements, or is a single (batch, channel) plane where one alone has more.
    """
    batch, channels = shape[:2]
    planes = max(1, elements // max(1, math.prod(shape[2:])))
    if planes >= channels:
        step = planes // channels
        for n in range(0, batch, step):
            yield slice(n, min(n + step, batch)), slice(0, channels)
        return
    for n in range(batch):
        for c in range(0, channels, planes):
            yield slice(n, n + 1), slice(c, min(c + planes, channels))
