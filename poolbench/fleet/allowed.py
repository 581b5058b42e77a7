"""What a plan may ask of this machine: the backends that are installed, and what its owner allowed besides."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from poolbench.backends import registry
from poolbench.errors import UsageError
from poolbench.model.fleet import FleetTask
from poolbench.model.subject import parse_subject


def require_allowed(task: FleetTask, allowed: Sequence[str]) -> None:
    """Raise UsageError where ``task`` has a subject that none of the patterns ``allowed`` covers.

    An installed backend in its own environment needs no pattern. A release is fetched and a revision is built, both of
    which run code, and a path is of this machine: these need one, as subjects that misbehave on purpose do. A pattern,
    such as ``numpy@2.*`` or ``strided@rev:*``, is matched with the subject's backend and environment.
    """
    for text in task.subjects:
        subject = parse_subject(text)
        name = subject.backend + (f"@{subject.environment}" if subject.environment else "")
        if not subject.environment and not registry.is_for_tests(registry.resolve(subject.backend)):
            continue
        if not any(fnmatchcase(name, pattern) for pattern in allowed):
            raise UsageError(
                f"'{text}' is not allowed here: installed backends are, and others by name. Start the worker with "
                f"--allow '{name}', where its plan is to be trusted with that."
            )
