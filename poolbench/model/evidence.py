"""Evidence of disturbance: what the whole machine did while blocks were measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockEvidence:
    """The whole machine during a stretch of blocks between which no buffer moved; the first of them is ``block``.

    ``busy_ns`` is the time that its cores spent on anything, added up; ``steal_ns`` the time that a host took from
    them; ``pressure_ns`` the part of ``wall_ns`` in which some process waited for a core (0 where the system does not
    tell). The system counts the first two in ticks of some ms: single stretches are coarse, their sum over a run not.
    """

    block: int
    wall_ns: int
    busy_ns: int
    steal_ns: int
    pressure_ns: int
