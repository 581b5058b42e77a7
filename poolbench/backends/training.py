"""How a backend's forward and backward become the three calls that a training workload may time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from poolbench.model.workload import Pass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Fetch = Callable[[Any], NDArray[Any]]

Pullback = Callable[[], Any]
"""What a forward keeps: it makes the input's gradient from the prepared gradient of the output, again and again."""

Forward = Callable[[], tuple[Any, Pullback]]
"""Pools, and returns the output with what takes its gradient."""

Step = Callable[[], tuple[Any, Any]]
"""Pools and takes the gradient at once: returns the output and the input's gradient."""


@dataclass(slots=True, kw_only=True)
class TrainingCall:
    """A Prepared for each of the training passes, made of a forward that returns a pullback.

    ``step`` is the whole step where a user would write it otherwise than as the one after the other. ``fetch`` and
    ``fetch_gradient`` turn the framework's output and gradient into arrays of shape (batch, channels, *spatial).
    ``output`` and ``gradient`` go the way that is timed: for a backward alone, from the forward that it is repeated on.
    """

    layout: str
    pass_: Pass
    forward: Forward
    fetch: Fetch
    fetch_gradient: Fetch
    step: Step | None = None
    kernels: Mapping[str, str] = field(default_factory=dict)
    """Who computes, by the backend's passes, where it can tell."""
    run: Callable[[], Any] = field(init=False)
    """The timed call, bound once: a method in between would cost as much as a small pooling."""
    _kept: tuple[Any, Pullback] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        match self.pass_:
            case Pass.TRAINING:
                self.run = self.step or self._one_after_the_other
            case Pass.TRAINING_FORWARD:
                self.run = self.forward
            case Pass.TRAINING_BACKWARD:
                self._kept = self.forward()
                self.run = self._kept[1]
            case Pass.FORWARD:
                raise ValueError("A forward pass takes no gradient: prepare it as a Call.")

    def output(self) -> NDArray[Any]:
        """Compute once, or take what the timed gradient belongs to; return it in the reference's layout."""
        return self.fetch(self._kept[0] if self._kept else self.run()[0])

    def gradient(self) -> NDArray[Any]:
        """Compute once and return the input's gradient in the reference's layout."""
        if self._kept:
            return self.fetch_gradient(self.run())
        _, found = self.run()
        return self.fetch_gradient(found() if self.pass_ is Pass.TRAINING_FORWARD else found)

    def close(self) -> None:
        """Let go of the input, the gradient, and what a forward kept."""
        self.run = self.forward = self.fetch = self.fetch_gradient = _closed
        self.step = self._kept = None

    def _one_after_the_other(self) -> tuple[Any, Any]:
        output, pullback = self.forward()
        return output, pullback()


def _closed(*_: object) -> Any:
    raise RuntimeError("this call was closed")
