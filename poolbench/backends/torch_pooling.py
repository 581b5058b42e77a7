"""How PyTorch pools: what ``torch.nn.functional`` can express, and how the call is written.

Rules and dtypes are those of ``torch.nn.functional`` (https://docs.pytorch.org/docs/stable/nn.functional.html,
"Pooling functions"), confirmed by running every combination on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Support, refused
from poolbench.backends.geometry import divides_by_window, divisors, exact_padding, fits, lowest, overhangs
from poolbench.backends.torch_common import as_tensor
from poolbench.model.pooling import Ints, Kind, PoolSpec
from poolbench.model.workload import DType, Workload

if TYPE_CHECKING:
    from poolbench.backends.torch_common import Pool, Tensor


def supports(workload: Workload) -> Support:
    """Say whether ``torch.nn.functional`` can compute ``workload``, in at most two calls."""
    spec, dtype = workload.spec, workload.dtype
    if spec.is_adaptive and not dtype.is_float and spec.as_windowed(workload.spatial) is None:
        return refused("PyTorch's adaptive pooling takes floating types only, unless its windows are even.")
    if spec.kind is Kind.MAX:
        return SUPPORTED
    if not dtype.is_float and dtype is not DType.I64:
        return refused(f"PyTorch averages floating types and i64, not {dtype}.")
    if any(size != 1 for size in spec.dilation):
        return refused("PyTorch's average pooling has no dilation.")
    if spec.rank == 3 and not spec.is_adaptive and dtype in (DType.F16, DType.BF16):
        return refused(f"PyTorch's avg_pool3d has no {dtype} on the CPU.")
    return SUPPORTED


def pooling(workload: Workload, functions: ModuleType | None = None) -> Pool:
    """Return the user's call for ``workload``: from a tensor (N, C, *spatial) to one. ``supports`` must hold.

    It is that of ``functions``, by default ``torch.nn.functional``, whose names and parameters they have.
    """
    functions, spec = functions or _functional(), workload.spec
    if spec.is_adaptive:
        windowed = None if workload.dtype.is_float else spec.as_windowed(workload.spatial)
        if windowed is None:
            return _adaptive(spec, functions)
        spec = windowed
    if spec.kind is Kind.MAX:
        return _maximum(spec, workload, functions)
    return _average(spec, workload, functions)


def _functional() -> ModuleType:
    import torch.nn.functional

    module: ModuleType = torch.nn.functional
    return module


def with_indices(workload: Workload, functions: ModuleType | None = None) -> Pool | None:
    """Return the call that gives PyTorch's indices (within a plane), or None where padding moved them."""
    functions = functions or _functional()
    spec = workload.spec
    if spec.kind is not Kind.MAX:
        return None
    if spec.is_adaptive and workload.dtype.is_float:
        adaptive = getattr(functions, f"adaptive_max_pool{spec.rank}d")
        return lambda x: adaptive(x, spec.output, return_indices=True)[1]
    windowed = spec.as_windowed(workload.spatial)
    if windowed is None or not _takes_padding(windowed, workload.spatial):
        return None
    pool = getattr(functions, f"max_pool{spec.rank}d")
    arguments = _max_arguments(windowed)
    return lambda x: pool(x, *arguments, return_indices=True)[1]


def has_channels_last_kernel(workload: Workload) -> bool:
    """Whether max pooling in channels-last memory runs at all: it counts a plane's elements in the dtype itself.

    PyTorch says "Expected input_height * input_width <= std::numeric_limits<integer_t>::max()" for larger ones.
    """
    if workload.spec.kind is not Kind.MAX or workload.dtype not in (DType.I8, DType.U8, DType.I16):
        return True
    spatial: Ints = workload.spatial
    windowed = workload.spec.as_windowed(spatial)
    if windowed is not None and not _takes_padding(windowed, spatial):
        pads = exact_padding(windowed, spatial)
        spatial = tuple(size + lo + hi for size, (lo, hi) in zip(spatial, pads, strict=True))
    return math.prod(spatial) < 1 << (8 * workload.dtype.itemsize - 1)


def _takes_padding(spec: PoolSpec, spatial: Ints) -> bool:
    """Whether PyTorch's own padding does: alike on both sides and at most half of the window.

    ``avg_pool3d`` in addition wants an input that holds a window without padding.
    """
    assert spec.window is not None
    if spec.rank == 3 and spec.kind is Kind.AVG and any(n < k for n, k in zip(spatial, spec.window, strict=True)):
        return False
    return spec.has_symmetric_padding and all(2 * lo <= k for (lo, _), k in zip(spec.padding, spec.window, strict=True))


