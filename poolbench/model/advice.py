"""What a model's pooling costs, what would change it, and what a change brought."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from poolbench.model.estimate import Estimate
from poolbench.model.workload import Pass

PLAIN, AS_IS, CHANGED = "plain", "as_is", "changed"
"""Steps of a model that take turns: one that nobody watches, one whose pooling calls are timed as they are, and a plain
one of the changed model. Others are called by the change that their pooling calls are timed with, or by
``unwatched`` of the change that they are plain steps with."""


class Change(StrEnum):
    """What a pooling call can be switched to."""

    STRIDED = "strided"
    CHANNELS_LAST = "channels_last"
    CHANNELS_FIRST = "channels_first"
    COMPILE = "compile"
    BF16 = "bf16"
    F16 = "f16"

    @property
    def text(self) -> str:
        """How a sentence names it."""
        return _TEXTS[self]


def unwatched(change: str) -> str:
    """Return what plain steps of the model are called in which a change is everywhere that it applies."""
    return f"{PLAIN} with {change}"


_TEXTS = {
    Change.STRIDED: "poolbench.strided.torch",
    Change.CHANNELS_LAST: "PyTorch in channels_last, converted there and back",
    Change.CHANNELS_FIRST: "PyTorch in contiguous order, converted there and back",
    Change.COMPILE: "torch.compile around the call",
    Change.BF16: "PyTorch in bfloat16, converted there and back",
    Change.F16: "PyTorch in float16, converted there and back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part of a step's time, such as 0.04, with its 95 % interval. A saving below 0 is a loss."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the interval's length, as a share of the step."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A change of one layer, and the share of the step that it would save; ``reason`` says why it was not tried."""

    change: Change
    saving: Share | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerAdvice:
    """A place in the model where it pools: what it costs there, and what could be changed.

    ``workloads`` are the ids of its calls, ``calls`` how many a step makes. ``is_module`` says that the layer is one of
    PyTorch's pooling modules. ``options`` are the best first. ``change`` is the one that surely saves something, None
    where none does.
    """

    layer: str
    function: str
    calls: int
    is_module: bool
    workloads: tuple[str, ...]
    share: Share
    options: tuple[Option, ...]
    change: Change | None = None

    @property
    def name(self) -> str:
        """The layer's path, and the function where the layer is not a pooling module that says it."""
        where = self.layer or "the model"
        return where if self.is_module else f"{where} ({self.function})"

    @property
    def saving(self) -> Share | None:
        """What the advised change saves, None where there is none."""
        return next((option.saving for option in self.options if option.change is self.change), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A change of the whole model, carried out: the measured saving beside the one predicted from its layers.

    ``calls`` is what the layers' calls save, ``rest`` what the rest of the step gains or loses by the change (below 0),
    None where that is not sure. ``predicted`` is their sum, None where layers do not tell, as where the whole model's
    memory order changes. ``problem`` says why it was not measured.
    """

    what: str
    predicted: Share | None
    measured: Share | None
    calls: Share | None = None
    rest: Share | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to change in a model's pooling. ``step`` is the time of a step in nanoseconds, None where none was timed.

    ``is_worthwhile`` says that changing the layers is advised; ``trials`` are changes of the whole model. ``launches``
    is the number of processes in which the layers were timed. ``notes`` are sentences on what was not done, and
    ``problem`` one on how the model ended where it did.
    """

    target: str
    framework: str
    version: str
    pass_: Pass
    inputs: tuple[str, ...]
    threads: int
    step: Estimate | None = None
    share: Share | None = None
    layers: tuple[LayerAdvice, ...] = ()
    is_worthwhile: bool = False
    trials: tuple[Trial, ...] = ()
    launches: int = 0
    notes: tuple[str, ...] = ()
    problem: str = ""
