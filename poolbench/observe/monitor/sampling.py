"""Which steps are sampled: on average a fraction, at irregular distances."""

from __future__ import annotations

import random

from poolbench.errors import UsageError

FRACTION = 0.005
"""The default: one step in two hundred. Of a step of 2.4 ms, one in a hundred takes 0.5 %, which hooks take as well."""


class Sampler:
    """Draws the distance from one sampled step to the next, between 1 and twice the mean.

    A fixed distance would meet a loop's own rhythm (logging, saving, a shorter last batch) always or never. ``seed``
    is for tests. Raises UsageError where ``fraction`` is not above 0 and at most 1.
    """

    def __init__(self, fraction: float = FRACTION, seed: int | None = None) -> None:
        if not 0 < fraction <= 1:
            raise UsageError(
                f"The fraction of steps to sample is {fraction:g}: give one above 0 and at most 1, such as {FRACTION}."
            )
        self._most = max(round(2 / fraction) - 1, 1)
        self._random = random.Random(seed)

    def distance(self) -> int:
        """Return how many steps on the next sampled one is."""
        return self._random.randint(1, self._most)
