"""Putting a question of the contract to a backend: the tiny input prepared, and the answer given its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.backends.base import Backend, Prepared, Source
from poolbench.model.pooling import PoolSpec
from poolbench.model.workload import CONTIGUOUS, Pass, Workload, channels_last_order, default_order
from poolbench.verify.fill import arrange, place

Array = NDArray[Any]


class RefusedError(Exception):
    """The backend does not support the probe."""


def prepare_plane(backend: Backend, spec: PoolSpec, x: Array, gradient: Array | None = None) -> Prepared:
    """Return ``spec`` prepared by ``backend`` on ``x``, of shape (batch, channels, *spatial), as float32.

    With a ``gradient`` of the output it is the whole training step. Raises RefusedError where it is not supported.
    """
    pass_ = Pass.FORWARD if gradient is None else Pass.TRAINING
    for order in (default_order(spec.rank), channels_last_order(spec.rank)):
        workload = Workload(
            spec=spec, batch=x.shape[0], channels=x.shape[1], spatial=x.shape[2:], order=order, pass_=pass_
        )
        if backend.supports(workload).ok:
            given = None if gradient is None else place(gradient.astype(np.float32), order, CONTIGUOUS)
            return backend.prepare(workload, Source(array=arrange(x.astype(np.float32), workload), gradient=given))
    raise RefusedError


def named(found: Array, outcomes: Mapping[str, Any], *, by_window: bool = True) -> str:
    """Return the name of the outcome that ``found`` (one batch and channel) is, or a description of it.

    ``by_window``: each element is the answer of a window, and windows may follow different outcomes.
    """
    plane = found.reshape(found.shape[2:]) if found.ndim > 2 and found.shape[:2] == (1, 1) else found
    for name, outcome in outcomes.items():
        expected = np.asarray(outcome, np.float64)
        if plane.shape == expected.shape and np.allclose(plane, expected, rtol=1e-6, atol=0, equal_nan=True):
            return name
    mixed = _mixture(plane, outcomes) if by_window else ""
    if mixed:
        return mixed
    sizes = "×".join(map(str, plane.shape))
    return f"unexpected: {sizes} output {np.array2string(plane, precision=6, threshold=20, separator=', ')}".replace(
        "\n", ""
    )


def _mixture(found: Array, outcomes: Mapping[str, Any]) -> str:
    """Describe a result whose elements each follow one of the outcomes, but not all of them the same; "" otherwise."""
    shares: list[str] = []
    explained = np.zeros(found.shape, np.bool_)
    for name, outcome in outcomes.items():
        expected = np.asarray(outcome, np.float64)
        if expected.shape not in ((), found.shape):
            continue
        follows = np.isclose(found, expected, rtol=1e-6, atol=0, equal_nan=True) & ~explained
        if follows.any():
            explained |= follows
            shares.append(f"{name} in {int(follows.sum())} of {found.size} windows")
    return ", ".join(shares) if explained.all() else ""
