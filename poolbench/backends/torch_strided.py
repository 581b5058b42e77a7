"""poolbench's operators for PyTorch, ``poolbench.strided.torch``, called eagerly.

Beside ``strided`` it shows what the way from a tensor to the kernel and back costs. Where ``accelerate()`` has compiled
the shorter way into the user's cache, that is taken, as for every user; the facts say which it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from poolbench.backends import torch_common as common
from poolbench.backends import torch_pooling
from poolbench.backends.base import SUPPORTED, Prepared, Source, Support, refused
from poolbench.backends.geometry import contiguous, reference_axes
from poolbench.backends.strided_layout import preferred_order
from poolbench.backends.torch_eager import Eager
from poolbench.backends.torch_training import training_best, training_given
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Kind
from poolbench.model.workload import Workload, default_order


class Operators(Eager):
    """A function of ``poolbench.strided.torch`` as its user calls it. Under BEST the order is that of ``strided``."""

    name = "strided:torch"

    def supports(self, workload: Workload) -> Support:
        """Refuse averages of integers, and those that PyTorch's parameters cannot say."""
        spec = workload.spec
        if spec.kind is Kind.AVG and not workload.dtype.is_float:
            return refused(f"The strided kernel averages floating types only, not {workload.dtype}.")
        if spec.kind is Kind.AVG and max(spec.dilation) > 1:
            return refused("The averages of poolbench.strided.torch have no dilation, as PyTorch's have none.")
        return SUPPORTED

    def load(self, threads: int) -> None:
        """Import torch and the operators."""
        common.load(threads)
        import poolbench.strided.torch  # noqa: F401

    def scope(self) -> AbstractContextManager[None]:
        """Import torch and leave its settings alone."""
        return common.scope()

    def facts(self) -> Mapping[str, str]:
        """Add poolbench's own, and whether the way is the accelerated one."""
        from importlib.metadata import version

        from poolbench.strided import _pool
        from poolbench.strided import torch as operators

        way = "operators" if operators._fast is None else "accelerated"
        return {**common.facts(), "poolbench": version("poolbench"), "isa": _pool.isa(), "way": way}

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Prepare the call on a tensor in the order that the kernel likes best, or on the caller's array as it lies."""
        from poolbench.strided import _pool

        natural, best = default_order(workload.spec.rank), preferred_order(workload, _pool.isa())
        pool = self.pooling(workload)
        given = source.layout is LayoutPolicy.GIVEN or not workload.view.is_contiguous
        if workload.pass_.is_training:
            if given:
                return training_given(workload, source, pool, None, workload.order)
            return training_best(workload, source, pool, best)
        if given:
            compute = common.given_call(workload, source.array, pool)
            return self._call(workload, source, compute, layout=workload.order, output_order=workload.order)
        tensor = common.as_tensor(contiguous(source.array, workload.order, best)).permute(reference_axes(best, natural))
        return self._call(workload, source, lambda: pool(tensor), layout=best, output_order=natural)

    def pooling(self, workload: Workload) -> common.Pool:
        """Return the timed function of a tensor (N, C, *spatial)."""
        from poolbench.strided import torch as operators

        return torch_pooling.pooling(workload, operators)

    def indices(self, workload: Workload) -> common.Pool | None:
        """Return the function that gives the indices, where there is one."""
        from poolbench.strided import torch as operators

        return torch_pooling.with_indices(workload, operators)
