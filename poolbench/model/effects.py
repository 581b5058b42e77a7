"""What a pooling layer buys and costs, beside what could stand in its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from poolbench.model.estimate import Estimate
from poolbench.model.pooling import Ints
from poolbench.model.workload import Pass, Workload


class Alternative(StrEnum):
    """What can stand in a pooling layer's place.

    CONVOLUTION has the layer's window and stride, and as many channels out as in. BLUR is a binomial filter before the
    subsampling, MAX_BLUR a maximum at stride 1 with that behind it. NONE leaves the layer out.
    """

    MAX = "max"
    AVERAGE = "average"
    CONVOLUTION = "convolution"
    BLUR = "blur"
    MAX_BLUR = "max + blur"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Information:
    """What an alternative does to a signal; each is a share of a variance (``poolbench.observe.effects.measures``).

    ``lost`` is what the best linear upsampling cannot bring back of the input. ``changed`` is how far the output moves
    when the input is shifted by one element: 1 is as far as an unrelated output. ``unsteady`` is the part of the
    shifted output that does not follow linearly from the output before: what is no shift.
    """

    lost: float
    changed: float
    unsteady: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How a small classifier does with an alternative as its pooling: means over seeds, each with its 95 % interval.

    ``plain`` is the share of right answers on images as they are, ``shifted`` on images shifted by one pixel, and
    ``steady`` the share of shifted images whose answer stays what it was.
    """

    plain: Estimate
    shifted: Estimate
    steady: Estimate
    seeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One alternative in a layer's place.

    ``operations`` counts multiplications, additions and comparisons of one forward call, ``weights`` what is trained.
    ``time`` and ``requested_bytes`` are the layer's own, ``with_next`` the time of the layer and of the one behind it;
    nanoseconds. They are None where nothing was measured: ``reason`` then says why.
    """

    alternative: Alternative
    is_layer: bool
    operations: int
    weights: int = 0
    time: Estimate | None = None
    requested_bytes: int | None = None
    with_next: Estimate | None = None
    information: Information | None = None
    accuracy: Accuracy | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What is less behind a layer than without it: elements that layers put out, their bytes, and operations.

    ``scope`` says in words behind which layers this was counted. An amount below 0 is more.
    """

    activations: int
    bytes: int
    operations: int
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEffects:
    """A pooling layer with its alternatives. ``next_layer`` says in words what stands behind it in ``with_next``.

    ``layer`` is its place in a model, "" where there is none, and ``count`` how often a step comes by.
    """

    workload: Workload
    layer: str
    count: int
    choices: tuple[Choice, ...]
    next_layer: str
    saving: Saving | None
    notes: tuple[str, ...] = ()

    def choice(self, alternative: Alternative) -> Choice | None:
        """Return what was found of ``alternative``, None where it cannot stand here."""
        return next((choice for choice in self.choices if choice.alternative is alternative), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What ``poolbench effects`` found. ``run`` is the stored run of the times, "" where nothing was timed."""

    title: str
    layers: tuple[LayerEffects, ...]
    accuracies: tuple[tuple[Alternative, Accuracy], ...]
    run: str = ""
    started_at: str = ""
    machine: str = ""
    processor: str = ""
    notes: tuple[str, ...] = ()


class LayerKind(StrEnum):
    """Kinds of layers that a model's step is told by. REST is every other operator, BETWEEN what is no operator."""

    CONVOLUTION = "convolution"
    DENSE = "dense"
    RECURRENT = "recurrent"
    ATTENTION = "attention"
    NORMALISATION = "normalisation"
    POOLING = "pooling"
    REST = "rest"
    BETWEEN = "between operators"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCost:
    """What one kind takes of a step: nanoseconds, its share of the profiled step, and bytes that it requests."""

    kind: LayerKind
    time: Estimate
    share: float
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCosts:
    """A model's step by kind of layer. ``step`` is its time without the profiler, ``profiled`` with it.

    The kinds' times are parts of ``profiled``; ``covered`` is the share of it that operators take, by the profiler.
    """

    target: str
    pass_: Pass
    inputs: tuple[str, ...]
    version: str
    kinds: tuple[KindCost, ...]
    step: Estimate
    profiled: Estimate
    covered: float
    rounds: int


def leading(points: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return the points (cost, benefit) that no other one beats in both, cheapest first: the Pareto front."""
    front: list[tuple[float, float]] = []
    for cost, benefit in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not front or benefit > front[-1][1]:
            front.append((cost, benefit))
    return tuple(front)


def elements(shape: Ints) -> int:
    """Return the number of elements of a shape."""
    product = 1
    for size in shape:
        product *= size
    return product
