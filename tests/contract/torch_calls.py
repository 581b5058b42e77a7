"""Random calls of the twelve functions of ``poolbench.strided``, drawn from a seed: the same number, the same call.

Sizes are tiny for the most part, since edges are where implementations differ: axes of length 0 and 1, windows larger
than the padded input, empty batches, inputs without a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from tests.unit.strided.views import VIEWS

FUNCTIONS = tuple(
    f"{prefix}{kind}_pool{rank}d" for prefix in ("", "adaptive_") for kind in ("max", "avg") for rank in (1, 2, 3)
)
DTYPES: dict[str, Any] = {
    name: np.dtype(name) for name in ("float64", "float32", "float16", "int8", "uint8", "int16", "int32", "int64")
} | {"bfloat16": np.dtype(ml_dtypes.bfloat16)}
FLOATS = ("float64", "float32", "float16", "bfloat16")
FILLS = ("few", "normal", "special", "huge", "tiny")


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of ``name``, of the training module where ``training`` says so.

    ``shape`` is the input's, channels before the spatial axes, with or without a batch; ``channels_last`` moves them to
    the end. ``view`` and ``gradient_view`` say how input and gradient lie in memory; ``as_tensor`` hands over a tensor.
    """

    name: str
    training: bool
    shape: tuple[int, ...]
    dtype: str
    fill: str
    view: str
    gradient_view: str
    channels_last: bool
    as_tensor: bool
    into_out: bool
    threads: int
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """The number of pooled axes."""
        return int(self.name[-2])

    @property
    def is_max(self) -> bool:
        """Whether maxima are asked for."""
        return "max" in self.name

    @property
    def is_adaptive(self) -> bool:
        """Whether the output's size is given instead of a window."""
        return self.name.startswith("adaptive")

    @property
    def elements(self) -> int:
        """The size of the input: what makes one failing call smaller than another."""
        return int(np.prod(self.shape))

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        how = [self.fill, self.view, *(["NHWC"] if self.channels_last else []), *(["tensor"] if self.as_tensor else [])]
        module = "training." if self.training else ""
        return f"{module}{self.name}({self.dtype} {self.shape} [{', '.join(how)}], {options})"

    def values(self) -> NDArray[Any]:
        """Return the input, channels before the spatial axes, lying as ``view`` says once ``arranged`` was called."""
        return self.arranged(filled(self.shape, self.dtype, self.fill, self.seed))

    def arranged(self, values: NDArray[Any], view: str = "") -> NDArray[Any]:
        """Return ``values`` with the channels where the call has them, lying in memory as the view says."""
        moved = np.moveaxis(values, -self.rank - 1, -1) if self.channels_last else values
        return VIEWS[view or self.view](moved)

    def channels_first(self, array: Any) -> Any:
        """Return ``array``, whose channels are where the call has them, with channels before the spatial axes."""
        return np.moveaxis(array, -1, -self.rank - 1) if self.channels_last else array


def filled(shape: tuple[int, ...], dtype: str, fill: str, seed: int) -> NDArray[Any]:
    """Return values of ``dtype``.

    few: small integers, so that ties are frequent and sums exact. special: NaN, infinities and zeros of both signs
    among them. huge: near the largest number, of one sign, since with both it depends on the order of a sum whether it
    passes the largest number on its way. tiny: subnormal numbers.
    """
    rng = np.random.default_rng(seed)
    if dtype not in FLOATS:
        info = np.iinfo(dtype)
        least, most = (info.min, info.max) if fill in ("normal", "huge", "special") else (max(info.min, -2), 3)
        return rng.integers(least, most, shape, dtype=DTYPES[dtype], endpoint=True)
    limits = ml_dtypes.finfo(DTYPES[dtype])
    if fill == "huge":
        values = rng.uniform(0.4, 1, shape) * float(limits.max) * rng.choice((-1, 1))
    elif fill == "tiny":
        values = rng.integers(-4, 5, shape) * float(limits.smallest_subnormal)
    elif fill == "normal":
        values = rng.standard_normal(shape)
    else:
        values = rng.integers(-2, 4, shape).astype(np.float64)
    if fill == "special":
        values[rng.random(shape) < 0.1] = np.nan
        values[rng.random(shape) < 0.1] = np.inf
        values[rng.random(shape) < 0.4] = -np.inf
        values[rng.random(shape) < 0.2] = -0.0
    return values.astype(DTYPES[dtype])


