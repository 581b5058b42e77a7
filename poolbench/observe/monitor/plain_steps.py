"""A function of which nothing is known: each call is a step, timed as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from poolbench.observe.monitor.core_time import CoreTime
from poolbench.observe.monitor.watch import Watch


class PlainSteps:
    """Times the sampled calls of a function."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._core = CoreTime()

    def attach(self) -> None:
        """Nothing is put anywhere."""

    def detach(self) -> None:
        """Nothing was."""

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the function as one step."""
        number = self._watch.begin()
        if number is None:
            return function(*args, **kwargs)
        step = self._watch.open(number, self._core)
        try:
            return function(*args, **kwargs)
        finally:
            step.end()
            self._watch.close(step, [])
