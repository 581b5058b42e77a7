"""Which tensors have channels and then spatial axes, where their shape does not tell.

Of three axes the last is a sequence's in (batch, channels, length), and the features' in (batch, tokens, features). So
tensors are followed from the layers whose output has spatial axes, through all that keeps their shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_SOURCES = re.compile(r"_?(?:conv|conv_transpose|(?:adaptive_|fractional_)?(?:max|avg)_pool|lp_pool)[123]d.*")
_FLATTENING = ("flatten", "reshape", "view")
_MOVING = ("transpose", "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "matmul", "bmm", "linear", "softmax")
"""Functions that may keep a shape and change what its axes are."""


class SpatialTensors:
    """Remembers tensors of shape (batch, channels, *spatial) for as long as they live."""

    def __init__(self) -> None:
        self._known: Any = None

    def has(self, tensor: Any) -> bool:
        """Whether ``tensor`` is known to have channels before spatial axes."""
        return self._known is not None and tensor in self._known

    def follow(self, function: str, args: Sequence[Any], output: Any) -> None:
        """Take note of what ``function`` made of ``args``."""
        import torch

        if not isinstance(output, torch.Tensor) or output.dim() < 3:
            return
        name = function.partition(".")[0]
        if _SOURCES.fullmatch(name) or any(self._passes_on(name, each, output) for each in args[:2]):
            if self._known is None:
                from torch.utils.weak import WeakTensorKeyDictionary

                self._known = WeakTensorKeyDictionary()
            self._known[output] = True

    def clear(self) -> None:
        """Forget all."""
        self._known = None

    def _passes_on(self, name: str, source: Any, output: Any) -> bool:
        import torch

        if not isinstance(source, torch.Tensor) or name in _MOVING or not self.has(source):
            return False
        if source.shape == output.shape:
            return True
        return name in _FLATTENING and output.dim() == 3 and source.shape[:2] == output.shape[:2]
