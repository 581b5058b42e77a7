"""What a history is of: its points, the one that all are held to, and on what and how they are measured."""

from __future__ import annotations

from dataclasses import dataclass

from poolbench.model.method import Method
from poolbench.model.subject import Subject
from poolbench.model.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place in a history: a release or a revision.

    ``subject`` is what is measured there, ``detail`` a line about it (a commit's title), ``same_as`` the label of an
    earlier point with the very same build, of which this one is a mere repetition, ``problem`` why it cannot be built.
    """

    label: str
    subject: Subject
    detail: str = ""
    same_as: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTerms:
    """What was asked for when a history was shown last. Its figures are not kept: they follow from the stored runs."""

    subject: Subject
    points: tuple[Point, ...]
    anchor: Point
    workloads: tuple[Workload, ...]
    method: Method
