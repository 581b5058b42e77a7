"""``poolbench.replace_pooling``, which ``poolbench/__init__.py`` documents."""

from __future__ import annotations

import importlib.util
from typing import Any

from poolbench.errors import MissingFrameworkError
from poolbench.observe.replacement import Replacement


def replace_pooling(model: Any, inputs: Any, *, tolerance: float | None = None) -> Replacement:
    """Put ``poolbench.strided.torch`` into the pooling layers of ``model``; see ``poolbench.replace_pooling``."""
    if importlib.util.find_spec("torch") is None:
        raise MissingFrameworkError(
            "poolbench.replace_pooling() changes models of PyTorch's, which is not installed here: "
            "pip install 'poolbench[torch]'."
        )
    from poolbench.observe.torch_replace import replace_torch_pooling

    return replace_torch_pooling(model, inputs, tolerance=tolerance)
