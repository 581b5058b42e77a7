"""The pooling kernel: a library that needs NumPy alone.

For: pooling under the names of ``torch.nn.functional``, forward and for training, telling which kernel does it, and
telling programs in C where the library for them is.
May not: import anything else of poolbench, or load NumPy or the compiled module when the package is imported.

    >>> import numpy as np
    >>> from poolbench import strided
    >>> ramp = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> strided.max_pool2d(ramp, 2)[0, 0].tolist()
    [[6.0, 8.0], [14.0, 16.0]]

``functional`` says what all twelve functions have in common; ``training`` has them with their gradients.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poolbench.strided import training as training
    from poolbench.strided.explanation import explain, variants
    from poolbench.strided.functional import (
        adaptive_avg_pool1d,
        adaptive_avg_pool2d,
        adaptive_avg_pool3d,
        adaptive_max_pool1d,
        adaptive_max_pool2d,
        adaptive_max_pool3d,
        avg_pool1d,
        avg_pool2d,
        avg_pool3d,
        max_pool1d,
        max_pool2d,
        max_pool3d,
    )
    from poolbench.strided.linking import get_include, get_library

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "explain",
    "get_include",
    "get_library",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "variants",
]


def __getattr__(name: str) -> Any:
    """Load the compiled module and NumPy when a function, or ``training``, is first asked for."""
    if name == "training":
        return importlib.import_module("poolbench.strided.training")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name.startswith("get_"):
        from poolbench.strided import linking

        return getattr(linking, name)
    from poolbench.strided import explanation, functional

    for each in __all__:
        if not each.startswith("get_"):
            globals()[each] = getattr(explanation if each in ("explain", "variants") else functional, each)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "training"})
