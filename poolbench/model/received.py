"""A gate's report that came from somewhere else: what of it a comment shows. Nothing in it is to be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from poolbench.errors import ExitCode
from poolbench.model.verdict import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedVerdict:
    """A verdict as it was received: ``name`` and ``reason`` may hold any text.

    ``ratio`` with its interval is head over base, None where there was none. ``grown_bytes`` is by how much more a call
    of head requests, None where memory was not compared.
    """

    name: str
    outcome: Outcome
    reason: str
    ratio: float | None
    low: float | None
    high: float | None
    grown_bytes: int | None
    is_regression: bool
    is_memory_regression: bool

    @property
    def is_bad(self) -> bool:
        """Whether it fails the gate."""
        return self.is_regression or self.is_memory_regression


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedGate:
    """A gate as it was received: ``base`` and ``head`` may be any text. ``tolerance`` is a share."""

    base: str
    head: str
    code: ExitCode
    tolerance: float
    verdicts: tuple[ReceivedVerdict, ...]
