"""The revisions of a project between two, each with what is built of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from poolbench.environments.git import GitError, ask
from poolbench.environments.project import project_repository, project_tree
from poolbench.environments.reference import WORKING_TREE, is_kernel, project_of
from poolbench.environments.releases import thinned
from poolbench.environments.sources import find_commit, is_shallow, kernel_repository, kernel_sources
from poolbench.errors import BuildError, UsageError
from poolbench.model.subject import Subject

SHORT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A commit, by the first twelve digits, and its title. ``build`` is equal for two that build the same.

    ``problem`` says why there is nothing to build; ``build`` is empty then.
    """

    commit: str
    title: str
    build: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def revisions(text: str, subject: Subject | None = None, *, every: int = 1) -> list[Revision]:
    """Return the revisions that ``A..B`` names, the oldest first: A, and what leads from it to B by first parents.

    They are of the package that ``subject`` comes from; without one, or with the kernel, of this project. Of these
    every ``every``-th is taken, and B. Raises UsageError where there is no such range.
    """
    first, dots, last = (part.strip() for part in text.partition(".."))
    if not dots or not first:
        raise UsageError(f"'{text}' is no range of revisions: write A..B, such as v0.1.0..main, or HEAD~5..HEAD.")
    if WORKING_TREE in (first, last):
        raise UsageError(f"'{text}': a range is of commits, and {WORKING_TREE} is none. Commit first, and write HEAD.")
    try:
        repository, look_up = _place(subject)
        begin, end = (find_commit(repository, name) for name in (first, last or "HEAD"))
    except BuildError as error:
        raise UsageError(str(error)) from error
    try:
        if begin != end:
            _require_order(repository, (first, begin), (last or "HEAD", end))
        listing = ask(repository, *("log", "--first-parent", "--reverse", "--format=%H %s"), f"{begin}..{end}")
        opening = ask(repository, "log", "-1", "--format=%H %s", begin).decode(errors="replace")
    except GitError as error:
        raise UsageError(f"git cannot list the revisions of '{text}' in {repository}: {error}.") from error
    lines = thinned([opening.strip(), *listing.decode(errors="replace").splitlines()], every)
    return [_revision(look_up, *line.partition(" ")[::2]) for line in lines]


def _place(subject: Subject | None) -> tuple[Path, Callable[[str], Mapping[str, str]]]:
    """Return the repository, and what gives the content that a build of a commit reads in it."""
    if subject is None or is_kernel(subject):
        return kernel_repository(), lambda commit: kernel_sources(commit).blobs
    project, _ = project_of(subject)
    folder, paths = project.folder, project.paths
    return project_repository(folder), lambda commit: project_tree(folder, commit, paths).content


def _require_order(repository: Path, first: tuple[str, str], last: tuple[str, str]) -> None:
    """Raise UsageError where the first commit is no ancestor of the last, saying what they are to each other."""
    if _is_ancestor(repository, first[1], last[1]):
        return
    if _is_ancestor(repository, last[1], first[1]):
        raise UsageError(
            f"The range '{first[0]}..{last[0]}' is empty: {last[0]} does not come after {first[0]}. Write the older "
            "one first."
        )
    if is_shallow(repository):
        raise UsageError(
            f"{repository} is a shallow clone, in which nothing leads from {first[0]} to {last[0]}: 'git fetch "
            "--unshallow' brings the commits that it lacks."
        )
    try:
        base = ask(repository, "merge-base", first[1], last[1]).decode().strip()[:SHORT]
    except GitError as error:
        raise UsageError(
            f"{first[0]} and {last[0]} have no commit in common in {repository}: name two of which one leads to the "
            "other."
        ) from error
    raise UsageError(
        f"{first[0]} is no ancestor of {last[0]}: they part at {base}. Begin there, or name two commits of which one "
        "leads to the other."
    )


def _is_ancestor(repository: Path, older: str, newer: str) -> bool:
    try:
        ask(repository, "merge-base", "--is-ancestor", older, newer)
    except GitError as error:
        if error.code == 1:  # git's way to say no
            return False
        raise
    return True


def _revision(look_up: Callable[[str], Mapping[str, str]], commit: str, title: str) -> Revision:
    try:
        content = look_up(commit)
    except BuildError as error:
        return Revision(commit=commit[:SHORT], title=title, problem=str(error))
    return Revision(commit=commit[:SHORT], title=title, build=tuple(sorted(content.items())))