def _adaptive(spec: PoolSpec, functions: ModuleType) -> Pool:
    pool = getattr(functions, f"adaptive_{spec.kind}_pool{spec.rank}d")
    return lambda x: pool(x, spec.output)


def _max_arguments(spec: PoolSpec) -> tuple[Any, ...]:
    return spec.window, spec.stride, tuple(lo for lo, _ in spec.padding), spec.dilation, spec.ceil_mode


def _maximum(spec: PoolSpec, workload: Workload, functions: ModuleType) -> Pool:
    from torch.nn import functional

    pool = getattr(functions, f"max_pool{spec.rank}d")
    if _takes_padding(spec, workload.spatial):
        arguments = _max_arguments(spec)
        if spec.rank == 1 and not workload.dtype.is_float:
            # Only the variant with indices has integers in one dimension.
            return lambda x: pool(x, *arguments, return_indices=True)[0]
        return lambda x: pool(x, *arguments)
    sides = _sides(exact_padding(spec, workload.spatial))
    value = lowest(workload.dtype)
    if spec.rank == 1 and not workload.dtype.is_float:
        return lambda x: pool(
            functional.pad(x, sides, value=value), spec.window, spec.stride, 0, spec.dilation, return_indices=True
        )[0]
    return lambda x: pool(functional.pad(x, sides, value=value), spec.window, spec.stride, 0, spec.dilation)


def _average(spec: PoolSpec, workload: Workload, functions: ModuleType) -> Pool:
    pool = _average_call(spec, functions)
    if _takes_padding(spec, workload.spatial):
        padding = tuple(lo for lo, _ in spec.padding)
        return lambda x: pool(x, padding, spec.ceil_mode, spec.include_padding, spec.divisor)
    return _padded_average(spec, workload, pool)


def _padded_average(spec: PoolSpec, workload: Workload, pool: Callable[..., Tensor]) -> Pool:
    """Compose the average of a padding that PyTorch's own argument does not take: pad with zeros, then pool."""
    import torch
    import torch.nn.functional as functional

    spatial, rank = workload.spatial, spec.rank
    exact = exact_padding(spec, spatial)
    none = (0,) * rank
    if spec.divisor is not None or divides_by_window(spec, spatial):
        sides = _sides(exact)
        return lambda x: pool(functional.pad(x, sides), none, False, True, spec.divisor)
    if spec.include_padding and (rank < 3 or fits(spec, spatial, spec.padding)):  # as in _takes_padding
        # PyTorch clips the divisor of a window that overhangs the padded input: pad there what the spec pads.
        over = overhangs(spec, spatial)
        sides = _sides(tuple(spec.padding[axis] if over[axis] else exact[axis] for axis in range(rank)))
        return lambda x: pool(functional.pad(x, sides), none, True, True, None)
    sides = _sides(exact)
    # A gradient needs the divisors again, and an inference tensor cannot be kept for it.
    counts = as_tensor(divisors(spec, spatial), training=workload.pass_.is_training).to(
        getattr(torch, workload.dtype.numpy_name)
    )
    if workload.dtype.is_float:
        return lambda x: pool(functional.pad(x, sides), none, False, True, 1) / counts
    return lambda x: torch.div(pool(functional.pad(x, sides), none, False, True, 1), counts, rounding_mode="trunc")


def _average_call(spec: PoolSpec, functions: ModuleType) -> Callable[..., Tensor]:
    """Return a call taking (x, padding, ceil_mode, count_include_pad, divisor) for windows of ``spec``.

    ``avg_pool1d`` takes no divisor: there the call is ``avg_pool2d`` on a plane of height one.
    """
    assert spec.window is not None and spec.stride is not None
    window, stride = spec.window, spec.stride
    if spec.rank > 1:
        pool = getattr(functions, f"avg_pool{spec.rank}d")
        return lambda x, padding, ceil, include, divisor: pool(x, window, stride, padding, ceil, include, divisor)

    def one_dimensional(x: Tensor, padding: Ints, ceil: bool, include: bool, divisor: int | None) -> Tensor:
        if divisor is None:
            averages: Tensor = functions.avg_pool1d(x, window, stride, padding, ceil, include)
            return averages
        planar = ((1, *window), (1, *stride), (0, *padding), ceil, include, divisor)
        return functions.avg_pool2d(x.unsqueeze(-2), *planar).squeeze(-2)

    return one_dimensional


def _sides(padding: tuple[tuple[int, int], ...]) -> list[int]:
    """Return ``padding`` as ``torch.nn.functional.pad`` takes it: the innermost axis first."""
    return [side for pair in reversed(padding) for side in pair]
