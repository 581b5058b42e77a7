"""Making ready what subjects name: each environment once, several at a time, and what fails without the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from poolbench.environments.cache import Cache, Contents
from poolbench.environments.commands import Commands
from poolbench.environments.existing import existing_interpreter
from poolbench.environments.interpreter import Interpreter, Unavailable
from poolbench.environments.kernel import Kernel
from poolbench.environments.package import Package
from poolbench.environments.reference import Kind, Reference, reference
from poolbench.environments.release import Release
from poolbench.errors import BuildError
from poolbench.model.subject import Subject

Provided = Mapping[Subject, Interpreter | Unavailable]
"""The environments of those subjects that name one."""

AT_ONCE = 4
"""So many environments are made at the same time: pip waits for the network and the disk most of its time."""


def provide(
    subjects: Sequence[Subject], *, tell: Callable[[str], None] = lambda text: None, cache: Cache | None = None
) -> Provided:
    """Return where the subjects that name an environment run, making what is not in the cache.

    ``tell`` is given a line, from several threads, whenever something that takes time begins or ends. Interrupted, it
    stops the builders, leaves nothing half-made, and passes KeyboardInterrupt on.
    """
    wanted = {subject: reference(subject) for subject in subjects if subject.environment}
    if not wanted:
        return {}
    provider = _Provider(cache or Cache(), tell)
    made = provider.all(list(dict.fromkeys(wanted.values())))
    return {subject: made[each] for subject, each in wanted.items()}


def identities(provided: Provided) -> dict[str, str]:
    """Return what stands behind each environment that could be made, by the subject's family and environment."""
    return {
        f"{subject.backend.partition(':')[0]}@{subject.environment}": place.identity
        for subject, place in provided.items()
        if isinstance(place, Interpreter)
    }


class _Provider:
    def __init__(self, cache: Cache, tell: Callable[[str], None]) -> None:
        self._cache = cache
        self._tell = tell
        self._commands = Commands()

    def all(self, references: list[Reference]) -> dict[Reference, Interpreter | Unavailable]:
        pool = ThreadPoolExecutor(max_workers=AT_ONCE)
        try:
            return dict(zip(references, pool.map(self._one, references), strict=True))
        except BaseException:
            self._commands.stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _one(self, wanted: Reference) -> Interpreter | Unavailable:
        begin = time.monotonic()
        try:
            if wanted.kind is Kind.PATH:
                return existing_interpreter(wanted, self._commands)
            return self._cached(wanted, begin)
        except BuildError as error:
            if not self._commands.is_stopped:
                self._tell(f"{wanted} cannot be had: {error}")
            return Unavailable(reason=f"{wanted}: {error}")

    def _cached(self, wanted: Reference, begin: float) -> Interpreter:
        recipe: Release | Kernel | Package
        if wanted.kind is Kind.RELEASE:
            recipe = Release(reference=wanted)
        elif wanted.project is not None:
            recipe = Package.of(wanted, self._tell)
        else:
            recipe = Kernel.of(wanted, self._cache, self._tell)
        is_new = False

        def build(folder: Path) -> Contents:
            nonlocal is_new
            is_new = True
            self._tell(f"{wanted}: making its environment …")
            return recipe.build(folder, self._commands)

        entry = self._cache.get(
            recipe.name,
            build,
            is_sound=recipe.is_sound,
            is_stopped=lambda: self._commands.is_stopped,
            waiting=lambda: self._tell(f"{wanted}: another process is making its environment; waiting for it …"),
        )
        if is_new:
            self._tell(f"{wanted}: ready after {time.monotonic() - begin:.0f} s, {entry.contents.bytes / 1e6:.0f} MB")
        return recipe.interpreter(entry)
