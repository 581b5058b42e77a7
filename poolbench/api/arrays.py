"""What ``poolbench.apply`` takes for an array: whatever ``poolbench.strided`` reads, and nested lists of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.errors import InvalidSpecError


def as_array(x: Any) -> NDArray[Any]:
    """Return ``x`` as a plain, aligned NumPy array in this processor's byte order.

    A plain array in that order is returned as it is, with any strides. Lists and tuples are converted by
    ``numpy.asarray``, so Python's numbers become float64 or int64. Raises InvalidSpecError for what is no array, or one
    that cannot be read.
    """
    if isinstance(x, list | tuple):
        try:
            x = np.asarray(x)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InvalidSpecError(
                f"This {type(x).__name__} does not make an array ({error}): give rows of one length, or an array."
            ) from error
    if isinstance(x, np.ndarray) and not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    if type(x) is not np.ndarray:
        x = _read(x)
    return np.require(x, requirements="A")


def _read(x: Any) -> NDArray[Any]:
    """Return what ``poolbench.strided`` sees in ``x``, over the same memory.

    The kernel decides what an array is, so tensors on other devices, masks and lazy views are refused in one place.
    """
    from poolbench.strided import _pool

    try:
        view: NDArray[Any] = _pool.view(x, "input")
    except (TypeError, ValueError) as error:
        raise InvalidSpecError(f"apply cannot read its array: {error}") from error
    return view