def draw(seed: int, number: int) -> Call:
    """Return call ``number`` of the sequence ``seed``: all functions in turn, first forward, then training."""
    rng = np.random.default_rng((seed, number))
    name = FUNCTIONS[number % len(FUNCTIONS)]
    training = number // len(FUNCTIONS) % 2 == 1
    rank = int(name[-2])
    shape = _shape(rng, rank)
    names = ("float32", "float32", *FLOATS) if _chance(rng, 0.75) else tuple(DTYPES)
    is_tensor = _chance(rng, 0.2)
    options = _adaptive(rng, shape, rank) if name.startswith("adaptive") else _windows(rng, shape, rank, name)
    if "max" in name and _chance(rng, 0.5):
        options["return_indices"] = True
    return Call(
        name=name,
        training=training,
        shape=shape,
        dtype=str(rng.choice(names)),
        fill=str(rng.choice(FILLS, p=(0.3, 0.35, 0.2, 0.1, 0.05))),
        view=str(rng.choice([view for view in VIEWS if not (is_tensor and view == "reversed_axes")])),
        gradient_view=str(rng.choice(list(VIEWS))),
        channels_last=_chance(rng, 0.25),
        as_tensor=is_tensor,
        into_out=_chance(rng, 0.15),
        threads=int(rng.integers(1, 3)),
        seed=int(rng.integers(1 << 31)),
        options=options,
    )


def _chance(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def _shape(rng: np.random.Generator, rank: int) -> tuple[int, ...]:
    longest = {1: 40, 2: 14, 3: 7}[rank] if _chance(rng, 0.4) else 4
    spatial = [int(rng.integers(1, longest + 1)) for _ in range(rank)]
    if _chance(rng, 0.1):
        spatial[-1] = int(rng.integers(40, {1: 300, 2: 120, 3: 60}[rank]))  # rows of several vectors
    if _chance(rng, 0.04):
        spatial[int(rng.integers(rank))] = 0
    few = np.prod(spatial) < 200
    channels = int(rng.choice((1, 2, 3, 5, 8, 16, 17, 33) if few else (1, 2, 3)))
    if _chance(rng, 0.03):
        channels = 0
    batch = [] if _chance(rng, 0.15) else [0 if _chance(rng, 0.05) else int(rng.integers(1, 4))]
    return (*batch, channels, *spatial)


def _windows(rng: np.random.Generator, shape: tuple[int, ...], rank: int, name: str) -> dict[str, Any]:
    spatial = shape[-rank:]
    window = [int(rng.integers(1, max(1, min(size, 7) if _chance(rng, 0.8) else size) + 1)) for size in spatial]
    if _chance(rng, 0.12):
        window[int(rng.integers(rank))] += int(rng.integers(1, 4))  # larger than the input, now and then
    options: dict[str, Any] = {"kernel_size": _briefly(rng, window)}
    if _chance(rng, 0.6):
        options["stride"] = _briefly(rng, [int(rng.integers(1, 5)) for _ in range(rank)])
    elif _chance(rng, 0.2):
        options["stride"] = []
    dilation = [1] * rank
    if name.startswith("max") and _chance(rng, 0.3):
        dilation = [int(rng.integers(1, 4)) if _chance(rng, 0.6) else 1 for _ in range(rank)]
        options["dilation"] = _briefly(rng, dilation)
        dilation = _spread(options["dilation"], rank)
    if _chance(rng, 0.5):
        spans = [(k - 1) * d + 1 for k, d in zip(_spread(options["kernel_size"], rank), dilation, strict=True)]
        beyond = _chance(rng, 0.04)  # more than half of a window, which is refused
        halves = spans if _chance(rng, 0.2) else _spread(options["kernel_size"], rank)
        padding = [int(rng.integers(0, size // 2 + 1 + beyond)) for size in halves]
        options["padding"] = _briefly(rng, padding if len({*halves}) > 1 else padding[:1] * rank)
    if _chance(rng, 0.45):
        options["ceil_mode"] = True
    if name.startswith("avg"):
        if _chance(rng, 0.4):
            options["count_include_pad"] = False
        if rank > 1 and _chance(rng, 0.25):
            options["divisor_override"] = int(rng.choice((1, 2, 7, -3, 1000, 0), p=(0.2, 0.2, 0.2, 0.2, 0.15, 0.05)))
    if _chance(rng, 0.04):
        wrong = ("kernel_size", 0), ("stride", 0), ("stride", -1), ("padding", -1), ("kernel_size", [2] * (rank + 1))
        argument, value = wrong[int(rng.integers(len(wrong)))]
        options[argument] = value
    return options


def _adaptive(rng: np.random.Generator, shape: tuple[int, ...], rank: int) -> dict[str, Any]:
    sizes: list[Any] = [int(rng.integers(1, size + 4)) for size in shape[-rank:]]
    if _chance(rng, 0.3):
        return {"output_size": sizes[0]}
    if rank > 1 and _chance(rng, 0.2):
        sizes[int(rng.integers(rank))] = None
    if _chance(rng, 0.05):
        sizes[int(rng.integers(rank))] = int(rng.choice((0, -1)))
    return {"output_size": tuple(sizes)}


def _briefly(rng: np.random.Generator, values: list[int]) -> Any:
    """Return a list, a tuple, or the least of the values for all axes."""
    return (min(values), values, tuple(values))[int(rng.integers(3))]


def _spread(value: Any, rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else list(value)
