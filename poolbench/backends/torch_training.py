"""The training pass in PyTorch: the graph that a forward records, and ``torch.autograd.grad`` on it.

In a model the pooled tensor is no leaf, so its gradient is handed on, not accumulated in ``.grad``: that is what
``torch.autograd.grad`` times. A whole step lets go of the graph as it goes backward, as training does; a backward alone
retains it, since it is repeated on one forward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from poolbench.backends import torch_common as common
from poolbench.backends.base import Prepared, Source
from poolbench.backends.geometry import contiguous, in_order, reference_axes
from poolbench.backends.training import TrainingCall
from poolbench.model.workload import ViewKind, Workload, default_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensor = Any
    Given = Callable[[], Tensor]
    """Gives the output's gradient as the timed call meets it."""


def training_best(workload: Workload, source: Source, pool: common.Pool, layout: str) -> Prepared:
    """Prepare the pass on tensors whose memory is in the order ``layout``; the gradient keeps its view there."""
    natural = default_order(workload.spec.rank)
    axes = reference_axes(layout, natural)
    assert source.gradient is not None
    x = common.as_tensor(contiguous(source.array, workload.order, layout), training=True).permute(axes)
    x.requires_grad_()
    gradient = in_order(source.gradient, workload.order, layout, workload.gradient_view)
    given = given_gradient(workload, gradient, axes)
    return training_call(workload, lambda: x, pool, given, natural, layout)


def training_given(
    workload: Workload, source: Source, pool: common.Pool, convert: common.Pool | None, layout: str
) -> Prepared:
    """Prepare the pass on the caller's arrays; output and input's gradient are left in the caller's order.

    ``convert``, and the copies of reversed views, which PyTorch lacks, are part of the timed call.
    """
    natural, order = default_order(workload.spec.rank), workload.order
    to_natural, back = reference_axes(order, natural), reference_axes(natural, order)
    same = tuple(range(len(order)))
    assert source.gradient is not None
    given = given_gradient(workload, source.gradient, same)

    def on(tensor: Tensor) -> Tensor:
        viewed = tensor.permute(to_natural)
        return pool(convert(viewed) if convert else viewed).permute(back).contiguous()

    if workload.view.kind is ViewKind.REVERSED:
        array = source.array

        def leaf() -> Tensor:
            return common.as_tensor(array, training=True).requires_grad_()
    else:
        tensor = common.as_tensor(source.array, training=True).requires_grad_()

        def leaf() -> Tensor:
            return tensor

    return training_call(workload, leaf, on, given, order, order if convert is None else layout)


def given_gradient(workload: Workload, gradient: NDArray[Any], axes: tuple[int, ...]) -> Given:
    """Return what gives ``gradient`` with its axes permuted; a reversed view is made by a copy in each call."""
    if workload.gradient_view.kind is ViewKind.REVERSED:
        held = common.as_tensor(gradient[..., ::-1], training=True)
        return lambda: held.flip(-1).permute(axes)
    tensor = common.as_tensor(gradient, training=True).permute(axes)
    return lambda: tensor


def training_call(
    workload: Workload, leaf: Callable[[], Tensor], pool: common.Pool, given: Given, order: str, layout: str
) -> Prepared:
    """Return the call on ``leaf``, whose axes are in ``order``."""
    from torch.autograd import grad

    def forward() -> tuple[Tensor, Callable[[], Tensor]]:
        x = leaf()
        y = pool(x)
        return y, lambda: grad(y, x, given(), retain_graph=True)[0]

    def step() -> tuple[Tensor, Tensor]:
        x = leaf()
        y = pool(x)
        return y, grad(y, x, given())[0]

    def fetch(tensor: Tensor) -> NDArray[Any]:
        return common.to_array(tensor, order)

    return TrainingCall(
        layout=layout, pass_=workload.pass_, forward=forward, step=step, fetch=fetch, fetch_gradient=fetch
    )
