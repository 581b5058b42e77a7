"""Where arrays lie in memory: what one kernel reads fast another reads slowly two bytes further on.

Vectors that cross the end of a cache line take two accesses, and addresses that agree in their last twelve bits look to
a processor as if one depended on the other. So the harness decides how far behind a page's beginning an input begins,
and every copy that a backend makes of it, untimed, begins there, too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LINE = 64
"""Bytes: the width of a cache line, and of the widest vectors."""

PAGE = 4096
"""Bytes: what the last bits of an address count within."""


def empty_at(
    shape: tuple[int, ...], dtype: np.dtype[Any], *, behind: int, of: int = PAGE, before: int = 0
) -> NDArray[Any]:
    """Return an empty contiguous array whose byte number ``before`` lies ``behind`` bytes after a multiple of ``of``.

    ``behind`` may be more than ``of``; what is more is left out in front. Raises ValueError where it is negative or no
    multiple of the itemsize.
    """
    import numpy as np

    if behind < 0 or behind % dtype.itemsize:
        raise ValueError(f"A pad of {behind} bytes is not a multiple of the itemsize {dtype.itemsize}.")
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + of + behind, np.uint8)
    start = -(memory.ctypes.data + before) % of + behind
    return memory[start : start + size].view(dtype).reshape(shape)


def empty_where(array: NDArray[Any], shape: tuple[int, ...], *, before: int = 0) -> NDArray[Any]:
    """Return an empty contiguous array of ``array``'s type, which lies in its page where ``array`` lies in its own.

    That is, its byte number ``before`` lies where the element of ``array`` with all indices zero does. Where that is no
    multiple of the itemsize, the last one before it counts.
    """
    behind = array.ctypes.data % PAGE
    return empty_at(shape, array.dtype, behind=behind - behind % array.itemsize, before=before)
