"""Which kernels there are, and what a call would do: the plan, the kernel, the instruction set and the threads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poolbench.strided import _pool, functional, training

_ORDER = {
    "max_pool": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    "avg_pool": (
        "input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "count_include_pad", "divisor_override",
    ),
    "adaptive_max_pool": ("input", "output_size", "return_indices"),
    "adaptive_avg_pool": ("input", "output_size"),
}  # fmt: skip
"""The parameters of each compiled function, in its order; ``out``, ``threads`` and ``layout`` follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAxis:
    """One axis of a plan: how many positions it has, how many windows, and what these are."""

    positions: int
    windows: int
    window: int
    stride: int
    dilation: int
    padding: int

    def __str__(self) -> str:
        if self.windows == 1 and self.window == self.positions:
            return f"{self.positions} as a whole"
        if self.window == 0:
            return f"{self.positions} to {self.windows}, adaptive"
        extra = "".join(
            f", {name} {value}"
            for name, value, usual in (("dilation", self.dilation, 1), ("padding", self.padding, 0))
            if value != usual
        )
        return f"{self.positions} to {self.windows}, window {self.window}, stride {self.stride}{extra}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A call with as few axes as possible: ``outer`` ones that are not pooled, three pooled ones, ``inner`` elements.

    ``inner`` is how many elements lie side by side at each position, each pooled by itself: the channels of an array
    whose channels lie innermost; 1 elsewhere.
    """

    outer: tuple[int, int]
    d: PlannedAxis
    h: PlannedAxis
    w: PlannedAxis
    inner: int

    def __str__(self) -> str:
        axes = [
            f"{name}: {axis}"
            for name, axis in (("d", self.d), ("h", self.h), ("w", self.w))
            if (axis.positions, axis.windows) != (1, 1)
        ]
        outer = " × ".join(str(count) for count in self.outer if count != 1) or "1"
        inner = f"; {self.inner} elements side by side" if self.inner > 1 else ""
        return f"{outer} planes; " + ("; ".join(axes) or "single elements") + inner


@dataclass(frozen=True, slots=True, kw_only=True)
class PassExplanation:
    """Who does one pass of a call.

    ``pass_`` is "pool", "keep" (pool and remember where each maximum was) or "gradient". ``name`` is the kernel's full
    name, as in ``variants()``; ``fitting`` names all kernels of the instruction set that could do it, in order of
    preference. ``plan`` is None for a call that is too small to need one. ``by_sample`` says that the samples of the
    batch are done one by one. The work is ``units`` parts, which ``threads`` threads share.
    """

    pass_: str
    name: str
    kernel: str
    isa: str
    takes: str
    cost: str
    fitting: tuple[str, ...]
    units: int
    threads: int
    by_sample: bool
    plan: Plan | None

    def __str__(self) -> str:
        shared = f"on {self.threads} thread{'s' if self.threads > 1 else ''}, {self.units} units of work"
        others = ", ".join(self.fitting[1:])
        lines = [
            f"{self.pass_}: {self.name}, {shared}",
            f"  it takes {self.takes}, and costs {self.cost}",
            f"  plan: {self.plan or 'none, for so few elements'}",
        ]
        if self.by_sample:
            lines.append("  the samples of the batch are done one by one")
        if others:
            lines.append(f"  otherwise: {others}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each pass of a call would do; no pass at all for an empty batch."""

    passes: tuple[PassExplanation, ...]

    @property
    def kernels(self) -> dict[str, str]:
        """The full name of the kernel by pass."""
        return {each.pass_: each.name for each in self.passes}

    def __str__(self) -> str:
        return "\n".join(str(each) for each in self.passes) or "an empty batch: nothing to do"


def explain(function: Callable[..., Any], /, *args: Any, gradient: Any = None, **kwargs: Any) -> Explanation:
    """Return what ``function(*args, **kwargs)`` would do; nothing is pooled.

    ``function`` is one of ``poolbench.strided``'s twelve, or its namesake of ``poolbench.strided.training``: then the
    gradient pass is told too, for ``gradient`` as the gradient of the output, or one that lies as a fresh array does.

        >>> import numpy as np
        >>> from poolbench import strided
        >>> ramp = np.zeros((1, 8, 32, 32), np.float32)
        >>> strided.explain(strided.max_pool2d, ramp, 3, padding=1).passes[0].pass_
        'pool'

    Raises what the function itself would raise, and ValueError for a function that is not of this package.
    """
    name = getattr(function, "__name__", "")
    module = next((each for each in (functional, training) if getattr(each, name, None) is function), None)
    family = name[:-2]
    if module is None or family not in _ORDER:
        raise ValueError(
            f"explain takes a pooling function of poolbench.strided or poolbench.strided.training, such as "
            f"strided.max_pool2d, and then its arguments; it was given {function!r}."
        )
    given = inspect.signature(function).bind(*args, **kwargs)
    given.apply_defaults()
    compiled = getattr(_pool, f"train_{family}" if module is training else family)
    own = [given.arguments[each] for each in (*_ORDER[family], "out", "threads", "layout")]
    answers: Sequence[Mapping[str, Any]] = compiled(int(name[-2]), *own, None, None, gradient)
    return Explanation(tuple(_pass(answer) for answer in answers))


def variants() -> list[str]:
    """Return the names of the kernels that this processor can execute, in the order of preference.

    A name is instruction set, pass, kernel, operation and type, such as "avx512/pool/rows/max/f32". What the
    environment variable ``POOLBENCH_KERNELS`` leaves out is not among them.
    """
    return [row["name"] for row in _pool.kernels()]


def _pass(answer: Mapping[str, Any]) -> PassExplanation:
    told = {name: answer[name] for name in ("name", "kernel", "isa", "takes", "cost", "units", "threads", "by_sample")}
    plan = answer["plan"]
    return PassExplanation(
        pass_=answer["pass"],
        fitting=tuple(answer["fitting"]),
        plan=plan
        and Plan(
            outer=plan["outer"],
            inner=plan["inner"],
            **{axis: PlannedAxis(**plan[axis]) for axis in ("d", "h", "w")},
        ),
        **told,
    )
