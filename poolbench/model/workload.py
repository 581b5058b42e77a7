"""A workload: a pooling spec on a concrete input, and the layer that it comes from.

Its id (see ``poolbench.model.ids``) names everything that decides what is computed; name, model, source,
tags and weight only describe and do not take part in equality.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from poolbench.errors import InvalidSpecError
from poolbench.model.pooling import AXIS_NAMES, Ints, PoolSpec


class DType(StrEnum):
    """Element types, by the short names that ids use."""

    F64 = "f64"
    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    I8 = "i8"
    U8 = "u8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return int(self.value.lstrip("bfiu")) // 8

    @property
    def is_float(self) -> bool:
        """Whether the type holds fractions."""
        return self.value.lstrip("b").startswith("f")

    @property
    def numpy_name(self) -> str:
        """The name that NumPy (with ``ml_dtypes`` for bfloat16) knows the type by."""
        prefix = {"f": "float", "bf": "bfloat", "i": "int", "u": "uint"}[self.value.rstrip("0123456789")]
        return f"{prefix}{self.itemsize * 8}"


class Pass(StrEnum):
    """What is measured: inference, or training, as a whole or one of its two parts.

    TRAINING_FORWARD pools and keeps what the gradient will need; TRAINING_BACKWARD makes the input's gradient from the
    output's, over and over from one such forward; TRAINING is the one and then the other.
    """

    FORWARD = "forward"
    TRAINING = "training"
    TRAINING_FORWARD = "training-forward"
    TRAINING_BACKWARD = "training-backward"

    @property
    def is_training(self) -> bool:
        """Whether a gradient belongs to it."""
        return self is not Pass.FORWARD

    @property
    def runs_forward(self) -> bool:
        """Whether the input is pooled in the timed call."""
        return self is not Pass.TRAINING_BACKWARD

    @property
    def runs_backward(self) -> bool:
        """Whether a gradient is taken in the timed call."""
        return self in (Pass.TRAINING, Pass.TRAINING_BACKWARD)

    @property
    def suffix(self) -> str:
        """How an id ends that says it: ".train", ".trainfwd" or ".trainbwd"; nothing for the plain forward."""
        part = {Pass.TRAINING_FORWARD: "fwd", Pass.TRAINING_BACKWARD: "bwd"}.get(self, "")
        return f".train{part}" if self.is_training else ""


class ViewKind(StrEnum):
    """How a strided view lies in its buffer."""

    CONTIGUOUS = ""
    CHANNEL_SLICE = "c"
    TRANSPOSED = "t"
    REVERSED = "r"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How the input lies in memory, relative to a contiguous array in the workload's axis order.

    CHANNEL_SLICE: the first channels of a buffer that has ``channels`` of them. TRANSPOSED: the two innermost
    axes are swapped in memory. REVERSED: the innermost axis is read with a negative step.
    """

    kind: ViewKind = ViewKind.CONTIGUOUS
    channels: int | None = None

    def __str__(self) -> str:
        return f"c{self.channels}" if self.kind is ViewKind.CHANNEL_SLICE else self.kind.value

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements fill their buffer without gaps, in order."""
        return self.kind is ViewKind.CONTIGUOUS


CONTIGUOUS = View()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a workload comes from: the layer of a model, or the report of a problem."""

    name: str = ""
    model: str = ""
    layer: str = ""
    source: str = ""
    source_batch: int | None = None
    note: str = ""


