"""The streaming limit: the time to read what a workload must touch once and to write its results once.

No pooling can be faster, as long as it reads its input from where the probe reads it: every time can be told as a
multiple of it, and that multiple holds across machines where a time does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.backends.base import SUPPORTED, Source, Support
from poolbench.errors import MeasurementError
from poolbench.measure.limit.streaming import bandwidth, candidates, fastest, output_beside, stream
from poolbench.measure.touched import LINE_BYTES, Runs, gradient_runs, touched_per_axis, touched_runs
from poolbench.model.pooling import Ints
from poolbench.model.workload import Workload

__all__ = ["Runs", "StreamingLimit", "StreamingPass", "StreamingStep", "bandwidth", "touched_runs"]


class StreamingLimit:
    """The pseudo-backend ``limit``: it pools nothing, and is timed beside the backends as one of them."""

    name = "limit"
    framework = ""

    def supports(self, workload: Workload) -> Support:
        """Everything has a limit."""
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Nothing is read from the environment."""
        return {}

    def load(self, threads: int) -> None:
        """Load the compiled probe. Starts no thread."""
        stream()

    def facts(self) -> Mapping[str, str]:
        """Return the widest instruction set and the variants that this processor can execute."""
        return {"isa": stream().isa(), "variants": " ".join(stream().variants())}

    def prepare(self, workload: Workload, source: Source) -> StreamingPass | StreamingStep:
        """Allocate what is written, and choose the variant and the number of threads by short trials."""
        legs: list[StreamingPass] = []
        if workload.pass_.runs_forward:
            legs.append(StreamingPass(workload, source.array, touched_runs(workload), source.threads))
        if workload.pass_.runs_backward:
            assert source.gradient is not None
            legs.append(BackwardStreamingPass(workload, source.gradient, gradient_runs(workload), source.threads))
        return legs[0] if len(legs) == 1 else StreamingStep(*legs)


class StreamingPass:
    """One workload's limit, ready to run. ``run`` reads and writes once and returns the checksum of what was read.

    ``variant`` names the chosen loop and ``threads`` says on how many threads it is fastest, at most ``threads``
    of the source.
    """

    layout: str
    run: Callable[[], int]
    variant: str
    threads: int

    def __init__(self, workload: Workload, array: NDArray[Any], runs: Runs, threads: int = 1) -> None:
        self.layout = workload.order
        self._workload = workload
        if array.shape != self._shape(workload):
            raise ValueError(f"{workload.id} reads an array of shape {self._shape(workload)}, not {array.shape}.")
        self._input = np.require(array, requirements=["C", "A"]).reshape(-1).view(np.uint8)
        self._output = output_beside(self._input, self._result_bytes(workload))
        self._plan = stream().Plan(
            self._input, runs.offsets, runs.lengths, runs.unit_count, runs.unit_stride, self._output
        )
        chosen = fastest(self._plan, candidates(self.touched_bytes + self.written_bytes, threads))
        self._plan.choose(chosen.variant, chosen.threads)
        self.variant = stream().variants()[chosen.variant]
        self.threads = chosen.threads
        self.run = self._plan.run  # bound once: a method in between would cost as much as reading a small input

    def _shape(self, workload: Workload) -> Ints:
        """Return the shape of what is read."""
        return workload.input_shape

    def _result_bytes(self, workload: Workload) -> int:
        """Return the bytes of what is written."""
        return workload.output_bytes

    def _touched_lines(self, workload: Workload, place: int) -> NDArray[np.bool_]:
        """Return which cache lines are touched, as ``touched_lines`` does."""
        return touched_lines(workload, place)

    @property
    def touched_bytes(self) -> int:
        """Bytes that one pass reads: the touched cache lines, clipped to the input."""
        return int(self._plan.touched_bytes)

    @property
    def written_bytes(self) -> int:
        """Bytes that one pass writes: the output."""
        return int(self._output.size)

    def output(self) -> NDArray[Any]:
        """There is none: raises MeasurementError."""
        raise MeasurementError(
            "The streaming limit pools nothing, so it has no output to compare: check it with verify()."
        )

    def verify(self) -> str | None:
        """Return None if the pass reads and writes what it should, otherwise a sentence that says what differs.

        What is touched is found anew from the workload, and summed by NumPy.
        """
        before, self._plan.pattern = self._plan.pattern, 0xA5C3_96E1_0F1E_2D3B
        try:
            self._output.fill(0)
            checksum = self.run()
            expected = _pattern_bytes(self._plan.pattern, self._output.size)
        finally:
            self._plan.pattern = before
        if not np.array_equal(self._output, expected):
            wrong = np.flatnonzero(self._output != expected)
            return (
                f"The probe ({self.variant}) left {len(wrong)} of {self._output.size} output bytes unwritten, "
                f"the first at {wrong[0]}."
            )
        lines = _lines_of(self._input, LINE_BYTES)
        touched = self._touched_lines(self._workload, self._input.ctypes.data % LINE_BYTES)
        wanted = _wrapping_sum(lines, touched)
        if checksum != wanted:
            return (
                f"The probe ({self.variant}) read other bytes than {self._workload.id} touches: its checksum is "
                f"{checksum:#018x}, NumPy's over {int(touched.sum())} cache lines {wanted:#018x}."
            )
        return None

    def close(self) -> None:
        """Let go of the buffers."""
        self.run = _closed
        del self._plan, self._input, self._output


