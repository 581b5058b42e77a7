"""When a subject that fails again and again is given up."""

from __future__ import annotations

from poolbench.model.result import Status

STRIKES = {Status.TIMEOUT: 2, Status.CRASHED: 3, Status.OUT_OF_MEMORY: 3}
"""After so many failures of a kind on end, a subject is not tried on further workloads."""


class Strikes:
    """Counts failures by subject. Whatever is not in STRIKES costs little and does not count."""

    def __init__(self) -> None:
        self._by_subject: dict[str, list[Status]] = {}

    def note(self, subject: str, status: Status) -> None:
        """Take in how a try ended; one that went well wipes out what was before."""
        if status is Status.OK:
            self._by_subject[subject] = []
        elif status in STRIKES:
            self._by_subject.setdefault(subject, []).append(status)

    def struck_out(self, subject: str) -> Status | None:
        """Return how the subject last failed where it has failed often enough to be given up, else None."""
        strikes = self._by_subject.get(subject, [])
        if strikes and len(strikes) >= STRIKES[strikes[-1]]:
            return strikes[-1]
        return None
