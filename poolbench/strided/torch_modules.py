"""Pooling modules of PyTorch's whose forward is this library's, and forwards in which pooling functions are.

    from poolbench.strided.torch_modules import MaxPool2d       # takes what torch.nn.MaxPool2d takes

``poolbench.replace_pooling`` makes a model use them; see ``docs/models.md``. What the library's operators do not take
(another device, another layout, another type) goes to PyTorch's own function, as without them. The modules have no
parameters, so a state dict neither gains nor loses a key.

Raises ImportError with PyTorch before 2.10.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from poolbench.strided import torch as pooling
from poolbench.strided import torch_operators as operators

MAX_TYPES = frozenset(operators.FLOATS + operators.INTEGERS)
AVG_TYPES = frozenset(operators.FLOATS)

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    name: getattr(pooling, name) for name in pooling.__all__ if name.endswith(("1d", "2d", "3d"))
}
"""The library's functions, by PyTorch's names."""

_WITH_INDICES = "_with_indices"
_passing: ContextVar[bool] = ContextVar("passing", default=False)


def is_served(name: str, input: Any) -> bool:
    """Whether the function ``name`` takes this tensor: its type, in the CPU's memory, with strides."""
    types = MAX_TYPES if "max" in name else AVG_TYPES
    return isinstance(input, torch.Tensor) and input.is_cpu and input.dtype in types and input.layout is torch.strided


def library_function(name: str) -> Callable[..., Any] | None:
    """Return what computes PyTorch's function ``name`` here, None where nothing does.

    PyTorch calls maxima with indices by a name of their own.
    """
    if name.endswith(_WITH_INDICES) and name.removesuffix(_WITH_INDICES) in FUNCTIONS:
        return partial(FUNCTIONS[name.removesuffix(_WITH_INDICES)], return_indices=True)
    return FUNCTIONS.get(name)


class MaxPool1d(nn.MaxPool1d):  # type: ignore[misc]  # PyTorch is not read for types
    """``torch.nn.MaxPool1d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the maxima."""
        try:
            return pooling.max_pool1d(
                input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
            )
        except TypeError:
            return super().forward(input)


class MaxPool2d(nn.MaxPool2d):  # type: ignore[misc]
    """``torch.nn.MaxPool2d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the maxima."""
        try:
            return pooling.max_pool2d(
                input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
            )
        except TypeError:
            return super().forward(input)


class MaxPool3d(nn.MaxPool3d):  # type: ignore[misc]
    """``torch.nn.MaxPool3d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the maxima."""
        try:
            return pooling.max_pool3d(
                input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
            )
        except TypeError:
            return super().forward(input)


class AvgPool1d(nn.AvgPool1d):  # type: ignore[misc]
    """``torch.nn.AvgPool1d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the averages."""
        try:
            return pooling.avg_pool1d(
                input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
            )
        except TypeError:
            return super().forward(input)


class AvgPool2d(nn.AvgPool2d):  # type: ignore[misc]
    """``torch.nn.AvgPool2d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the averages."""
        try:
            return pooling.avg_pool2d(
                input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                self.divisor_override,
            )  # fmt: skip
        except TypeError:
            return super().forward(input)


class AvgPool3d(nn.AvgPool3d):  # type: ignore[misc]
    """``torch.nn.AvgPool3d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the averages."""
        try:
            return pooling.avg_pool3d(
                input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                self.divisor_override,
            )  # fmt: skip
        except TypeError:
            return super().forward(input)


class AdaptiveMaxPool1d(nn.AdaptiveMaxPool1d):  # type: ignore[misc]
    """``torch.nn.AdaptiveMaxPool1d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the maxima."""
        try:
            return pooling.adaptive_max_pool1d(input, self.output_size, self.return_indices)
        except TypeError:
            return super().forward(input)


class AdaptiveMaxPool2d(nn.AdaptiveMaxPool2d):  # type: ignore[misc]
    """``torch.nn.AdaptiveMaxPool2d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the maxima."""
        try:
            return pooling.adaptive_max_pool2d(input, self.output_size, self.return_indices)
        except TypeError:
            return super().forward(input)


class AdaptiveMaxPool3d(nn.AdaptiveMaxPool3d):  # type: ignore[misc]
    """``torch.nn.AdaptiveMaxPool3d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the maxima."""
        try:
            return pooling.adaptive_max_pool3d(input, self.output_size, self.return_indices)
        except TypeError:
            return super().forward(input)


class AdaptiveAvgPool1d(nn.AdaptiveAvgPool1d):  # type: ignore[misc]
    """``torch.nn.AdaptiveAvgPool1d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the averages."""
        try:
            return pooling.adaptive_avg_pool1d(input, self.output_size)
        except TypeError:
            return super().forward(input)


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):  # type: ignore[misc]
    """``torch.nn.AdaptiveAvgPool2d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the averages."""
        try:
            return pooling.adaptive_avg_pool2d(input, self.output_size)
        except TypeError:
            return super().forward(input)


class AdaptiveAvgPool3d(nn.AdaptiveAvgPool3d):  # type: ignore[misc]
    """``torch.nn.AdaptiveAvgPool3d``."""

    def forward(self, input: torch.Tensor) -> Any:
        """Return the averages."""
        try:
            return pooling.adaptive_avg_pool3d(input, self.output_size)
        except TypeError:
            return super().forward(input)


MODULES: Mapping[type, type] = {
    kind.__mro__[1]: kind
    for kind in (
        MaxPool1d, MaxPool2d, MaxPool3d, AvgPool1d, AvgPool2d, AvgPool3d,
        AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
        AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d,
    )
}  # fmt: skip
"""By PyTorch's classes, those that take their place."""


class Rerouted:
    """A module's forward in which the pooling functions ``names`` are this library's.

    A layer below that is rerouted itself has names of its own. ``before`` is the module's own attribute ``forward``
    where it had one, None where its class's is what runs.
    """

    def __init__(self, module: nn.Module, names: Collection[str], before: Callable[..., Any] | None = None) -> None:
        self.module = module
        self.names = frozenset(names)
        self.before = before

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module."""
        with Rerouting({name: library_function(name) for name in self.names}):
            if self.before is not None:
                return self.before(*args, **kwargs)
            return type(self.module).forward(self.module, *args, **kwargs)


class Rerouting(TorchFunctionMode):  # type: ignore[misc]
    """A context in which other functions stand for PyTorch's pooling functions of these names.

    The innermost context counts: what it has no route for is PyTorch's. So is what ``is_served`` denies.
    """

    def __init__(self, routes: Mapping[str, Callable[..., Any] | None]) -> None:
        self._routes = routes

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Carry out a function of PyTorch's, or what stands for it."""
        name = getattr(func, "__name__", "")
        kwargs = kwargs or {}
        route = self._routes.get(name)
        if route is not None and not _passing.get() and is_served(name, args[0] if args else kwargs.get("input")):
            return route(*args, **kwargs)
        if route is None and name.removesuffix(_WITH_INDICES) in FUNCTIONS:
            token = _passing.set(True)  # what this one leaves alone is left alone by those around it
            try:
                return func(*args, **kwargs)
            finally:
                _passing.reset(token)
        return func(*args, **kwargs)
