"""What a backend is: the two protocols that everything measured satisfies, and the data they meet in.

A backend is one class in one file with one line under ``[project.entry-points."poolbench.backends"]``. It imports its
framework inside functions only. ``docs/backends.md`` shows a complete one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from poolbench.model.method import LayoutPolicy
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Support:
    """Whether a backend can compute a workload, and if not, a sentence that says why."""

    ok: bool
    reason: str = ""


SUPPORTED = Support(True)


def refused(reason: str) -> Support:
    """Return a refusal with its reason: one sentence, ending in a full stop."""
    return Support(False, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The caller's input: ``array`` has its axes in the workload's order and may be any strided view.

    bfloat16 is ``ml_dtypes.bfloat16``. The array must not be written to. Under LayoutPolicy.BEST ``prepare`` may
    convert it to the layout the backend likes best; under GIVEN the timed call must take ``array``'s layout and
    leave its output in the same order, and pays for any conversion.

    ``gradient`` is that of the output, None where the workload is no training. It has its axes in the workload's order
    and lies as the workload's ``gradient_view`` says. BEST may convert its order too, but not the view: the timed call
    reads it as it lies (``geometry.in_order`` keeps it).
    """

    array: NDArray[Any]
    gradient: NDArray[Any] | None = None
    layout: LayoutPolicy = LayoutPolicy.BEST
    threads: int = 1


@runtime_checkable
class Prepared(Protocol):
    """A workload ready to run.

    ``layout`` is the axis order that the timed call computes in, with the channels in blocks as oneDNN writes it:
    ``nChw16c``.
    """

    layout: str

    def run(self) -> object:
        """Compute once, allocating the output as the framework's plain call does. This is what is timed."""
        ...

    def output(self) -> NDArray[Any]:
        """Compute once and return the result as an array of shape (batch, channels, *spatial). Not timed."""
        ...

    def close(self) -> None:
        """Let go of what was prepared."""
        ...


@runtime_checkable
class Differentiated(Protocol):
    """What the Prepared of a training workload has in addition; ``TrainingCall`` has it."""

    def gradient(self) -> NDArray[Any]:
        """Compute once and return the input's gradient as an array of shape (batch, channels, *spatial). Not timed."""
        ...


@runtime_checkable
class Indexed(Protocol):
    """What a Prepared offers in addition where the framework returns the indices of maxima."""

    def indices(self) -> NDArray[np.int64]:
        """Return the framework's own indices, arranged as (batch, channels, *spatial)."""
        ...


@runtime_checkable
class Saving(Protocol):
    """What a Prepared of a training workload offers in addition, so that the bytes saved for backward are measured."""

    def forward(self) -> object:
        """Run the forward pass alone. What it returns holds the output and all that the backward pass will need."""
        ...


@runtime_checkable
class Recycling(Protocol):
    """What a Backend offers in addition where memory that a call freed is kept for later calls."""

    def stop_recycling(self) -> None:
        """Give back what is kept, and keep no more where that can be told.

        Called where memory is measured: after ``load``, before ``prepare``, and again before each measured call.
        """
        ...


@runtime_checkable
class Scoped(Protocol):
    """What a Backend offers in addition where ``load`` or ``environment`` would change a process that is not its own.

    ``poolbench.apply`` runs in its caller's process: it enters ``scope`` instead of calling ``load``, and sets none of
    the variables of ``environment``.
    """

    def scope(self) -> AbstractContextManager[None]:
        """Import the framework, and let ``prepare`` and what it returns compute right within the context.

        Whatever is set for that holds for this thread, and is as it was when the context ends; thread counts stay.
        """
        ...


class Backend(Protocol):
    """One implementation of pooling. Instances are made without arguments and must be cheap to make."""

    name: str
    framework: str
    """The distribution that must be installed, such as "torch"; "" for none beyond poolbench's own."""

    def supports(self, workload: Workload) -> Support:
        """Say whether ``workload`` can be computed. Cheap: imports nothing heavy."""
        ...

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return the environment variables that must be set before the framework is imported."""
        ...

    def load(self, threads: int) -> None:
        """Import the framework and set its thread count. Must not run an operator: workers fork after this."""
        ...

    def facts(self) -> Mapping[str, str]:
        """Return versions, instruction set and flags. Called after ``load``."""
        ...

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Make ``workload`` ready to run on ``source``. Everything the timed call need not repeat happens here."""
        ...


@dataclass(slots=True)
class Call:
    """A Prepared made of two functions; most backends need no more.

    ``compute`` is the timed call; ``fetch`` turns its result into an array of shape (batch, channels, *spatial).
    ``kernels`` names who computes, by pass, where the backend can tell: rows store it.
    """

    layout: str
    compute: Callable[[], Any]
    fetch: Callable[[Any], NDArray[Any]]
    kernels: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def run(self) -> object:
        """Compute once."""
        return self.compute()

    def output(self) -> NDArray[Any]:
        """Compute once and return the result in the reference's layout."""
        return self.fetch(self.compute())

    def close(self) -> None:
        """Let go of the input."""
        self.compute = self.fetch = _closed


def _closed(*_: object) -> Any:
    raise RuntimeError("this call was closed")
