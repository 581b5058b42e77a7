"""The pooling spec: what is computed, apart from the input it is computed on.

The output-size and divisor rules are those that PyTorch documents for ``torch.nn.MaxPool2d`` and
``torch.nn.AvgPool2d``, generalised to paddings that differ per side and to dilated averages; the adaptive
windows are those of ``torch.nn.AdaptiveAvgPool2d``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from poolbench.errors import InvalidSpecError
from poolbench.model.windows import AdaptiveWindows, AxisWindows, SlidingWindows

AXIS_NAMES = {1: ("w",), 2: ("h", "w"), 3: ("d", "h", "w")}
"""The names of the spatial axes for each rank, outermost first."""

Ints = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]


class Kind(StrEnum):
    """How a window's elements become one."""

    MAX = "max"
    AVG = "avg"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """A pooling operation: windowed (``window`` is set) or adaptive (``output`` is set).

    All tuples have one entry per spatial axis, outermost first. ``padding`` holds ``(lo, hi)`` per axis.
    ``include_padding`` and ``divisor`` matter for averages alone. Use the constructors: they fill in
    defaults, broadcast integers and check what can be checked without a shape.
    """

    kind: Kind
    rank: int
    window: Ints | None
    stride: Ints | None
    padding: Padding
    dilation: Ints
    ceil_mode: bool = False
    include_padding: bool = True
    divisor: int | None = None
    output: Ints | None = None

    @classmethod
    def windowed(
        cls,
        kind: Kind | str,
        window: int | Sequence[int],
        *,
        rank: int | None = None,
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int | Sequence[int]] = 0,
        dilation: int | Sequence[int] = 1,
        ceil_mode: bool = False,
        include_padding: bool = True,
        divisor: int | None = None,
    ) -> PoolSpec:
        """Build a windowed spec. ``rank`` is needed only where ``window`` is a bare integer.

        Raises InvalidSpecError for a rank outside 1 to 3, entries that are too small, or lengths that
        differ from the rank.
        """
        if rank is None:
            if isinstance(window, int):
                raise InvalidSpecError(f"A window of {window} says nothing of the rank: give rank=1, 2 or 3.")
            rank = len(window)
        _check_rank(rank)
        kind = Kind(kind)
        full_window = _per_axis("window", window, rank, least=1)
        if kind is Kind.MAX and (divisor is not None or not include_padding):
            raise InvalidSpecError("A divisor rule applies to averages; a maximum has none.")
        if divisor is not None and divisor < 1:
            raise InvalidSpecError(f"The divisor is {divisor}; it must be at least 1.")
        if divisor is not None and not include_padding:
            raise InvalidSpecError(
                "A divisor override replaces the count of the window, so include_padding has no effect "
                "beside it: leave it out."
            )
        return cls(
            kind=kind,
            rank=rank,
            window=full_window,
            stride=full_window if stride is None else _per_axis("stride", stride, rank, least=1),
            padding=_paddings(padding, rank),
            dilation=_per_axis("dilation", dilation, rank, least=1),
            ceil_mode=ceil_mode,
            include_padding=include_padding,
            divisor=divisor,
        )

    @classmethod
    def adaptive(cls, kind: Kind | str, output: int | Sequence[int], *, rank: int | None = None) -> PoolSpec:
        """Build an adaptive spec with the given output size per axis; output 1 everywhere is global."""
        if rank is None:
            if isinstance(output, int):
                raise InvalidSpecError(f"An output of {output} says nothing of the rank: give rank=1, 2 or 3.")
            rank = len(output)
        _check_rank(rank)
        return cls(
            kind=Kind(kind),
            rank=rank,
            window=None,
            stride=None,
            padding=((0, 0),) * rank,
            dilation=(1,) * rank,
            output=_per_axis("output", output, rank, least=1),
        )

    @classmethod
    def global_(cls, kind: Kind | str, rank: int) -> PoolSpec:
        """Build the spec that reduces every spatial axis to one element."""
        return cls.adaptive(kind, 1, rank=rank)

    @classmethod
    def valid(cls, kind: Kind | str, window: Sequence[int], stride: Sequence[int] | None = None) -> PoolSpec:
        """Build what TensorFlow calls ``VALID``: no padding, whole windows only."""
        return cls.windowed(kind, window, stride=stride)

    @classmethod
    def same(
        cls,
        kind: Kind | str,
        window: Sequence[int],
        stride: Sequence[int],
        spatial: Sequence[int],
        dilation: int | Sequence[int] = 1,
    ) -> PoolSpec:
        """Build what TensorFlow calls ``SAME``: output ``ceil(L / s)``, the odd pad at the end.

        TensorFlow never counts padding in an average, so averages get ``include_padding=False``.
        """
        kind = Kind(kind)
        rank = len(window)
        dilations = _per_axis("dilation", dilation, rank, least=1)
        pads: list[tuple[int, int]] = []
        for length, k, s, d in zip(spatial, window, stride, dilations, strict=True):
            total = max((-(-length // s) - 1) * s + (k - 1) * d + 1 - length, 0)
            pads.append((total // 2, total - total // 2))
        return cls.windowed(
            kind,
            window,
            stride=stride,
            padding=pads,
            dilation=dilations,
            include_padding=kind is Kind.MAX or not any(lo or hi for lo, hi in pads),
        )

    @property
    def is_adaptive(self) -> bool:
        """Whether the output size is given and the windows follow from it."""
        return self.output is not None

    @property
    def is_global(self) -> bool:
        """Whether every spatial axis is reduced to one element by an adaptive call."""
        return self.output is not None and all(size == 1 for size in self.output)

    @property
    def is_padded(self) -> bool:
        """Whether any side is padded."""
        return any(lo or hi for lo, hi in self.padding)

    @property
    def has_symmetric_padding(self) -> bool:
        """Whether both sides of every axis are padded alike."""
        return all(lo == hi for lo, hi in self.padding)

    @property
    def window_text(self) -> str:
        """The window as ids spell it, defaults left out: "k3s2p1", or "a7" of an adaptive one."""
        if self.output is not None:
            return "a" + _sizes_text([str(size) for size in self.output])
        assert self.window is not None and self.stride is not None
        text = "k" + _sizes_text([str(size) for size in self.window])
        if self.stride != self.window:
            text += "s" + _sizes_text([str(size) for size in self.stride])
        if self.is_padded:
            text += "p" + _sizes_text([str(lo) if lo == hi else f"{lo}_{hi}" for lo, hi in self.padding])
        if any(size != 1 for size in self.dilation):
            text += "d" + _sizes_text([str(size) for size in self.dilation])
        return text

    def output_spatial(self, spatial: Ints) -> Ints:
        """Return the output's spatial sizes. Raises InvalidSpecError where the window does not fit."""
        return tuple(windows.size for windows in self.windows(spatial))

    def windows(self, spatial: Ints) -> tuple[AxisWindows, ...]:
        """Return, per spatial axis, the windows in the order of the output.

        Raises InvalidSpecError where the rank differs, a window does not fit, or a window would lie
        wholly in the padding (a maximum of nothing has no value).
        """
        if len(spatial) != self.rank:
            raise InvalidSpecError(f"The spec pools {self.rank} spatial axes; the shape has {len(spatial)}: {spatial}.")
        return tuple(_axis_windows(self, axis, length) for axis, length in enumerate(spatial))

    def divides_evenly(self, spatial: Ints) -> bool:
        """Whether the adaptive windows of this spec are all of one size and do not overlap."""
        return self.output is not None and all(
            length % size == 0 for length, size in zip(spatial, self.output, strict=True)
        )

    def as_windowed(self, spatial: Ints) -> PoolSpec | None:
        """Resolve an adaptive spec into the windowed one it equals, or None where windows are uneven."""
        if self.output is None:
            return self
        if not self.divides_evenly(spatial):
            return None
        return PoolSpec.windowed(self.kind, tuple(n // o for n, o in zip(spatial, self.output, strict=True)))


def dilated(window: int, dilation: int) -> int:
    """Return how many input positions a window spans."""
    return (window - 1) * dilation + 1


@lru_cache(maxsize=1024)
def _axis_windows(spec: PoolSpec, axis: int, length: int) -> AxisWindows:
    name = AXIS_NAMES[spec.rank][axis]
    if length < 1:
        raise InvalidSpecError(f"Axis {name} has length {length}; it must be at least 1.")
    if spec.output is not None:
        return AdaptiveWindows(length=length, size=spec.output[axis])
    assert spec.window is not None and spec.stride is not None
    k, s, d = spec.window[axis], spec.stride[axis], spec.dilation[axis]
    lo, hi = spec.padding[axis]
    room = length + lo + hi - dilated(k, d)
    # PyTorch's ceil mode has one window where it outreaches the padded input by less than a stride.
    if room < 0 and not (spec.ceil_mode and room > -s):
        raise InvalidSpecError(
            f"The window does not fit along {name}: it spans {dilated(k, d)} (window {k}, dilation {d}), "
            f"the padded input {length + lo + hi} (length {length}, padding {lo} and {hi})"
            + (", by as much as the stride or more." if spec.ceil_mode else ".")
        )
    count = (-(-room // s) if spec.ceil_mode else room // s) + 1
    # PyTorch drops the last window of ceil mode when it would start in the right-hand padding.
    if spec.ceil_mode and (count - 1) * s >= length + lo:
        count -= 1
    windows = SlidingWindows(length=length, size=count, taps=k, stride=s, dilation=d, before=lo, after=hi)
    empty = windows.first_without_input
    if empty is not None:
        raise InvalidSpecError(
            f"The window that starts at {windows.start(empty)} along {name} would read padding alone (length {length}, "
            f"window {k}, dilation {d}): lessen the padding."
        )
    return windows


def _check_rank(rank: int) -> None:
    if rank not in AXIS_NAMES:
        raise InvalidSpecError(f"Pooling over {rank} spatial axes is not supported: 1, 2 or 3 are.")


def _per_axis(what: str, value: int | Sequence[int], rank: int, least: int) -> Ints:
    values = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(values) != rank:
        raise InvalidSpecError(f"The {what} {values} has {len(values)} entries; the spec pools {rank} spatial axes.")
    if any(v < least for v in values):
        raise InvalidSpecError(f"The {what} {values} has an entry below {least}.")
    return values


def _paddings(value: int | Sequence[int | Sequence[int]], rank: int) -> Padding:
    sides: Sequence[int | Sequence[int]] = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(sides) != rank:
        raise InvalidSpecError(f"The padding {value} has {len(sides)} entries; the spec pools {rank} spatial axes.")
    pairs = tuple((side, side) if isinstance(side, int) else tuple(side) for side in sides)
    result: list[tuple[int, int]] = []
    for pair in pairs:
        if len(pair) != 2 or min(pair) < 0:
            raise InvalidSpecError(f"The padding {pair} must be a (lo, hi) pair of numbers that are not negative.")
        result.append((pair[0], pair[1]))
    return tuple(result)


def _sizes_text(entries: list[str]) -> str:
    return entries[0] if len(set(entries)) == 1 else "x".join(entries)
