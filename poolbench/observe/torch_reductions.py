"""Means and maxima over one spatial axis after the other, which together are global pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poolbench.model.pooling import Ints
from poolbench.observe.arguments import Asked, asked
from poolbench.observe.torch_tensors import Facts, facts_of, is_plain

_FAMILIES = {"mean": "mean", "amax": "amax", "max": "amax"}
"""Functions that take one axis, and by which name all of them together are known."""

_RANKS = (4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepwise:
    """Reductions so far: of what, over which of its axes, and what axes are left, by their places in it."""

    given: Facts
    family: str
    functions: tuple[str, ...]
    reduced: frozenset[int]
    axes: Ints

    @property
    def asked(self) -> Asked | None:
        """What all of them together ask for; None while spatial axes are left."""
        whole = asked(self.family, self.given.shape, (None, sorted(self.reduced)), {})
        if whole is None:
            return None
        return Asked(
            function=", ".join(self.functions),
            spec=whole.spec,
            rank=whole.rank,
            is_reduction=True,
            is_channels_last=whole.is_channels_last,
        )


@dataclass(frozen=True, slots=True)
class Complete:
    """Reductions that took all spatial axes of ``given``."""

    asked: Asked
    given: Facts


class StepwiseReductions:
    """Remembers what was reduced over some spatial axes, for as long as it lives."""

    def __init__(self) -> None:
        self._known: Any = None

    def follow(
        self, function: str, given: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any
    ) -> Complete | None:
        """Take note of a call, and return the whole of which it is the last step; None for others."""
        family = _FAMILIES.get(function.partition(".")[0])
        dim = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis"))
        if family is None or not is_plain(given) or not isinstance(dim, int | list | tuple):
            return None
        result = output[0] if isinstance(output, tuple) else output  # a maximum comes with its index
        before = self._before(family, given)
        if before is None:
            return None
        places = {int(place) % given.dim() for place in (dim if isinstance(dim, list | tuple) else [dim])}
        left = before.axes
        if result.dim() < given.dim():
            left = tuple(axis for place, axis in enumerate(before.axes) if place not in places)
        after = Stepwise(
            given=before.given,
            family=family,
            functions=(*before.functions, function.partition(".")[0]),
            reduced=before.reduced | {before.axes[place] for place in places},
            axes=left,
        )
        whole = after.asked
        if whole is not None:
            return Complete(whole, after.given)
        self._remember(result, after)
        return None

    def clear(self) -> None:
        """Forget all."""
        self._known = None

    def _before(self, family: str, given: Any) -> Stepwise | None:
        known: Stepwise | None = self._known.get(given) if self._known is not None else None
        if known is not None and known.family == family:
            return known
        if given.dim() not in _RANKS:
            return None
        return Stepwise(
            given=facts_of(given), family=family, functions=(), reduced=frozenset(), axes=tuple(range(given.dim()))
        )

    def _remember(self, result: Any, steps: Stepwise) -> None:
        if self._known is None:
            from torch.utils.weak import WeakTensorKeyDictionary

            self._known = WeakTensorKeyDictionary()
        self._known[result] = steps
