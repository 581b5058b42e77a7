"""A prepared call whose framework also returns where each maximum was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolbench.backends.base import Call

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class IndexedCall(Call):
    """A ``Call`` with ``locate``: one more, untimed, call of the framework that asks for the indices.

    ``locate`` returns the framework's own numbering, arranged as (batch, channels, *spatial).
    """

    locate: Callable[[], NDArray[np.int64]]

    def indices(self) -> NDArray[np.int64]:
        """Return the framework's own indices of the maxima."""
        return self.locate()

    def close(self) -> None:
        """Let go of the input."""
        Call.close(self)
        self.locate = _closed


def _closed() -> NDArray[np.int64]:
    raise RuntimeError("this call was closed")
