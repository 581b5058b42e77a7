"""The revisions of this project between two, each with what its kernel is built from."""

from __future__ import annotations

from dataclasses import dataclass

from poolbench.environments.git import GitError, ask
from poolbench.environments.releases import thinned
from poolbench.environments.sources import kernel_sources
from poolbench.errors import BuildError, UsageError

SHORT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A commit, by the first twelve digits, and its title. ``build`` is equal for two that build the same kernel.

    ``problem`` says why there is no kernel to build; ``build`` is empty then.
    """

    commit: str
    title: str
    build: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def revisions(text: str, *, every: int = 1) -> list[Revision]:
    """Return the revisions that ``A..B`` names, the oldest first: A, and what leads from it to B by first parents.

    Of these every ``every``-th is taken, and B. Raises UsageError where there is no such range.
    """
    first, dots, last = (part.strip() for part in text.partition(".."))
    if not dots or not first:
        raise UsageError(f"'{text}' is no range of revisions: write A..B, such as v0.1.0..main, or HEAD~5..HEAD.")
    try:
        begin, end = (kernel_sources(name) for name in (first, last or "HEAD"))
    except BuildError as error:
        raise UsageError(str(error)) from error
    repository = begin.repository
    try:
        listing = ask(
            repository,
            *("log", "--first-parent", "--reverse", "--format=%H %s", f"{begin.commit}..{end.commit}"),
        ).decode(errors="replace")
        opening = ask(repository, "log", "-1", "--format=%H %s", begin.commit).decode(errors="replace")
    except GitError as error:
        raise UsageError(f"git cannot list the revisions of '{text}' in {repository}: {error}.") from error
    following = listing.splitlines()
    if not following and begin.commit != end.commit:
        raise UsageError(
            f"The range '{text}' is empty: {last or 'HEAD'} does not come after {first}. Write the older one first."
        )
    lines = thinned([opening.strip(), *following], every)
    return [_revision(*line.partition(" ")[::2]) for line in lines]


def _revision(commit: str, title: str) -> Revision:
    try:
        blobs = kernel_sources(commit).blobs
    except BuildError as error:
        return Revision(commit=commit[:SHORT], title=title, problem=str(error))
    return Revision(commit=commit[:SHORT], title=title, build=tuple(sorted(blobs.items())))
