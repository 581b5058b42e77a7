"""Which tensors have channels and then spatial axes, where their shape does not tell.

Of three axes the last is a sequence's in (batch, channels, length), and the features' in (batch, tokens, features). So
tensors are followed from the layers whose output has spatial axes, through all that keeps their shape.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any
from weakref import KeyedRef

_SOURCES = re.compile(r"_?(?:conv|conv_transpose|(?:adaptive_|fractional_)?(?:max|avg)_pool|lp_pool)[123]d.*")
_FLATTENING = ("flatten", "reshape", "view")
_MOVING = ("transpose", "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "matmul", "bmm", "linear", "softmax")
"""Functions that may keep a shape and change what its axes are."""


@functools.lru_cache(maxsize=1024)
def _is_source(name: str) -> bool:
    return _SOURCES.fullmatch(name) is not None


class SpatialTensors:
    """Remembers tensors of shape (batch, channels, *spatial) for as long as they live."""

    def __init__(self) -> None:
        self._known: dict[int, KeyedRef[int, Any]] = {}

    def has(self, tensor: Any) -> bool:
        """Whether ``tensor`` is known to have channels before spatial axes."""
        found = self._known.get(id(tensor))
        return found is not None and found() is tensor

    def follow(self, function: str, args: Sequence[Any], output: Any) -> None:
        """Take note of what ``function`` made of ``args``."""
        import torch

        if not isinstance(output, torch.Tensor) or output.dim() < 3:
            return
        name = function.partition(".")[0]
        if _is_source(name) or any(self._passes_on(name, each, output) for each in args[:2]):
            number = id(output)
            self._known[number] = KeyedRef(output, self._forget, number)

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()

    def _forget(self, reference: KeyedRef[int, Any]) -> None:
        if self._known.get(reference.key) is reference:
            del self._known[reference.key]

    def _passes_on(self, name: str, source: Any, output: Any) -> bool:
        import torch

        if not isinstance(source, torch.Tensor) or name in _MOVING or not self.has(source):
            return False
        if source.shape == output.shape:
            return True
        return name in _FLATTENING and output.dim() == 3 and source.shape[:2] == output.shape[:2]
