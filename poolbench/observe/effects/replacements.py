"""What can stand in a pooling layer's place, as calls that a run can time, with what they cost by arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from poolbench.backends.geometry import exact_padding
from poolbench.errors import InvalidSpecError
from poolbench.model.effects import Alternative, Saving, elements
from poolbench.model.pooling import Ints, Kind, Padding, PoolSpec
from poolbench.model.workload import CONTIGUOUS, Origin, Workload
from poolbench.observe.effects.filters import blur_size

DENSE, DEPTHWISE = "torch:convolution", "torch:depthwise"
"""The subjects that sum up windows by a convolution, which takes as long with any other weights.

A sum is an average with the divisor 1: the weights are then exact, and what comes out can be checked.
"""

SUM = 1
"""The divisor of a sum."""

NEXT_WINDOW = 3
"""The layer behind a pooling layer is a convolution of this window, with as many channels, where there is a plane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A call that a run times."""

    subject: str
    workload: Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """An alternative: calls one after the other, and ``next_part``, the call behind them. ``reason``: why not.

    ``operations`` counts multiplications, additions and comparisons, each element of a window by itself.
    """

    alternative: Alternative
    is_layer: bool
    parts: tuple[Part, ...] = ()
    next_part: Part | None = None
    operations: int = 0
    weights: int = 0
    reason: str = ""


def replacements(workload: Workload, subject: str) -> tuple[Replacement, ...]:
    """Return all alternatives to ``workload``; ``subject`` computes maxima and averages.

    An alternative that cannot be has a reason and no parts.
    """
    return tuple(_replacement(workload, alternative, subject) for alternative in Alternative)


def layer_itself(workload: Workload) -> Alternative:
    """Return which alternative the layer is."""
    return Alternative.MAX if workload.spec.kind is Kind.MAX else Alternative.AVERAGE


def is_single(workload: Workload) -> bool:
    """Whether one output is left of each plane, as in global pooling."""
    return all(size == 1 for size in workload.output_spatial)


def next_layer(workload: Workload) -> str:
    """Say what stands behind the layer in ``with_next``."""
    if is_single(workload):
        return f"a dense layer with {workload.channels} outputs"
    rank = workload.spec.rank
    size = f"{NEXT_WINDOW}-wide" if rank == 1 else " × ".join([str(NEXT_WINDOW)] * rank)
    return f"a {size} convolution with {workload.channels} channels"


def saving_ahead(workload: Workload) -> Saving:
    """Return what the layer saves in the next one, by arithmetic: all that can be said without a model."""
    before, behind = math.prod(workload.spatial), math.prod(workload.output_spatial)
    planes, weights = workload.batch * workload.channels, 2 * workload.channels
    if is_single(workload):
        activations, operations = 0, planes * weights * (before - 1)
    else:
        activations = planes * (before - behind)
        operations = activations * weights * NEXT_WINDOW**workload.spec.rank
    return Saving(
        activations=activations,
        bytes=activations * workload.dtype.itemsize,
        operations=operations,
        scope=f"in {next_layer(workload)}",
    )


def _replacement(workload: Workload, alternative: Alternative, subject: str) -> Replacement:
    is_layer = alternative is layer_itself(workload)
    plain = replace(workload, view=CONTIGUOUS, origin=Origin(), tags=(), weight=1)
    try:
        parts = (Part(subject=subject, workload=plain),) if is_layer else _PARTS[alternative](plain, subject)
        behind = _behind(plain, plain.spatial if alternative is Alternative.NONE else plain.output_spatial)
    except InvalidSpecError as error:
        return Replacement(alternative=alternative, is_layer=is_layer, reason=str(error))
    weights = sum(_weights(part) for part in parts if part.subject == DENSE)
    operations = sum(_operations(part) for part in parts)
    return Replacement(
        alternative=alternative,
        is_layer=is_layer,
        parts=parts,
        next_part=behind,
        operations=operations,
        weights=weights,
    )


def _other(workload: Workload, kind: Kind, divisor: int | None = None) -> tuple[Workload, PoolSpec]:
    """Return the layer, and its windows of another kind: averages over all of each window, or with a divisor."""
    spec = _windowed(workload)
    assert spec.window is not None and spec.stride is not None
    other = PoolSpec.windowed(
        kind,
        spec.window,
        stride=spec.stride,
        padding=_exact(spec, workload.spatial),
        dilation=spec.dilation,
        divisor=divisor,
    )
    return workload, other


def _maximum(workload: Workload, subject: str) -> tuple[Part, ...]:
    return (_part(subject, *_other(workload, Kind.MAX)),)


def _average(workload: Workload, subject: str) -> tuple[Part, ...]:
    return (_part(subject, *_other(workload, Kind.AVG)),)


def _convolution(workload: Workload, subject: str) -> tuple[Part, ...]:
    return (_part(DENSE, *_other(workload, Kind.AVG, SUM)),)


def _blur(workload: Workload, subject: str) -> tuple[Part, ...]:
    _require_plane(workload)
    spec = _windowed(workload)
    assert spec.stride is not None
    sizes = tuple(map(blur_size, spec.stride))
    return (_part(DEPTHWISE, workload, _reaching(sizes, spec.stride, workload.spatial, workload.output_spatial)),)


def _maximum_and_blur(workload: Workload, subject: str) -> tuple[Part, ...]:
    _require_plane(workload)
    spec = _windowed(workload)
    assert spec.window is not None
    padding = _exact(spec, workload.spatial)
    first = _part(
        subject, workload, PoolSpec.windowed(Kind.MAX, spec.window, stride=1, padding=padding, dilation=spec.dilation)
    )
    behind = replace(workload, spec=spec, spatial=first.workload.output_spatial)
    assert spec.stride is not None
    sizes = tuple(map(blur_size, spec.stride))
    reaching = _reaching(sizes, spec.stride, behind.spatial, workload.output_spatial)
    return first, _part(DEPTHWISE, behind, reaching)


def _nothing(workload: Workload, subject: str) -> tuple[Part, ...]:
    return ()


_PARTS: dict[Alternative, Callable[[Workload, str], tuple[Part, ...]]] = {
    Alternative.MAX: _maximum,
    Alternative.AVERAGE: _average,
    Alternative.CONVOLUTION: _convolution,
    Alternative.BLUR: _blur,
    Alternative.MAX_BLUR: _maximum_and_blur,
    Alternative.NONE: _nothing,
}


def _require_plane(workload: Workload) -> None:
    if is_single(workload):
        raise InvalidSpecError("A blur comes before a subsampling, and one output is left of each plane here.")


def _windowed(workload: Workload) -> PoolSpec:
    spec = workload.spec.as_windowed(workload.spatial)
    if spec is None:
        raise InvalidSpecError("Its adaptive windows differ in size, and this has the same window everywhere.")
    return spec


def _exact(spec: PoolSpec, spatial: Ints) -> Padding:
    """Return the padding with which windows in floor mode are those of ``spec``: its own, where that has no other."""
    return exact_padding(spec, spatial) if spec.ceil_mode else spec.padding


def _reaching(window: Ints, stride: Ints, spatial: Ints, output: Ints) -> PoolSpec:
    """Return the average whose windows give ``output``, padded alike on both sides where that can be."""
    alike = PoolSpec.windowed(Kind.AVG, window, stride=stride, padding=[(k - 1) // 2 for k in window], divisor=SUM)
    if alike.output_spatial(spatial) == output:
        return alike
    padding = []
    for k, s, length, size in zip(window, stride, spatial, output, strict=True):
        total = max((size - 1) * s + k - length, 0)
        padding.append((total // 2, total - total // 2))
    spec = PoolSpec.windowed(Kind.AVG, window, stride=stride, padding=padding, divisor=SUM)
    if spec.output_spatial(spatial) != output:
        raise InvalidSpecError("A blur of this stride has another number of outputs here.")
    return spec


def _behind(workload: Workload, spatial: Ints) -> Part:
    rank = workload.spec.rank
    if is_single(workload):
        return _part(DENSE, replace(workload, spec=PoolSpec.windowed(Kind.AVG, spatial, divisor=SUM), spatial=spatial))
    spec = PoolSpec.windowed(Kind.AVG, (NEXT_WINDOW,) * rank, stride=1, padding=(NEXT_WINDOW - 1) // 2, divisor=SUM)
    return _part(DENSE, replace(workload, spec=spec, spatial=spatial))


def _part(subject: str, workload: Workload, spec: PoolSpec | None = None) -> Part:
    return Part(subject=subject, workload=workload if spec is None else replace(workload, spec=spec))


def _weights(part: Part) -> int:
    return part.workload.channels**2 * _window_size(part.workload)


def _window_size(workload: Workload) -> int:
    spec = workload.spec.as_windowed(workload.spatial)
    if spec is not None and spec.window is not None:
        return math.prod(spec.window)
    return -(-math.prod(workload.spatial) // math.prod(workload.output_spatial))  # adaptive: on average, rounded up


def _operations(part: Part) -> int:
    outputs, size = elements(part.workload.output_shape), _window_size(part.workload)
    if part.subject == DENSE:
        return outputs * 2 * size * part.workload.channels
    if part.subject == DEPTHWISE:
        return outputs * 2 * size
    return outputs * (size if part.workload.spec.kind is Kind.AVG else size - 1)
