"""What one pooling call was seen to be, as it crosses the pipe from a model's process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from poolbench.errors import InvalidSpecError
from poolbench.model.pooling import Ints, PoolSpec
from poolbench.model.workload import CONTIGUOUS, DType, Pass, View, Workload
from poolbench.observe.layout import gradient_view_of, layout_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One call, in texts and numbers. ``id`` is "" where no workload says it, and ``reason`` then says why.

    A ``reason`` beside an id says why nothing measures the call though its workload can be named. The other fields are
    those of ``poolbench.model.capture``.
    """

    id: str
    pass_: str
    function: str
    layer: str = ""
    model: str = ""
    reason: str = ""
    note: str = ""
    shape: Ints = ()
    strides: Ints | None = None
    gradient_strides: Ints | None = None
    dtype: str = ""
    device: str = "cpu"
    threads: int | None = None
    is_reduction: bool = False


@dataclass(slots=True)
class Report:
    """What watching a model found: sightings with their counts, in the order in which they were first seen."""

    framework: str
    version: str
    sightings: Counter[Sighting] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    problem: str = ""

    def as_message(self) -> dict[str, Any]:
        """Return the report as what JSON can hold."""
        return {
            "framework": self.framework,
            "version": self.version,
            "sightings": [[asdict(sighting), count] for sighting, count in self.sightings.items()],
            "notes": self.notes,
            "problem": self.problem,
        }


def report_from(message: Mapping[str, Any]) -> Report:
    """Return the report that ``as_message`` wrote."""
    report = Report(framework=message["framework"], version=message["version"], problem=message["problem"])
    report.notes = list(message["notes"])
    for content, count in message["sightings"]:
        report.sightings[sighting_from(content)] += count
    return report


def sighting_from(content: Mapping[str, Any]) -> Sighting:
    """Return the sighting whose fields JSON has kept, its tuples as lists."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    return Sighting(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A call as a framework's file hands it over.

    ``spec`` is None for what is no max or average pooling; ``refusal`` then says why, and may beside a spec.
    ``shape`` and ``strides`` are those of the input with batch and channels outermost, which may be unbatched in
    ``given`` (the shape that the framework shows). ``order`` says the order where there are no strides.
    """

    function: str
    spec: PoolSpec | None
    shape: Ints
    given: Ints = ()
    given_strides: Ints | None = None
    strides: Ints | None = None
    order: str = ""
    dtype: DType | None = None
    dtype_name: str = ""
    layer: str = ""
    model: str = ""
    device: str = "cpu"
    threads: int | None = None
    is_reduction: bool = False
    refusal: str = ""
    note: str = ""


def sighting(
    seen: Seen,
    pass_: Pass,
    *,
    gradient_shape: Ints | None = None,
    gradient_strides: Ints | None = None,
) -> Sighting:
    """Return the sighting of a call in a pass; the gradient is that of the output, as the framework has it.

    Nothing is raised: what makes no workload is a sighting with a reason.
    """
    plain = Sighting(
        id="",
        pass_=pass_.value,
        function=seen.function,
        layer=seen.layer,
        model=seen.model,
        reason=seen.refusal,
        note=seen.note,
        shape=seen.given or seen.shape,
        strides=seen.given_strides if seen.given_strides is not None else seen.strides,
        gradient_strides=gradient_strides,
        dtype=seen.dtype_name,
        device=seen.device,
        threads=seen.threads,
        is_reduction=seen.is_reduction,
    )
    if seen.spec is None or seen.refusal:
        return plain
    if seen.dtype is None:
        return replace(plain, reason=f"Its elements are {seen.dtype_name}, which no id says and no subject pools.")
    notes = [seen.note]
    order, view = seen.order, CONTIGUOUS
    if seen.strides is not None:
        layout = layout_of(seen.shape, seen.strides)
        order, view = layout.order, layout.view
        notes.append(layout.note)
    gradient_view = CONTIGUOUS
    try:
        if gradient_shape is not None and gradient_strides is not None:
            shape = (*seen.shape[:2], *seen.spec.output_spatial(seen.shape[2:]))
            steps = _for_each_axis(gradient_shape, gradient_strides, shape)
            gradient_view, note = gradient_view_of(order, shape, steps)
            notes.append(note)
        workload = _workload(seen, seen.spec, seen.dtype, order, view, pass_, gradient_view)
    except InvalidSpecError as error:
        return replace(plain, reason=str(error))
    return replace(plain, id=workload.id, note=" ".join(filter(None, notes)))


def _workload(
    seen: Seen, spec: PoolSpec, dtype: DType, order: str, view: View, pass_: Pass, gradient_view: View
) -> Workload:
    batch, channels, *spatial = seen.shape
    return Workload(
        spec=spec,
        batch=batch,
        channels=channels,
        spatial=tuple(spatial),
        dtype=dtype,
        order=order,
        view=view,
        pass_=pass_,
        gradient_view=gradient_view if pass_.runs_backward else CONTIGUOUS,
    )


def _for_each_axis(given: Ints, strides: Ints, shape: Ints) -> Ints:
    """Return the strides for each axis of ``shape``, (batch, channels, *spatial), of an array of the shape ``given``.

    Axes that it lacks have length 1: those that a reduction took away, and the batch where there is none.
    """
    left = list(zip(given, strides, strict=True))
    found = []
    for size in shape:
        while size > 1 and left and left[0][0] == 1:  # an axis that was kept where a reduction took its elements
            left.pop(0)
        found.append(left.pop(0)[1] if left and left[0][0] == size else 0)
    return tuple(found)
