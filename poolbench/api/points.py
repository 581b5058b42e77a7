"""Which points a subject's history has, and which of them all the others are measured against: the anchor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from poolbench.backends import registry
from poolbench.environments.reference import is_kernel
from poolbench.environments.releases import chosen_releases, released, whole_releases
from poolbench.environments.revisions import revisions
from poolbench.errors import StoreError, UsageError
from poolbench.model.history import Point
from poolbench.model.result import Status
from poolbench.model.subject import Subject, parse_subject
from poolbench.store.reading import read_run
from poolbench.store.runs import list_runs


def choose_points(text: str, *, releases: str | None, revs: str | None, every: int = 1) -> tuple[Subject, list[Point]]:
    """Return the subject that ``text`` names, and its points, the oldest first.

    Raises an UsageError where the subject, a release or a revision does not exist, or where the range has fewer than
    two points.
    """
    subject = parse_subject(text)
    backend = registry.create(subject.backend)
    if subject.environment or subject.copy != 1 or subject.is_limit:
        raise UsageError(f"'{text}': name a backend alone, such as {subject.backend}: the points are its environments.")
    if (releases is None) == (revs is None):
        raise UsageError("Say which points: either --releases, such as 1.20..1.23, or --revs, such as HEAD~5..HEAD.")
    if is_kernel(subject) and releases is not None:
        raise UsageError(
            f"The history of {subject.backend} takes --revs A..B: it is built from this project's revisions."
        )
    if releases is not None:
        if not backend.framework:
            raise UsageError(
                f"{subject.backend} needs no framework, so that there is no release of it: take --revs A..B."
            )
        points = _release_points(subject, backend.framework, releases, every)
    else:
        points = _revision_points(subject, revs or "", every)
    if len(points) < 2:
        raise UsageError(f"'{releases or revs}' is one point alone, {points[0].label}: name two ends that differ.")
    if all(point.same_as for point in points[1:]):
        raise UsageError(
            f"All {len(points)} revisions of '{revs}' build the same as {points[0].label}: nothing between them "
            "can have changed its speed. Name an older revision to begin with."
        )
    return subject, points


def choose_anchor(
    subject: Subject, points: Sequence[Point], *, results_dir: Path, machine: str, wanted: str | None = None
) -> Point:
    """Return the point that all are measured against: the wanted one, else that of the stored runs, else the first.

    Unless it is wanted, none is taken that is known to fail wherever it was tried.
    """
    by_subject = {point.subject: point for point in points}
    by_text = {str(point.subject): point for point in points}
    if wanted is not None:
        if not wanted.strip():
            raise UsageError("The anchor names no point: say which, or leave it out for the first, or the stored one.")
        named = {point.label: point for point in points} | by_text
        if wanted in named:
            return named[wanted]
        is_revision = any(point.subject.environment.startswith("rev:") for point in points)
        text = f"{'rev:' if is_revision else ''}{wanted}"
        return Point(label=wanted, subject=replace(subject, environment=text))
    failing = failing_subjects(subject, results_dir=results_dir, machine=machine)
    together: Counter[Subject] = Counter()
    for run in list_runs(results_dir):
        if run.machine != machine or run.problem:
            continue
        family = [other for other in run.subjects if _is_point_of(other, subject)]
        if len(family) > 1 and (set(family) & set(by_subject) or len(family) > 2):
            together.update({other: 1 for other in family if other.copy == 1 and other not in failing})
    if together:
        usual = together.most_common(1)[0][0]
        return by_subject.get(usual) or Point(label=_label(usual), subject=usual)
    sound = [point for point in points if not point.problem and not point.same_as]
    if not sound:
        raise UsageError(f"None of the points can be measured; the first says: {points[0].problem}")
    return next((point for point in sound if point.subject not in failing), sound[0])


def failing_subjects(subject: Subject, *, results_dir: Path, machine: str) -> frozenset[Subject]:
    """Return the points of ``subject`` that were tried on this machine and never gave a result on any workload."""
    has_result: dict[Subject, bool] = {}
    for run in list_runs(results_dir):
        if run.machine != machine or run.problem or not any(_is_point_of(other, subject) for other in run.subjects):
            continue
        try:
            stored = read_run(run.path)
        except StoreError:
            continue  # load_history says which file cannot be read
        subjects = {str(other): other for other in stored.header.subjects}
        for row in stored.rows:
            point = subjects[row.subject]
            has_result[point] = has_result.get(point, False) or row.status is Status.OK
    return frozenset(point for point, has_one in has_result.items() if not has_one)


def _release_points(subject: Subject, package: str, text: str, every: int) -> list[Point]:
    try:
        known = released(package)
    except UsageError:
        named = whole_releases(text)  # then no index is needed: some may be stored, and some environments kept
        if named is None:
            raise
        known = named
    found = chosen_releases(package, text, known, every=every)
    return [Point(label=version, subject=replace(subject, environment=version)) for version in found]


def _revision_points(subject: Subject, text: str, every: int) -> list[Point]:
    points: list[Point] = []
    previous, first = None, ""
    for revision in revisions(text, subject, every=every):
        is_same = bool(revision.build) and revision.build == previous
        first = first if is_same else revision.commit
        previous = revision.build
        points.append(
            Point(
                label=revision.commit,
                subject=replace(subject, environment=f"rev:{revision.commit}"),
                detail=revision.title,
                same_as=first if is_same else "",
                problem=revision.problem,
            )
        )
    return points


def _is_point_of(found: Subject, subject: Subject) -> bool:
    return bool(found.environment) and (found.backend, found.threads, found.layout) == (
        subject.backend,
        subject.threads,
        subject.layout,
    )


def _label(subject: Subject) -> str:
    return subject.environment.removeprefix("rev:")
