"""A subject: a backend in an environment with options, as written on the command line.

    subject = NAME [":" VARIANT] ["@" ENVIRONMENT] ("+" OPTION "=" VALUE)* ["#" COPY]

``torch``, ``torch:channels_last``, ``onnxruntime@1.23.0``, ``torch:compile+threads=2``; ``torch#2`` is the same
subject a second time, for comparisons that must come out equal. ``strided+slow=1.05`` does five per cent more of its
own work in each slot: a slowdown of known size, to see whether it is found. ``strided+layout=given`` is timed on the
caller's layout, whatever the run's rule, so that it can stand beside ``strided`` in the layout that it likes best.

    ENVIRONMENT = VERSION | "rev:" GIT | "path:" PYTHON

The version is its framework's, the git revision this project's (``strided`` alone); ``poolbench.environments`` reads
them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from poolbench.errors import InvalidIdError
from poolbench.model.method import LayoutPolicy

LIMIT = "limit"
"""The pseudo-subject that streams what a workload must touch, as fast as the memory lets it."""

OPTIONS = ("threads", "layout", "slow")

MOST_SLOW = 4.0
"""A subject cannot be slowed by more than this factor: beyond it a slot is no slot any more."""

_SUBJECT = re.compile(
    r"(?P<backend>[A-Za-z_][\w.-]*(?::[\w.-]+)?)(?:@(?P<environment>(?:[^+#]|\+(?![a-z]+=)|#(?!\d+$))+))?"
    r"(?P<options>(?:\+[a-z]+=[^+#]+)*)(?:#(?P<copy>\d{1,9}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A backend's registered name, with where and how it runs. ``copy`` counts from 1.

    ``threads`` and ``layout`` are its own, in place of the run's. ``slow`` (1 or more) is the factor by which each slot
    holds more work than it says.
    """

    backend: str
    environment: str = ""
    threads: int | None = None
    layout: LayoutPolicy | None = None
    slow: float = 1.0
    copy: int = 1

    def __str__(self) -> str:
        text = self.backend
        if self.environment:
            text += f"@{self.environment}"
        if self.threads is not None:
            text += f"+threads={self.threads}"
        if self.layout is not None:
            text += f"+layout={self.layout}"
        if self.slow != 1.0:
            text += f"+slow={self.slow:g}"
        return text if self.copy == 1 else f"{text}#{self.copy}"

    @property
    def framework(self) -> str:
        """The backend's name without its variant."""
        return self.backend.partition(":")[0]

    @property
    def is_plain_limit(self) -> bool:
        """Whether this is the limit that stands beside the subjects, and not one with options of its own."""
        return str(self) == LIMIT

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
    layout: LayoutPolicy | None = None
    slow = 1.0
    for option in filter(None, (match["options"] or "").split("+")):
        key, _, value = option.partition("=")
        if key == "threads":
            threads = _threads(text, value)
        elif key == "layout":
            layout = _layout(text, value)
        elif key == "slow":
            slow = _slow(text, value)
        else:
            raise InvalidIdError(f"Subject '{text}' has the unknown option '{key}': known are {', '.join(OPTIONS)}.")
    copy = int(match["copy"] or 1)
    if copy < 1:
        raise InvalidIdError(f"Subject '{text}': copies count from #1.")
    return Subject(
        backend=match["backend"],
        environment=match["environment"] or "",
        threads=threads,
        layout=layout,
        slow=slow,
        copy=copy,
    )


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


def _threads(text: str, value: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", value) or int(value) < 1:
        raise InvalidIdError(f"Subject '{text}': threads takes a whole number from 1 on, not '{value}'.")
    return int(value)


def _layout(text: str, value: str) -> LayoutPolicy:
    if text.partition("+")[0] == LIMIT:
        raise InvalidIdError(f"'{text}': the limit has no layout of its own: it streams what any of them must touch.")
    if value not in list(LayoutPolicy):
        raise InvalidIdError(f"Subject '{text}': layout takes {' or '.join(LayoutPolicy)}, not '{value}'.")
    return LayoutPolicy(value)


def _slow(text: str, value: str) -> float:
    try:
        factor = float(value)
    except ValueError:
        factor = math.nan
    if not 1 <= factor <= MOST_SLOW:
        raise InvalidIdError(
            f"Subject '{text}': slow takes a factor from 1 to {MOST_SLOW:g}, such as 1.05, not '{value}'."
        )
    return factor
