"""The monitor that a user holds: it starts, is asked how it is doing, and stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol

from poolbench.observe.monitor.core_time import CoreTime
from poolbench.observe.monitor.types import Status
from poolbench.observe.monitor.watch import Call, OpenStep, Watch


class Steps(Protocol):
    """How the steps of some kind of model are seen."""

    def attach(self) -> None:
        """Begin to see them."""

    def detach(self) -> None:
        """See them no longer; nothing is left behind."""

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a function as one step."""


class Monitor:
    """Watches a model until ``stop``, or until the end of its context.

    A monitor of a function is called instead of it. ``step`` and ``layer`` are for any code: a step is what is sampled,
    a layer is what is timed in it.

        with poolbench.monitor(name="encoder", json_lines="encoder.jsonl") as watched:
            for batch in batches:
                with watched.step():
                    with watched.layer("pool", moved_bytes=pooled.nbytes):
                        pool(batch)
    """

    def __init__(self, watch: Watch, function: Callable[..., Any] | None = None) -> None:
        self._watch = watch
        self._function = function
        self._steps: Steps | None = None
        self._core = CoreTime()
        self._local = threading.local()

    def start(self, steps: Steps | None) -> Monitor:
        """Begin; whatever goes wrong is logged, and the monitor is off."""
        self._steps = steps
        self._watch.on_end = steps.detach if steps is not None else lambda: None
        self._watch.start()
        if steps is not None and self._watch.is_on:
            try:
                steps.attach()
            except Exception as error:
                self._watch.fail("it could not be put onto the model", error)
        return self

    @property
    def status(self) -> Status:
        """Whether it is on, how many steps it has seen and sampled, and why it has switched itself off."""
        return self._watch.status

    @property
    def is_on(self) -> bool:
        """Whether it still watches."""
        return self._watch.is_on

    def stop(self) -> None:
        """Watch no longer: no hook, no thread, no port and no open file is left. Calling it again does nothing."""
        self._watch.stop()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the watched function as one step. Raises what the function raises."""
        if self._function is None:
            raise TypeError("This monitor watches no function: call the model itself, or use step() and layer().")
        if self._steps is None or not self._watch.is_on:
            return self._function(*args, **kwargs)
        return self._steps.run(self._function, args, kwargs)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Count what is inside as one step."""
        number = self._watch.begin()
        if number is None or getattr(self._local, "step", None) is not None:
            yield
            return
        self._local.step = self._watch.open(number, self._core)
        self._local.calls = []
        try:
            yield
        finally:
            step, self._local.step = self._local.step, None
            step.end()
            self._watch.close(step, self._local.calls)

    @contextmanager
    def layer(self, name: str, *, moved_bytes: int | None = None) -> Iterator[None]:
        """Time what is inside where the step around it is sampled. ``moved_bytes`` is what it must read and write."""
        step: OpenStep | None = getattr(self._local, "step", None)
        if step is None:
            yield
            return
        inner = OpenStep(step.number, self._core, 0)
        try:
            yield
        finally:
            inner.end()
            self._local.calls.append(
                Call(
                    elapsed_ns=inner.elapsed_ns,
                    cpu_ns=inner.cpu_ns,
                    waited_ns=inner.waited_ns,
                    layer=name,
                    function="layer",
                    moved_bytes=moved_bytes,
                )
            )

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
