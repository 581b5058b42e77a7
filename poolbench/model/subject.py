"""A subject: a backend in an environment with options, as written on the command line.

    subject = NAME [":" VARIANT] ["@" ENVIRONMENT] ("+" OPTION "=" VALUE)* ["#" COPY]

``torch``, ``torch:channels_last``, ``onnxruntime@1.23.0``, ``torch:compile+threads=2``; ``torch#2`` is the same
subject a second time, for comparisons that must come out equal.

    ENVIRONMENT = VERSION | "rev:" GIT | "path:" PYTHON

The version is its framework's, the git revision this project's (``strided`` alone); ``poolbench.environments`` reads
them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from poolbench.errors import InvalidIdError

LIMIT = "limit"
"""The pseudo-subject that streams what a workload must touch, as fast as the memory lets it."""

OPTIONS = ("threads",)

_SUBJECT = re.compile(
    r"(?P<backend>[A-Za-z_][\w.-]*(?::[\w.-]+)?)(?:@(?P<environment>(?:[^+#]|\+(?![a-z]+=)|#(?!\d+$))+))?"
    r"(?P<options>(?:\+[a-z]+=[^+#]+)*)(?:#(?P<copy>\d+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A backend's registered name, with where and how it runs. ``copy`` counts from 1."""

    backend: str
    environment: str = ""
    threads: int | None = None
    copy: int = 1

    def __str__(self) -> str:
        text = self.backend
        if self.environment:
            text += f"@{self.environment}"
        if self.threads is not None:
            text += f"+threads={self.threads}"
        return text if self.copy == 1 else f"{text}#{self.copy}"

    @property
    def is_limit(self) -> bool:
        """Whether this is the streaming limit and not an implementation of pooling."""
        return self.backend == LIMIT


def parse_subject(text: str) -> Subject:
    """Return the subject that ``text`` names. Raises InvalidIdError where it does not follow the grammar."""
    match = _SUBJECT.fullmatch(text)
    if match is None:
        raise InvalidIdError(
            f"'{text}' is not a subject: write a backend, then @environment, +threads=# and #copy as needed, "
            "such as torch, torch:channels_last, torch+threads=2 or torch#2."
        )
    threads: int | None = None
    for option in filter(None, (match["options"] or "").split("+")):
        key, _, value = option.partition("=")
        if key not in OPTIONS:
            raise InvalidIdError(f"Subject '{text}' has the unknown option '{key}': known is {', '.join(OPTIONS)}.")
        if not value.isdigit() or int(value) < 1:
            raise InvalidIdError(f"Subject '{text}': threads takes a whole number from 1 on, not '{value}'.")
        threads = int(value)
    copy = int(match["copy"] or 1)
    if copy < 1:
        raise InvalidIdError(f"Subject '{text}': copies count from #1.")
    return Subject(backend=match["backend"], environment=match["environment"] or "", threads=threads, copy=copy)


def number_copies(subjects: list[Subject]) -> list[Subject]:
    """Give each repetition of a subject the next free copy number, so that all are distinct."""
    taken: set[Subject] = set()
    numbered: list[Subject] = []
    for subject in subjects:
        while subject in taken:
            subject = replace(subject, copy=subject.copy + 1)
        taken.add(subject)
        numbered.append(subject)
    return numbered