class BackwardStreamingPass(StreamingPass):
    """The limit of a backward: it reads the output's gradient, and writes as much as the input's."""

    def _shape(self, workload: Workload) -> Ints:
        return workload.output_shape

    def _result_bytes(self, workload: Workload) -> int:
        return workload.input_bytes

    def _touched_lines(self, workload: Workload, place: int) -> NDArray[np.bool_]:
        return np.ones(-(-(place + workload.output_bytes) // LINE_BYTES), np.bool_)


class StreamingStep:
    """The limit of a training step: that of its forward, then that of its backward, which cannot begin before."""

    layout: str
    run: Callable[[], object]
    variant: str
    threads: int

    def __init__(self, forward: StreamingPass, backward: StreamingPass) -> None:
        self._legs = (forward, backward)
        self.layout = forward.layout
        self.variant = f"{forward.variant}, {backward.variant}"
        self.threads = max(forward.threads, backward.threads)
        go, come_back = forward.run, backward.run
        self.run = lambda: (go(), come_back())

    @property
    def touched_bytes(self) -> int:
        """Bytes that the two passes read."""
        return sum(leg.touched_bytes for leg in self._legs)

    @property
    def written_bytes(self) -> int:
        """Bytes that the two passes write."""
        return sum(leg.written_bytes for leg in self._legs)

    def output(self) -> NDArray[Any]:
        """There is none: raises MeasurementError."""
        return self._legs[0].output()

    def verify(self) -> str | None:
        """Return None if both passes read and write what they should, otherwise a sentence that says what differs."""
        return self._legs[0].verify() or self._legs[1].verify()

    def close(self) -> None:
        """Let go of the buffers."""
        self.run = _closed
        for leg in self._legs:
            leg.close()


def touched_lines(workload: Workload, place: int) -> NDArray[np.bool_]:
    """Return which cache lines of the input are touched if it begins ``place`` bytes into its first line.

    Counted element by element, without ``touched_runs``, so that it can check it. ``place`` is a multiple of the
    element's size.
    """
    per_line = LINE_BYTES // workload.dtype.itemsize
    before = place // workload.dtype.itemsize
    size = math.prod(workload.input_shape)
    lines = -(-(before + size) // per_line)
    masks = touched_per_axis(workload)
    if all(mask.all() for mask in masks):
        return np.ones(lines, np.bool_)
    elements = np.zeros(lines * per_line, np.bool_)
    grid = elements[before : before + size].reshape(workload.input_shape)
    grid[...] = True
    for axis, mask in enumerate(masks):
        if not mask.all():
            np.logical_and(grid, mask.reshape([-1 if i == axis else 1 for i in range(grid.ndim)]), out=grid)
    eights = elements.view(np.uint64).reshape(lines, per_line // 8)  # eight marks at once
    return np.asarray(np.bitwise_or.reduce(eights, axis=1) != 0, np.bool_)


def _lines_of(flat: NDArray[np.uint8], line: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Split into an incomplete first line, whole lines (a view), and an incomplete last line, both padded."""
    before = -flat.ctypes.data % line
    head = np.zeros(line if before else 0, np.uint8)
    if before:
        place = line - before
        head[place : place + min(before, flat.size)] = flat[:before]
    whole = flat[before : before + max(flat.size - before, 0) // line * line]
    rest = flat[before + whole.size :]
    tail = np.zeros(line if rest.size else 0, np.uint8)
    tail[: rest.size] = rest
    return head, whole, tail


def _wrapping_sum(
    lines: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]], touched: NDArray[np.bool_]
) -> int:
    """Return the sum of the 64-bit words of the touched lines modulo 2**64."""
    total = 0
    first = 0
    for part in lines:
        words = part.view(np.uint64).reshape(-1, LINE_BYTES // 8)
        mine = touched[first : first + len(words)]
        chosen = words if mine.all() else words[mine]
        total += int(chosen.sum(dtype=np.uint64))
        first += len(words)
    if first != len(touched):
        raise ValueError(f"The input has {first} lines, and {len(touched)} were marked.")
    return total % 2**64


def _pattern_bytes(pattern: int, size: int) -> NDArray[np.uint8]:
    return np.full(-(-size // 8), pattern, np.uint64).view(np.uint8)[:size]


def _closed() -> int:
    raise RuntimeError("this pass was closed")
