"""Calls that the operators of each framework are tested by."""

from __future__ import annotations

from typing import Any

import numpy as np

RANDOM = np.random.default_rng(20261129)
SHAPES = {1: (2, 3, 11), 2: (2, 3, 9, 11), 3: (2, 3, 5, 7, 6)}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("max_pool", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("max_pool", {"kernel_size": [2], "stride": [1], "dilation": 2}),
    ("max_pool", {"kernel_size": 2, "padding": (0, 1)}),
    ("avg_pool", {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    ("avg_pool", {"kernel_size": 2, "dilation": 2, "divisor_override": 3}),
    ("adaptive_max_pool", {"output_size": 3}),
    ("adaptive_avg_pool", {"output_size": 4}),
    ("adaptive_avg_pool", {"output_size": None}),
]


def given(options: dict[str, Any], rank: int) -> dict[str, Any]:
    """A padding of two numbers is a pair for the last axis."""
    pairs = {"padding": (*[0] * (rank - 1), options["padding"])} if isinstance(options.get("padding"), tuple) else {}
    return {**options, **pairs}


def image(rank: int, dtype: Any = np.float32, layout: str = "NCHW") -> Any:
    array = (RANDOM.standard_normal(SHAPES[rank]) * 40).astype(dtype)
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if layout == "NHWC" else array
