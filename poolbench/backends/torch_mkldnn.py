"""PyTorch's pooling of mkldnn tensors, which oneDNN computes in a layout of its own.

``Tensor.to_mkldnn`` gives a plain tensor with the channels first. Between the layers of a model the tensors come out of
convolutions, in whatever layout oneDNN chose for them: that is the one that is preferred here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poolbench.backends import torch_common as common
from poolbench.backends import torch_pooling
from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.backends.geometry import (
    contiguous,
    divides_by_inside,
    divides_by_window,
    exact_padding,
    in_order,
    is_below_window,
)
from poolbench.backends.torch_eager import Eager
from poolbench.backends.torch_training import given_gradient, training_call, training_given
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Kind
from poolbench.model.workload import DType, Workload, channels_last_order, default_order

if TYPE_CHECKING:
    Tensor = Any


class Mkldnn(Eager):
    """``torch.nn.functional`` on mkldnn tensors, as they lie behind a convolution."""

    name = "torch:mkldnn"

    def supports(self, workload: Workload) -> Support:
        """Say whether PyTorch pools mkldnn tensors so: nothing can be padded or divided beside the call."""
        spec, dtype = workload.spec, workload.dtype
        if spec.rank == 1:
            return refused("PyTorch pools mkldnn tensors over two and three spatial axes only.")
        if dtype not in (DType.F32, DType.I8, DType.U8):
            return refused(f"PyTorch's mkldnn pooling takes f32, i8 and u8 on every processor, but not {dtype}.")
        if spec.kind is Kind.AVG and dtype is not DType.F32:
            return refused(f"PyTorch's mkldnn averages of {dtype} are rounded to whole numbers.")
        windowed = spec.as_windowed(workload.spatial)
        if windowed is None:
            return refused("PyTorch's adaptive pooling of mkldnn tensors takes even windows only.")
        if max(windowed.dilation) > 1:
            return refused("PyTorch's mkldnn pooling has no dilation.")
        if not windowed.has_symmetric_padding:
            return refused(
                "PyTorch's mkldnn pooling has the same padding on both sides, and its tensors none of F.pad."
            )
        if not is_below_window(exact_padding(windowed, workload.spatial), windowed):
            return refused("Padding must be below the window's size for PyTorch's mkldnn pooling.")
        if spec.divisor is not None:
            return refused("PyTorch's mkldnn average pooling has no divisor.")
        if spec.kind is Kind.AVG and _counts_padding(workload) is None:
            return refused("PyTorch's mkldnn averages are divided by the window, or by what that reads of the input.")
        return SUPPORTED

    def facts(self) -> Mapping[str, str]:
        """Return the release and its flags, and that of oneDNN inside it."""
        import re

        import torch

        found = re.search(r"(?:MKL-DNN|oneDNN) v([\d.]+)", torch.__config__.show())
        return {**common.facts(), "onednn release": found[1] if found else "not told by this release"}

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Bring the input into oneDNN's layout here under BEST, and in and out of mkldnn tensors under GIVEN."""
        pool, natural, training = self.pooling(workload), default_order(workload.spec.rank), workload.pass_.is_training
        if source.layout is LayoutPolicy.GIVEN:

            def dense(x: Tensor) -> Tensor:
                return pool(x).to_dense()

            if training:
                return training_given(workload, source, dense, _to_mkldnn, natural)
            compute = common.given_call(workload, source.array, dense, _to_mkldnn)
            return Call(natural, compute, lambda y: common.to_array(y, workload.order))
        array = contiguous(source.array, workload.order, natural)
        x = _as_behind_a_convolution(common.as_tensor(array, training=training), training=training)
        layout = _layout(workload)
        if not training:
            return Call(layout, lambda: pool(x), lambda y: common.to_array(y, natural))
        x.requires_grad_()
        assert source.gradient is not None
        gradient = in_order(source.gradient, workload.order, natural, workload.gradient_view)
        given = given_gradient(workload, gradient, tuple(range(len(natural))))
        if gradient.flags.c_contiguous:
            held = _as_behind_a_convolution(given(), training=True)
            return training_call(workload, lambda: x, pool, lambda: held, natural, layout)
        return training_call(workload, lambda: x, pool, lambda: given().to_mkldnn(), natural, layout)

    def pooling(self, workload: Workload) -> common.Pool:
        """Return the timed function of an mkldnn tensor."""
        import torch.nn.functional as functional

        spec = workload.spec
        if spec.is_adaptive and spec.kind is Kind.AVG and spec.rank == 2:
            return torch_pooling.pooling(workload)
        windowed = spec.as_windowed(workload.spatial)
        assert windowed is not None
        window, stride, padding = windowed.window, windowed.stride, tuple(lo for lo, _ in windowed.padding)
        pool = getattr(functional, f"{spec.kind}_pool{spec.rank}d")
        if spec.kind is Kind.MAX:
            return lambda x: pool(x, window, stride, padding, 1, windowed.ceil_mode)
        counts_padding = _counts_padding(workload)
        return lambda x: pool(x, window, stride, padding, windowed.ceil_mode, counts_padding)


def _counts_padding(workload: Workload) -> bool | None:
    """Return how ``count_include_pad`` must be for the right divisors; None where neither value gives them.

    oneDNN counts the whole window where it counts padding: what ceil mode overhangs, too.
    """
    windowed = workload.spec.as_windowed(workload.spatial)
    assert windowed is not None
    if divides_by_inside(windowed, workload.spatial):
        return False
    return True if divides_by_window(windowed, workload.spatial) else None


def _to_mkldnn(tensor: Tensor) -> Tensor:
    return tensor.to_mkldnn()


def _as_behind_a_convolution(tensor: Tensor, *, training: bool) -> Tensor:
    """Return ``tensor``'s values as an mkldnn tensor in the layout that oneDNN gives a convolution's output.

    The convolution has one channel in each group and the weight 1. Integers, which it lacks, stay plain.
    """
    import torch

    with torch.inference_mode(not training), torch.no_grad():
        lying = tensor.to_mkldnn()
        if not tensor.is_floating_point():
            return lying
        channels, rank = tensor.shape[1], tensor.ndim - 2
        weight = torch.ones((channels, *[1] * (rank + 1)), dtype=tensor.dtype)
        ones, zeros = (1,) * rank, (0,) * rank
        return torch.mkldnn_convolution(lying, weight, None, zeros, ones, ones, channels)


def _layout(workload: Workload) -> str:
    """Return the layout behind a convolution, as ``ONEDNN_VERBOSE`` tells it: PyTorch does not."""
    rank = workload.spec.rank
    if not workload.dtype.is_float:
        return default_order(rank)
    if rank == 3:
        return channels_last_order(rank)
    return f"nChw{16 if 'AVX512' in common.facts()['capability'] else 8}c"
