"""The call of ``poolbench.strided`` that its user would write for a workload."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from poolbench.model.pooling import Ints, Kind, PoolSpec, dilated
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Pool = Callable[..., Any]
    """A user's call with everything but ``out`` filled in: ``pool()``, or ``pool(out)``."""


def user_call(
    workload: Workload,
    x: Array,
    threads: int,
    layout: str,
    *,
    return_indices: bool = False,
    functions: ModuleType | _Explained | None = None,
) -> Pool:
    """Return the user's call for ``workload`` on ``x``, whose axes are in the order that ``layout`` says.

    It is that of ``functions``, by default ``poolbench.strided``.
    """
    from poolbench import strided

    module = functions or strided
    spec = workload.spec
    name = f"{spec.kind}_pool{spec.rank}d"
    if spec.output is not None:
        pool, size = getattr(module, f"adaptive_{name}"), _brief(spec.output)
        if spec.kind is Kind.MAX:
            return lambda out=None: pool(x, size, return_indices, out=out, threads=threads, layout=layout)
        return lambda out=None: pool(x, size, out=out, threads=threads, layout=layout)
    assert spec.window is not None and spec.stride is not None
    pool = getattr(module, name)
    window, stride, dilation = _brief(spec.window), _brief(spec.stride), _brief(spec.dilation)
    padding, ceil_mode = _padding(spec), spec.ceil_mode
    if spec.kind is Kind.MAX:
        return lambda out=None: pool(
            x,
            window,
            stride,
            padding,
            dilation,
            ceil_mode,
            return_indices,
            out=out,
            threads=threads,
            layout=layout,
        )
    include_padding, divisor = spec.include_padding, spec.divisor
    return lambda out=None: pool(
        x,
        window,
        stride,
        padding,
        ceil_mode,
        include_padding,
        divisor_override=divisor,
        dilation=dilation,
        out=out,
        threads=threads,
        layout=layout,
    )


class _Explained:
    """Stands for a module of pooling functions: each tells which kernels it would use, and does nothing."""

    def __init__(self, functions: ModuleType, gradient: Array | None) -> None:
        self._functions = functions
        self._gradient = gradient

    def __getattr__(self, name: str) -> Pool:
        from poolbench import strided

        return partial(strided.explain, getattr(self._functions, name), gradient=self._gradient)


def kernels_of(
    workload: Workload, x: Array, threads: int, layout: str, *, gradient: Array | None = None
) -> dict[str, str]:
    """Return the kernels of the workload's call by pass; none where the kernel's revision cannot tell.

    ``gradient`` is that of the output, seen as the functions see it, for a training pass.
    """
    from poolbench import strided

    if not hasattr(strided, "explain"):
        return {}
    from poolbench.strided import functional, training

    functions = training if workload.pass_.is_training else functional
    told = user_call(workload, x, threads, layout, functions=_Explained(functions, gradient))().kernels
    if not workload.pass_.runs_backward:
        told.pop("gradient", None)
    return {name: kernel for name, kernel in told.items() if name == "gradient" or workload.pass_.runs_forward}


def _brief(values: Ints) -> int | Ints:
    """Return one number where all are the same, as people write it."""
    return values[0] if len(set(values)) == 1 else values


def _padding(spec: PoolSpec) -> Any:
    """Return the padding as people write it: a number per axis where that is allowed, (lo, hi) elsewhere."""
    assert spec.window is not None
    spans = [dilated(k, d) for k, d in zip(spec.window, spec.dilation, strict=True)]
    if all(lo == hi and 2 * lo <= span for (lo, hi), span in zip(spec.padding, spans, strict=True)):
        return _brief(tuple(lo for lo, _ in spec.padding))
    return spec.padding
