"""Where a session's workers come from: importers, shared by the subjects whose environment is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from poolbench.backends import registry
from poolbench.environments.interpreter import PRESENT, Interpreter, Unavailable
from poolbench.measure.client import Importer, WorkerClient, WorkerFailure
from poolbench.measure.protocol import Message
from poolbench.model.method import Method
from poolbench.model.result import Status
from poolbench.model.subject import Subject


class Worker(Protocol):
    """What a session asks of a worker."""

    def ask(self, op: str, *, deadline_s: float, **content: object) -> Message:
        """Send a request and wait for the reply. Raises WorkerFailure."""
        ...

    def close(self) -> None:
        """End the worker."""
        ...


class Launcher(Protocol):
    """What a session needs to get workers. A test's launcher has no processes and a virtual clock."""

    def renew(self) -> None:
        """Replace the importers by freshly executed ones."""
        ...

    def open_worker(self, subject: Subject) -> Worker:
        """Start a worker. Raises WorkerFailure where its framework cannot be imported."""
        ...

    def facts(self, subject: Subject) -> Mapping[str, str]:
        """Return what the backend says of itself."""
        ...

    def close(self) -> None:
        """End everything."""
        ...


_Key = tuple[str, tuple[tuple[str, str], ...], int, str, str]
_Generation = dict[_Key, "Importer | WorkerFailure"]


class ProcessLauncher:
    """Starts real processes: one importer for each framework, environment and thread count among ``subjects``.

    ``places`` are the environments that subjects name, as ``environments.provide`` made them; who is missing there
    runs in the present one. ``apart`` gives each subject an importer of its own, as two subjects of different
    environments have: a copy then differs from its base in all that two revisions differ in, but for the code.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        method: Method,
        places: Mapping[Subject, Interpreter | Unavailable] | None = None,
        *,
        apart: bool = False,
    ) -> None:
        self._method = method
        self._places = places or {}
        self._interpreters: dict[str, Interpreter] = {}
        self._backends: dict[_Key, list[str]] = {}
        self._keys: dict[Subject, _Key] = {}
        for subject in subjects:
            place = self._place(subject)
            if isinstance(place, Unavailable):
                continue
            self._interpreters[place.key] = place
            backend = registry.create(subject.backend)
            threads = subject.threads or method.threads
            variables = tuple(sorted(backend.environment(threads).items()))
            key = (backend.framework, variables, threads, place.key, str(subject) if apart else "")
            self._keys[subject] = key
            names = self._backends.setdefault(key, [])
            if subject.backend not in names:
                names.append(subject.backend)
        self._importers: _Generation = {}
        self._waiting: _Generation | None = None
        self._has_begun = False

    def __enter__(self) -> ProcessLauncher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def renew(self) -> None:
        """Replace the importers by others that have served no launch.

        The first two generations are imported at the same time, before anything is measured: imports keep one core
        busy each, and nothing may be measured beside them.
        """
        _end(self._importers)
        if not self._has_begun:
            self._has_begun = True
            self._importers, self._waiting = self._start(2)
        elif self._waiting is not None:
            self._importers, self._waiting = self._waiting, None
        else:
            (self._importers,) = self._start(1)

    def _start(self, count: int) -> list[_Generation]:
        """Start ``count`` generations at once, and wait until all have imported or failed to."""
        limits = self._method.limits
        started = [
            {
                key: Importer(
                    backends=names,
                    environment=dict(key[1]),
                    threads=key[2],
                    limits=limits,
                    interpreter=self._interpreters[key[3]],
                )
                for key, names in self._backends.items()
            }
            for _ in range(count)
        ]
        return [{key: _ready(importer) for key, importer in generation.items()} for generation in started]

    def open_worker(self, subject: Subject) -> WorkerClient:
        """Fork a worker for ``subject``. Raises WorkerFailure where its environment could not be made."""
        place = self._place(subject)
        if isinstance(place, Unavailable):
            raise WorkerFailure(Status.FAILED, place.reason, alive=True)
        importer = self._importers[self._keys[subject]]
        if isinstance(importer, WorkerFailure):
            raise importer
        return importer.fork(subject.backend)

    def facts(self, subject: Subject) -> Mapping[str, str]:
        """Return its environment's facts, and those that the backend gave after its import; none where that failed."""
        place = self._place(subject)
        if isinstance(place, Unavailable):
            return {}
        importer = self._importers.get(self._keys[subject])
        return {**place.facts, **importer.facts.get(subject.backend, {})} if isinstance(importer, Importer) else {}

    def _place(self, subject: Subject) -> Interpreter | Unavailable:
        """Return where ``subject`` runs: in the present interpreter, if it names no environment."""
        return self._places.get(subject, PRESENT)

    def close(self) -> None:
        """End all importers and the workers forked from them."""
        _end(self._importers)
        _end(self._waiting or {})
        self._importers, self._waiting = {}, None


def _ready(importer: Importer) -> Importer | WorkerFailure:
    try:
        importer.wait_ready()
    except WorkerFailure as failure:
        importer.close()
        return failure
    return importer


def _end(generation: _Generation) -> None:
    for importer in generation.values():
        if isinstance(importer, Importer):
            importer.close()
