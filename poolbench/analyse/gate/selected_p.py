"""What two stages say together when the first one chose: a p-value that pays for the choice, and uses all the data.

A survey suspects a difference where its p-value is small; only then is there a confirmation. Testing the confirmation
alone is sound, and wastes the survey; testing both together as if nothing had been chosen is not sound. In between
lies the chance that both together show so much *given* that the survey was suspicious (a two-stage test in the manner
of Bauer and Köhne 1994, with the inverse normal combination of Lehmacher and Wassmer 1999).
"""

from __future__ import annotations

import math
import sys
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
_STEPS = 400
_REACH = 9.0
"""Standard deviations beyond which the normal distribution has nothing that counts here."""


@lru_cache(maxsize=4096)
def selected_p(together: float, *, suspicion: float, share: float) -> float:
    """Return the chance, without a difference, of both stages together showing as much, after a suspicious survey.

    ``together`` is the one-sided p-value of all the data in the survey's direction, ``suspicion`` the two-sided
    p-value below which a survey is suspicious, ``share`` that of the data which the survey brought: above 0, below 1.
    """
    if together >= 0.5:
        return 1.0
    chosen = suspicion / 2  # to this side
    least = _NORMAL.inv_cdf(1 - chosen)
    needed = min(-_NORMAL.inv_cdf(max(together, sys.float_info.min)), _REACH)
    old, new = math.sqrt(share), math.sqrt(1 - share)
    width = (_REACH - least) / _STEPS
    total = 0.0
    for step in range(_STEPS):  # midpoints: smooth, and far finer than the figure is used
        first = least + (step + 0.5) * width
        total += _NORMAL.pdf(first) * (1 - _NORMAL.cdf((needed - old * first) / new)) * width
    return min(total / chosen, 1.0)
