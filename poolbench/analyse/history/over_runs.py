"""A subject's cells over a machine's runs: each as its ratio to the limit that stood in the same blocks.

The runs were not interleaved with one another, but each with its own limit, which is the anchor here. So a change is a
place to look at and to measure again, not a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poolbench.analyse.estimate.ledger import Ledger, estimates
from poolbench.analyse.estimate.location import LEAST_LAUNCHES, locate, standard_error
from poolbench.analyse.history.changes import Change, Track, find_changes
from poolbench.analyse.history.series import LEAST_ERROR
from poolbench.model.subject import LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class OverLimit:
    """A cell of one run: the logarithm of its time over the limit's, its standard error, and the freedom of that."""

    workload: str
    subject: str
    log_ratio: float
    error: float
    degrees: float


def over_limit(ledger: Ledger, workload: str, subject: str) -> OverLimit | None:
    """Return a cell's time over the limit; None where there are too few launches for an interval."""
    launches = dict(estimates(ledger.pairs(workload, subject, LIMIT)))
    if len(launches) < LEAST_LAUNCHES:
        return None
    location = locate(list(launches.values()))
    return OverLimit(
        workload=workload,
        subject=subject,
        log_ratio=location.centre,
        error=max(float(standard_error(location.influence)), LEAST_ERROR),
        degrees=location.degrees,
    )


def changes_over_runs(runs: Sequence[Sequence[OverLimit]], *, confidence: float = 0.95) -> list[Change]:
    """Return the changes of one subject over ``runs``, in order of time: what each has of it, by workload.

    The places in a change are those in ``runs``. All runs are of one machine and one method.
    """
    found: dict[str, list[tuple[int, OverLimit]]] = {}
    for place, cells in enumerate(runs):
        for cell in cells:
            found.setdefault(cell.workload, []).append((place, cell))
    tracks = {
        workload: Track(
            points=tuple(place for place, _ in cells),
            values=tuple(cell.log_ratio for _, cell in cells),
            errors=tuple(cell.error for _, cell in cells),
            degrees=tuple(cell.degrees for _, cell in cells),
        )
        for workload, cells in found.items()
    }
    return find_changes(tracks, confidence=confidence)
