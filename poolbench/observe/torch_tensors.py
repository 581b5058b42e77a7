"""What is kept of a tensor that was pooled: its shape and how it lies, and not the tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poolbench.model.pooling import Ints
from poolbench.model.workload import DType, default_order
from poolbench.observe.arguments import Asked
from poolbench.observe.sighting import Seen
from poolbench.observe.torch_layers import Layers

_DTYPES = {f"torch.{dtype.numpy_name}": dtype for dtype in DType}
_HOSTS = ("cpu", "meta")
"""Devices on which a call is what it is on the CPU."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A tensor's shape, its strides (None where it has none), and PyTorch's words for its type and device."""

    shape: Ints
    strides: Ints | None
    dtype: str
    device: str


def facts_of(tensor: Any) -> Facts:
    """Return the facts of a tensor whose sizes are known."""
    return Facts(tuple(tensor.shape), strides_of(tensor), str(tensor.dtype), str(tensor.device))


def is_plain(value: Any) -> bool:
    """Whether ``value`` is a tensor with a shape: nested ones have one for each of their parts."""
    import torch

    return isinstance(value, torch.Tensor) and not value.is_nested


def strides_of(tensor: Any) -> Ints | None:
    """Return the strides in elements, None where there are none, as in oneDNN's blocked layouts."""
    import torch

    return tuple(tensor.stride()) if tensor.layout is torch.strided else None


def address_of(tensor: Any) -> int:
    """Return where a tensor's elements lie, 0 where they lie nowhere."""
    import torch

    return int(tensor.data_ptr()) if tensor.layout is torch.strided and tensor.device.type != "meta" else 0


def seen(request: Asked, given: Facts, layers: Layers) -> Seen:
    """Return a call as a sighting takes it."""
    import torch

    on_host = given.device.partition(":")[0] in _HOSTS
    return Seen(
        function=request.function,
        spec=request.spec,
        refusal=request.refusal,
        shape=_usual(given.shape, request, batch=1),
        strides=None if given.strides is None else _usual(given.strides, request, batch=0),
        given=given.shape,
        given_strides=given.strides,
        order="" if given.strides is not None else default_order(request.rank),
        dtype=_DTYPES.get(given.dtype),
        dtype_name=given.dtype.removeprefix("torch."),
        layer=layers.path,
        model=layers.model,
        device=given.device,
        threads=torch.get_num_threads(),
        is_reduction=request.is_reduction,
        note="" if on_host else f"It ran on {given.device}; poolbench measures its workload on the CPU.",
    )


def _usual(values: Ints, request: Asked, *, batch: int) -> Ints:
    """Return sizes or strides with batch and channels outermost; ``batch`` is the batch's where there is none."""
    if not request.is_batched:
        values = (batch, *values)
    if request.is_channels_last:
        return (values[0], values[-1], *values[1:-1])
    return values
