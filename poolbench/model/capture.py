"""The pooling calls that a user's own model makes."""

from __future__ import annotations

from dataclasses import dataclass

from poolbench.model.pooling import Ints
from poolbench.model.workload import Pass, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a model a call stands: ``layer`` is the path of the module, "" outside of any.

    ``function`` is what was called there, by the framework's own name. ``is_reduction`` says that this is a mean or a
    maximum over all spatial axes: global pooling by another name. ``count`` is how often a step comes by.
    """

    layer: str
    function: str
    count: int
    is_reduction: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedCall:
    """Equal calls of a model: one workload, or what no workload says.

    ``shape`` is the input's as the framework has it, ``strides`` count elements from one index to the next along each
    axis, None where the framework has none. ``gradient_strides`` are those of the output's gradient in training.
    ``dtype`` and ``device`` are the framework's words. ``threads`` is how many threads the framework may use, None
    where it does not say. ``reason`` is a sentence that says why nothing measures the call, ``note`` one on how it
    differs from its workload; both are empty where there is nothing to say.
    """

    workload: Workload | None
    name: str
    pass_: Pass
    places: tuple[Place, ...]
    shape: Ints
    strides: Ints | None
    gradient_strides: Ints | None
    dtype: str
    device: str
    threads: int | None
    reason: str = ""
    note: str = ""

    @property
    def count(self) -> int:
        """How many such calls a step makes."""
        return sum(place.count for place in self.places)

    @property
    def reductions(self) -> int:
        """How many of the calls are means or maxima over all spatial axes."""
        return sum(place.count for place in self.places if place.is_reduction)

    @property
    def is_supported(self) -> bool:
        """Whether some backend can measure the call."""
        return not self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What a model pools in one step. ``notes`` are sentences on what was not seen and why.

    ``problem`` is a sentence that says how the model ended before its step did, "" where it did not.
    """

    target: str
    framework: str
    version: str
    pass_: Pass
    inputs: tuple[str, ...]
    calls: tuple[CapturedCall, ...]
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """The workloads of the calls that some backend can measure, each once, with ``weight`` calls a step."""
        return tuple(call.workload for call in self.calls if call.workload is not None and call.is_supported)