MOST_BYTES = 2**63 - 1
"""No array has more: NumPy, DLPack and every framework count bytes and elements in signed integers of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A pooling spec on an input.

    ``order`` lists the axes outermost first (``nchw``); ``spatial`` holds one size per spatial axis.
    ``weight`` is how many such calls one step of the model makes. Raises InvalidSpecError when the
    spec does not fit the shape.
    """

    spec: PoolSpec
    batch: int
    channels: int
    spatial: Ints
    dtype: DType = DType.F32
    order: str = ""
    view: View = CONTIGUOUS
    pass_: Pass = Pass.FORWARD
    gradient_view: View = CONTIGUOUS
    origin: Origin = field(default=Origin(), compare=False)
    tags: tuple[str, ...] = field(default=(), compare=False)
    weight: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        if not self.order:
            object.__setattr__(self, "order", default_order(self.spec.rank))
        if self.batch < 1 or self.channels < 1:
            raise InvalidSpecError(f"Batch {self.batch} and channels {self.channels} must both be at least 1.")
        axes = default_order(self.spec.rank)
        if sorted(self.order) != sorted(axes):
            raise InvalidSpecError(
                f"The axis order '{self.order}' does not fit {self.spec.rank} spatial axes: it must be an "
                f"arrangement of '{axes}', such as {axes} or {channels_last_order(self.spec.rank)}."
            )
        self.spec.windows(self.spatial)  # raises where the spec does not fit
        for view in (self.view, self.gradient_view):
            if view.kind is ViewKind.CHANNEL_SLICE and (view.channels is None or view.channels <= self.channels):
                raise InvalidSpecError(
                    f"A channel slice needs a buffer of more than {self.channels} channels; {view.channels} was given."
                )
        self._require_addressable()
        if not self.pass_.runs_backward and not self.gradient_view.is_contiguous:
            raise InvalidSpecError(
                "A gradient's view is given, but only a training pass that runs backward reads a gradient."
            )
        if self.pass_.is_training and not self.dtype.is_float:
            raise InvalidSpecError(f"Only floating types have a gradient: {self.dtype.value} has no training pass.")

    @property
    def id(self) -> str:
        """The canonical id: the store's key; it parses back (``poolbench.model.ids``, where the grammar stands)."""
        spec = self.spec
        sizes = "".join(f"{axis}{size}" for axis, size in zip(AXIS_NAMES[spec.rank], self.spatial, strict=True))
        parts = [f"{spec.kind.value}{spec.rank}d", f"n{self.batch}c{self.channels}", sizes, spec.window_text]
        parts += ["ceil"] if spec.ceil_mode else []
        parts += [] if spec.include_padding else ["xpad"]
        parts += [] if spec.divisor is None else [f"div{spec.divisor}"]
        text = "-".join((*parts, self.dtype.value, self.order))
        view = "" if self.view.is_contiguous else f".{self.view}"
        return f"{text}{view}{pass_text(self.pass_, self.gradient_view)}"

    @property
    def name(self) -> str:
        """The catalogue's name, or the id where there is none."""
        return self.origin.name or self.id

    @property
    def is_channels_last(self) -> bool:
        """Whether the channels are the innermost axis."""
        return self.order.endswith("c")

    @property
    def output_spatial(self) -> Ints:
        """The output's spatial sizes."""
        return self.spec.output_spatial(self.spatial)

    @property
    def input_shape(self) -> Ints:
        """The input's shape in the workload's axis order."""
        return self._ordered(self.spatial)

    @property
    def output_shape(self) -> Ints:
        """The output's shape in the workload's axis order."""
        return self._ordered(self.output_spatial)

    @property
    def reference_input_shape(self) -> Ints:
        """The input's shape with batch and channels outermost, as the reference takes it."""
        return (self.batch, self.channels, *self.spatial)

    @property
    def reference_output_shape(self) -> Ints:
        """The output's shape with batch and channels outermost, as the reference gives it."""
        return (self.batch, self.channels, *self.output_spatial)

    @property
    def input_bytes(self) -> int:
        """Bytes of the input's elements (a view's gaps not counted)."""
        return math.prod(self.input_shape) * self.dtype.itemsize

    @property
    def output_bytes(self) -> int:
        """Bytes of the output."""
        return math.prod(self.output_shape) * self.dtype.itemsize

    @property
    def read_bytes(self) -> int:
        """Bytes that the pass reads once at least: the input forward, the output's gradient backward."""
        return self.pass_.runs_forward * self.input_bytes + self.pass_.runs_backward * self.output_bytes

    @property
    def written_bytes(self) -> int:
        """Bytes that the pass writes once at least: the output forward, the input's gradient backward."""
        return self.pass_.runs_forward * self.output_bytes + self.pass_.runs_backward * self.input_bytes

    def named(self, names: Mapping[str, str]) -> Workload:
        """Return the same workload with the name that ``names`` has for its id, or with none."""
        return replace(self, origin=replace(self.origin, name=names.get(self.id, "")))

    def with_batch(self, batch: int) -> Workload:
        """Return the same workload with another batch."""
        return replace(self, batch=batch)

    def _require_addressable(self) -> None:
        """Raise InvalidSpecError where a number or an array is larger than any machine's addresses."""
        spec = self.spec
        numbers = (
            *(spec.window or ()),
            *(spec.stride or ()),
            *spec.dilation,
            *sum(spec.padding, ()),
            spec.divisor or 1,
        )
        if max(numbers) > MOST_BYTES:
            raise InvalidSpecError("A number of the window is 2**63 or more, which no machine can count: lessen it.")
        channels = max(self.channels, self.view.channels or 0, self.gradient_view.channels or 0)
        for what, sizes in (("input", self.spatial), ("output", self.output_spatial)):
            if self.batch * channels * math.prod(sizes) * self.dtype.itemsize > MOST_BYTES:
                raise InvalidSpecError(
                    f"The {what} has 2**63 bytes or more, which no machine can address: lessen batch, channels or "
                    "sizes."
                )

    def _ordered(self, spatial: Ints) -> Ints:
        sizes = dict(zip(AXIS_NAMES[self.spec.rank], spatial, strict=True), n=self.batch, c=self.channels)
        return tuple(sizes[axis] for axis in self.order)


def default_order(rank: int) -> str:
    """Return the axis order with channels before the spatial axes: ncw, nchw or ncdhw."""
    return "nc" + "".join(AXIS_NAMES[rank])


def channels_last_order(rank: int) -> str:
    """Return the axis order with channels innermost: nwc, nhwc or ndhwc."""
    return "n" + "".join(AXIS_NAMES[rank]) + "c"


def names_of(workloads: Iterable[Workload]) -> dict[str, str]:
    """Return the catalogue's names by id, of those workloads that have one."""
    return {workload.id: workload.origin.name for workload in workloads if workload.origin.name}


def pass_text(pass_: Pass, gradient_view: View = CONTIGUOUS) -> str:
    """Return how an id ends that says ``pass_`` and the view of the output's gradient; "" for the plain forward."""
    return pass_.suffix + ("" if gradient_view.is_contiguous else f".g{gradient_view}")
