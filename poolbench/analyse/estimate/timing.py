"""The time of one call per workload × subject, with its interval over launches, and the bandwidth it means."""

from __future__ import annotations

import math
from dataclasses import dataclass

from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.estimate.location import locate
from poolbench.model.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one call takes.

    Each launch gives the median over its clean slots; ``median_ns`` is the robust centre of these (the same estimate
    as for ratios, of logarithms), ``low_ns`` to ``high_ns`` its interval (0 to infinity below three launches).
    ``slots`` counts all slots, ``rejected`` is the share of them that was contaminated.
    """

    workload: Workload
    subject: str
    median_ns: float
    low_ns: float
    high_ns: float
    launches: int
    slots: int
    rejected: float

    @property
    def gigabytes_per_s(self) -> float:
        """Bytes of what the pass reads and writes (``Workload.read_bytes``), over the time: 10⁹ bytes per second."""
        return (self.workload.read_bytes + self.workload.written_bytes) / self.median_ns


def timing(ledger: Ledger, workload: Workload, subject: str, confidence: float = 0.95) -> Timing | None:
    """Return the time of a call, or None where no clean slot was measured."""
    rows = ledger.rows(workload.id, subject)
    levels = [reduced.level for reduced in rows if reduced.level is not None]
    if not levels:
        return None
    slots = sum(sum(reduced.slots.values()) for reduced in rows)
    location = locate(levels, confidence)
    return Timing(
        workload=workload,
        subject=subject,
        median_ns=math.exp(location.centre),
        low_ns=math.exp(location.low),
        high_ns=math.exp(min(location.high, 700.0)) if math.isfinite(location.high) else math.inf,
        launches=len(levels),
        slots=slots,
        rejected=sum(reduced.rejected for reduced in rows) / slots,
    )
