"""What a call's memory is made of: output, what is saved for the gradient, positions of maxima, gradient, the rest."""

from __future__ import annotations

from dataclasses import dataclass

from poolbench.model.memory import Memory
from poolbench.model.pooling import Kind
from poolbench.model.workload import Workload

POSITION_BYTES = (8, 4, 1)
"""What frameworks keep a maximum's position in, for each element of the output."""

EXACT_TO = 0.02
"""An excess passes for positions when it is that many bytes an output element, to within this share."""

SMALL_BYTES = 16 << 10
"""… or to within so many bytes, which frameworks take for objects of their own."""

LEAST_POSITIONS = 4 * SMALL_BYTES
"""Fewer bytes of positions than this could as well be such objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryParts:
    """Parts of the requested peak, in bytes; they add up to it.

    ``index`` is inferred. ``output`` and ``gradient`` (the input's) are by arithmetic, as far as the peak holds them:
    of a backward pass the output and what was saved were made before the call.
    """

    output: int
    gradient: int
    saved: int
    index: int
    scratch: int


def memory_parts(workload: Workload, memory: Memory) -> MemoryParts | None:
    """Split what a call requests; None where that is not known.

    The ledger does not see what an allocation is for. What a maximum holds beyond its output (in training: what it
    saves) passes for positions where it is 8, 4 or 1 bytes for each element of the output; the rest of it does not.
    """
    requested = memory.requested.bytes
    if requested is None:
        return None
    pass_ = workload.pass_
    output = min(memory.output_bytes, requested) if pass_.runs_forward else 0
    saved = min(memory.saved.bytes or 0, requested - output) if pass_.runs_forward else 0
    gradient = min(workload.input_bytes, requested - output - saved) if pass_.runs_backward else 0
    rest = requested - output - saved - gradient
    elements = workload.output_bytes // workload.dtype.itemsize
    index = 0
    if workload.spec.kind is Kind.MAX:
        if saved:
            index = _positions(saved, elements)
            saved -= index
        elif not pass_.is_training:
            index = _positions(rest, elements)
            rest -= index
    return MemoryParts(output=output, gradient=gradient, saved=saved, index=index, scratch=rest)


def _positions(excess: int, elements: int) -> int:
    for size in POSITION_BYTES:
        expected = size * elements
        if LEAST_POSITIONS <= expected <= excess <= expected * (1 + EXACT_TO) + SMALL_BYTES:
            return expected
    return 0
