"""How quantities are written in reasons and notes."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percent(share: float) -> str:
    """Write a share as per cent with two significant digits, such as "95 %", "1.2 %" or "0.05 %"."""
    value = 100 * share
    if not math.isfinite(value):
        return "∞ %" if value > 0 else "unknown"
    digits = 0 if abs(value) >= 9.95 or value == 0 else 1 if abs(value) >= 0.95 else 2
    text = f"{value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %".replace("-", "−")


def signed_percent(share: float) -> str:
    """Write a change as per cent with its sign, such as "+1.2 %" or "−0.8 %"."""
    text = percent(share)
    return text if text.startswith(("−", "0 %", "u")) else f"+{text}"


def listed(words: Sequence[str], limit: int = 8) -> str:
    """Join words as a sentence does: "a, b and c"; beyond ``limit`` the rest is counted."""
    if len(words) > limit:
        return f"{', '.join(words[:limit])} and {len(words) - limit} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "none"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: "1 launch", "3 launches"."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
