"""What a history is of: its points, the one that all are held to, and on what and how they are measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from poolbench.model.method import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place in a history: a release or a revision.

    ``subject`` is what is measured there, ``detail`` a line about it (a commit's title), ``same_as`` the label of an
    earlier point with the very same build, of which this one is a mere repetition, ``problem`` why it cannot be built.
    """

    label: str
    subject: str
    detail: str = ""
    same_as: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTerms:
    """What was asked for when a history was shown last. Its figures are not kept: they follow from the stored runs."""

    subject: str
    points: tuple[Point, ...]
    anchor: Point
    workloads: tuple[str, ...]
    method: Method
    names: dict[str, str] = field(default_factory=dict)
    """Catalogue names by workload id, for those that have one."""
