"""How numbers become text: times, sizes, ratios and shares, in tables, sentences and figures alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from poolbench.model.estimate import Estimate

WIDE = math.log(2)
"""From this half-width (of logarithms) on an interval is written by its two ends."""


def percent(share: float) -> str:
    """Write a share as per cent with two significant digits, such as "95 %", "1.2 %" or "0.05 %"."""
    value = 100 * share
    if not math.isfinite(value):
        return "∞ %" if value > 0 else "unknown"
    digits = 0 if abs(value) >= 9.95 or value == 0 else 1 if abs(value) >= 0.95 else 2
    text = f"{value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %".replace("-", "−")


def level_text(confidence: float) -> str:
    """Write the level of an interval with all its digits: "95 %", "99.9 %"."""
    return f"{100 * confidence:g} %"


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


def time_text(nanoseconds: float) -> str:
    """Write a time with three significant digits: "412 ns", "1.23 ms"."""
    for unit, scale in (("ns", 1.0), ("µs", 1e3), ("ms", 1e6)):
        if float(f"{nanoseconds / scale:.3g}") < 1000:
            return f"{significant(nanoseconds / scale)} {unit}"
    return f"{significant(nanoseconds / 1e9)} s"


def spread_time_text(nanoseconds: float, half_ns: float) -> str:
    """Write a difference of times with half its interval in the same unit: "1.90 ± 0.20 ms", "−12 ± 3 µs"."""
    largest = max(abs(nanoseconds), half_ns if math.isfinite(half_ns) else 0.0)
    unit, scale = next(
        ((unit, scale) for unit, scale in (("ns", 1.0), ("µs", 1e3), ("ms", 1e6)) if largest / scale < 999.5),
        ("s", 1e9),
    )
    decimals = 2 if largest / scale < 9.995 else 1 if largest / scale < 99.95 else 0
    half = f"{half_ns / scale:.{decimals}f}" if math.isfinite(half_ns) else "?"
    return f"{nanoseconds / scale:.{decimals}f} ± {half} {unit}".replace("-", "−")


def size_text(size: int) -> str:
    """Write a number of bytes with three significant digits, in powers of 1000: "784 B", "3.21 MB", "0"."""
    for unit, scale in (("B", 1.0), ("KB", 1e3), ("MB", 1e6)):
        if float(f"{size / scale:.3g}") < 1000:
            return "0" if size == 0 else f"{size if unit == 'B' else significant(size / scale)} {unit}"
    return f"{significant(size / 1e9)} GB"


def significant(value: float, digits: int = 3) -> str:
    """Write a positive number with so many significant digits, without exponents: "0.0512", "9.90", "1234"."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "?"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:.{max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)}f}"


def half_width_text(half_width: float) -> str:
    """Write half an interval's length, given as a share: "±0.8 %", "±12 %"; "±?" where it is unbounded."""
    if not math.isfinite(half_width):
        return "±?"
    share = 100 * half_width
    return f"±{share:.1f} %" if share < 9.95 else f"±{share:.0f} %"


def ratio_text(found: Estimate) -> str:
    """Write a ratio with half its interval's length in the same unit: "2.31 ±0.02"; "2.31 ±?" where unbounded."""
    decimals = 2 if found.value < 9.995 else 1 if found.value < 99.95 else 0
    if not math.isfinite(found.half_width):
        return f"{found.value:.{decimals}f} ±?"
    if found.half_width > WIDE:  # so wide that it is not alike on both sides
        return f"{found.value:.{decimals}f} ({significant(found.low, 2)} to {significant(found.high, 2)})"
    half = (found.high - found.low) / 2
    if 0 < half < 0.5 * 10**-decimals:
        decimals += 1  # a difference of 0.3 % is worth seeing where it is known that well
    return f"{found.value:.{decimals}f} ±{half:.{decimals}f}"


def count_text(number: int) -> str:
    """Write a count with three significant digits: "784", "3.21 million", "−41.6 thousand"."""
    size, sign = abs(number), "−" if number < 0 else ""
    for name, scale in (("", 1), (" thousand", 10**3), (" million", 10**6)):
        if float(f"{size / scale:.3g}") < 1000:
            return f"{sign}{size if scale == 1 else significant(size / scale)}{name}"
    return f"{sign}{significant(size / 10**9)} billion"
