"""Inputs and expected outputs, computed once in the session and mapped by every worker.

They lie in anonymous memory files: workers open them through the session's descriptors, and they vanish with the
session however it ends.
"""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poolbench.measure.headroom import available_bytes, gibibytes
from poolbench.model.workload import Workload
from poolbench.verify import filling
from poolbench.verify.fill import from_reference
from poolbench.verify.footprint import footprint

if TYPE_CHECKING:
    from numpy.typing import NDArray


_NO_ROOM = (errno.ENOMEM, errno.ENOSPC, errno.EFBIG)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedArray:
    """Where an array lies: a path that any process of the same user can map, its shape and NumPy's dtype name.

    It begins ``offset`` bytes behind the beginning of the file.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    offset: int = 0

    def as_message(self) -> dict[str, Any]:
        """Return what is sent to a worker."""
        return {"path": self.path, "shape": list(self.shape), "dtype": self.dtype, "offset": self.offset}


def map_array(message: Mapping[str, Any], *, own: bool = False) -> NDArray[Any]:
    """Map a shared array read-only. The inverse of ``SharedArray.as_message``, in the worker.

    As its ``own`` it may be written to: the page that is written becomes the worker's, and no one else sees it.
    """
    import ml_dtypes
    import numpy as np

    dtype = np.dtype(ml_dtypes.bfloat16) if message["dtype"] == "bfloat16" else np.dtype(message["dtype"])
    mapped = np.memmap(
        message["path"],
        dtype=dtype,
        mode="c" if own else "r",
        offset=message.get("offset", 0),
        shape=tuple(message["shape"]),
    )
    return mapped.view(np.ndarray) if own else mapped


COPIES = 3
"""Of a shared input: so many lie in pages of their own at a time, and each launch brings a new one."""


_PLACED = "placed/"


class NoRoomError(Exception):
    """A workload is too large for this machine's memory. The message is a sentence for the row's note."""


def _no_room(error: BaseException) -> NoRoomError:
    return NoRoomError(f"Too large to be checked here: the system refused memory ({error}).")


class InputStore:
    """Makes and keeps the inputs of workloads; the least recently used give way above ``capacity_bytes``.

    ``available`` tells how many bytes of memory can still be had.
    """

    def __init__(
        self, *, seed: int, capacity_bytes: int = 4 << 30, available: Callable[[], int] = available_bytes
    ) -> None:
        self._available = available
        self._seed = seed
        self._capacity = capacity_bytes
        self._held: OrderedDict[tuple[str, str], dict[str, tuple[int, int, SharedArray]]] = OrderedDict()

    def __enter__(self) -> InputStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def filling(self, workload: Workload, name: str) -> dict[str, SharedArray]:
        """Return the parts of ``verify.filling.make`` by name. ``name`` is "exact" (small integers) or "random".

        Raises NoRoomError where the machine has too little memory for the workload.
        """
        key = (workload.id, name)
        if key not in self._held:
            self._make_room(workload)
            self._held[key] = self._make(workload, name)
        self._held.move_to_end(key)
        self._shrink(keep=workload.id)
        return {part: array for part, (_, _, array) in self._held[key].items()}

    def placed(self, workload: Workload, order: str, number: int, pads: Mapping[str, int]) -> dict[str, SharedArray]:
        """Return what a call is given, by name, with its axes in ``order``: for all to read in the same pages.

        ``number`` tells copies apart, which lie in pages of their own; those before the last ``COPIES`` are let go.
        Each part begins ``pads`` bytes behind the beginning of a page. Raises NoRoomError where there is no memory.
        """
        values = self.filling(workload, "random")
        prefix = f"{_PLACED}{order}/"
        key = (workload.id, f"{prefix}{number}")
        if key not in self._held:
            for old in [k for k in self._held if k[0] == workload.id and k[1].startswith(prefix)]:
                if abs(int(old[1].removeprefix(prefix)) - number) >= COPIES:
                    self._release(old)
            parts = {name: values[name] for name in pads}
            self._make_room_for_copies(workload, parts)
            self._held[key] = self._shared(
                {name: from_reference(map_array(part.as_message()), order) for name, part in parts.items()}, pads
            )
        self._held.move_to_end(key)
        self._shrink(keep=workload.id)
        return {part: array for part, (_, _, array) in self._held[key].items()}

    def close(self) -> None:
        """Let go of everything."""
        while self._held:
            self._release(next(iter(self._held)))

    def _make(self, workload: Workload, name: str) -> dict[str, tuple[int, int, SharedArray]]:
        try:
            made = filling.make(workload, self._seed, exact=name == "exact")
        except MemoryError as error:
            raise _no_room(error) from error
        return self._shared(made, {})

    def _shared(
        self, made: dict[str, NDArray[Any]], pads: Mapping[str, int]
    ) -> dict[str, tuple[int, int, SharedArray]]:
        """Share arrays, of which ``made`` is emptied."""
        shared: dict[str, tuple[int, int, SharedArray]] = {}
        try:
            for part in list(made):
                shared[part] = self._share(made.pop(part), pads.get(part, 0))
        except BaseException as error:
            for fd, _, _ in shared.values():
                os.close(fd)
            if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _NO_ROOM):
                raise _no_room(error) from error
            raise
        return shared

    def _make_room(self, workload: Workload) -> None:
        """Let go of other workloads where there is too little memory for this one. Raises NoRoomError where that fails.

        What the system hands out on credit, it takes back by ending a process, maybe this one: so it is foreseen.
        """
        need = footprint(workload)
        held = sum(size for key, parts in self._held.items() if key[0] == workload.id for _, size, _ in parts.values())
        if need.total - held <= self._available():
            return
        for key in [key for key in self._held if key[0] != workload.id]:
            self._release(key)
        available = self._available()
        if need.total - held > available:
            raise NoRoomError(
                f"Too large to be checked here: that takes about {gibibytes(need.total)} of memory, of which "
                f"{gibibytes(available + held)} can be had."
            )

    def _make_room_for_copies(self, workload: Workload, parts: Iterable[str]) -> None:
        """Let go of other workloads where copies of this one still lack memory. Raises NoRoomError where that fails."""
        there = sum(key[0] == workload.id and key[1].startswith(_PLACED) for key in self._held)
        need = max(COPIES - there, 1) * sum(self._held[workload.id, "random"][part][1] for part in parts)
        if need > self._available():
            for key in [key for key in self._held if key[0] != workload.id]:
                self._release(key)
        if need > (available := self._available()):
            raise NoRoomError(
                f"Too large to be shared here: copies take {gibibytes(need)} of memory, of which "
                f"{gibibytes(available)} can be had."
            )

    def _share(self, array: NDArray[Any], pad: int = 0) -> tuple[int, int, SharedArray]:
        import numpy as np

        data = np.ascontiguousarray(array)
        fd = os.memfd_create("poolbench")
        os.ftruncate(fd, max(pad + data.nbytes, 1))
        path = f"/proc/{os.getpid()}/fd/{fd}"
        target = np.memmap(path, dtype=np.uint8, mode="r+", offset=pad, shape=(data.nbytes,))
        target[:] = data.reshape(-1).view(np.uint8)
        del target
        return fd, data.nbytes, SharedArray(path=path, shape=data.shape, dtype=data.dtype.name, offset=pad)

    def _shrink(self, keep: str) -> None:
        """Release what was used longest ago, but no filling of workload ``keep``: a worker may be about to map it."""
        for key in [key for key in self._held if key[0] != keep]:
            if self._size() <= self._capacity:
                return
            self._release(key)

    def _size(self) -> int:
        return sum(size for parts in self._held.values() for _, size, _ in parts.values())

    def _release(self, key: tuple[str, str]) -> None:
        for fd, _, _ in self._held.pop(key).values():
            os.close(fd)
