"""From a pooling function's arguments, as PyTorch names and orders them, to what it pools."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poolbench.errors import InvalidSpecError
from poolbench.model.pooling import Ints, Kind, PoolSpec

_WINDOW = ("kernel_size", "stride", "padding")
_PARAMETERS = {
    "max_pool": ("input", *_WINDOW, "dilation", "ceil_mode", "return_indices"),
    "avg_pool": ("input", *_WINDOW, "ceil_mode", "count_include_pad", "divisor_override"),
    "adaptive_max_pool": ("input", "output_size", "return_indices"),
    "adaptive_avg_pool": ("input", "output_size"),
    "fractional_max_pool": ("input",),
    "lp_pool": ("input",),
    "max_unpool": ("input",),
    "mean": ("input", "dim", "keepdim"),
    "amax": ("input", "dim", "keepdim"),
    "max": ("input", "dim", "keepdim"),
}
"""The parameters in order, as ``torch.nn.functional`` and ATen have them: one-dimensional averages end early."""

REFUSED = {
    "fractional_max_pool": "Fractional max pooling draws its windows at random, which no id says and no subject does.",
    "lp_pool": "LP pooling takes powers and a root, which no id says and no subject does.",
    "max_unpool": "Unpooling puts maxima back to where they were, which no id says and no subject does.",
}
INDICES = "It returns the indices of its maxima, which no subject does: their time is left out of every measurement."

_POOLING = re.compile(
    r"_?(?:mkldnn_|quantized_|cudnn_)?(adaptive_max_pool|adaptive_avg_pool|fractional_max_pool|max_unpool|max_pool"
    r"|avg_pool|lp_pool)([123])d(_with_indices)?"
)
_REDUCTIONS = {"mean": Kind.AVG, "amax": Kind.MAX, "max": Kind.MAX}
SPATIAL_RANKS = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a call asks for. ``spec`` is None for what no spec says, and ``refusal`` then says why.

    ``is_batched`` tells whether the input has a batch axis, ``is_channels_last`` whether a reduction's input has its
    channels behind the spatial axes.
    """

    function: str
    spec: PoolSpec | None
    rank: int
    is_batched: bool = True
    is_reduction: bool = False
    is_channels_last: bool = False
    refusal: str = ""


def asked(name: str, shape: Ints, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
    """Return what the function ``name`` asks for on an input of ``shape``, None where it pools nothing.

    ``args`` and ``kwargs`` are the call's, the input included. An operator's name may have an overload behind a dot.
    """
    base = name.partition(".")[0]
    if base in _REDUCTIONS:
        return _reduction(base, shape, _bound(base, args, kwargs))
    match = _POOLING.fullmatch(base)
    if match is None:
        return None
    family, rank, with_indices = match[1], int(match[2]), match[3] is not None
    values = _bound(family, args, kwargs)
    is_batched = len(shape) == rank + 2
    if family in REFUSED:
        return Asked(function=base, spec=None, rank=rank, is_batched=is_batched, refusal=REFUSED[family])
    try:
        spec = _spec(family, rank, shape, values)
    except InvalidSpecError as error:
        return Asked(function=base, spec=None, rank=rank, is_batched=is_batched, refusal=str(error))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        # What PyTorch refuses it says itself when the call is carried out; what it takes all the same is told.
        unread = f"Its arguments cannot be read ({type(error).__name__}: {error}), so that no id says it."
        return Asked(function=base, spec=None, rank=rank, is_batched=is_batched, refusal=unread)
    wants_indices = bool(values.get("return_indices")) or with_indices
    return Asked(
        function=base,
        spec=spec,
        rank=rank,
        is_batched=is_batched,
        refusal=INDICES if wants_indices else "",
    )


@functools.lru_cache(maxsize=1024)
def may_pool(name: str) -> bool:
    """Whether ``asked`` may say something else than None of the function ``name``."""
    base = name.partition(".")[0]
    return base in _REDUCTIONS or _POOLING.fullmatch(base) is not None


def input_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the call's input, None where it has no argument."""
    return args[0] if args else kwargs.get("input", kwargs.get("self"))


def _bound(family: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    values = {**dict(zip(_PARAMETERS[family], args, strict=False)), **kwargs}
    if "axis" in values:  # NumPy's word for it, which PyTorch takes as well
        values["dim"] = values["axis"]
    return values


def _spec(family: str, rank: int, shape: Ints, values: Mapping[str, Any]) -> PoolSpec:
    kind = Kind.MAX if "max" in family else Kind.AVG
    if family.startswith("adaptive"):
        sizes = _sizes(values["output_size"], rank)
        return PoolSpec.adaptive(
            kind, [length if size is None else size for size, length in zip(sizes, shape[-rank:], strict=True)]
        )
    stride = values.get("stride")
    return PoolSpec.windowed(
        kind,
        _integers(values["kernel_size"], rank),
        stride=None if stride is None or stride == [] or stride == () else _integers(stride, rank),
        padding=_integers(values.get("padding", 0), rank),
        dilation=_integers(values.get("dilation", 1), rank),
        ceil_mode=bool(values.get("ceil_mode", False)),
        include_padding=kind is Kind.MAX or _counts_padding(values),
        divisor=values.get("divisor_override"),
    )


def _counts_padding(values: Mapping[str, Any]) -> bool:
    """Whether an id says that padding counts: without padding, or with a divisor of its own, it makes no difference."""
    padding = values.get("padding", 0)
    is_padded = any(padding) if isinstance(padding, Sequence) else bool(padding)
    return not is_padded or values.get("divisor_override") is not None or bool(values.get("count_include_pad", True))


def _sizes(value: Any, rank: int) -> list[int | None]:
    """Return one entry per axis; PyTorch takes one for all, and None for the input's own size."""
    values = list(value) if isinstance(value, Sequence) else [value]
    entries = [None if entry is None else int(entry) for entry in values]
    return entries * rank if len(entries) == 1 else entries


def _integers(value: Any, rank: int) -> list[int]:
    return [0 if entry is None else entry for entry in _sizes(value, rank)]


def _reduction(base: str, shape: Ints, values: Mapping[str, Any]) -> Asked | None:
    """Return what a mean or maximum over all spatial axes asks for, None where it reduces others.

    Four and five axes are images and volumes, with channels first or last. Of three axes the last may be a sequence's:
    the caller knows whether it is. A mean over the middle one is over tokens.
    """
    dim = values.get("dim")
    rank = len(shape) - 2
    if dim is None or rank not in SPATIAL_RANKS or isinstance(dim, str):
        return None
    try:
        dims = {int(axis) % len(shape) for axis in (dim if isinstance(dim, Sequence) else [dim])}
    except (TypeError, ValueError, RuntimeError):
        return None  # another tensor, or names of axes
    first, last = set(range(2, rank + 2)), set(range(1, rank + 1))
    if dims != first and (dims != last or rank == 1):
        return None
    return Asked(
        function=base,
        spec=PoolSpec.global_(_REDUCTIONS[base], rank),
        rank=rank,
        is_reduction=True,
        is_channels_last=dims == last,
    )
