"""PyTorch called eagerly, on its default layout and on channels-last memory."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from poolbench.backends import torch_common as common
from poolbench.backends import torch_pooling
from poolbench.backends.base import Call, Prepared, Source, Support, refused
from poolbench.backends.geometry import contiguous, reference_axes
from poolbench.backends.indexed import IndexedCall
from poolbench.backends.torch_training import training_best, training_given
from poolbench.model.method import LayoutPolicy
from poolbench.model.workload import Workload, channels_last_order, default_order

if TYPE_CHECKING:
    from collections.abc import Callable


class Eager:
    """``torch.nn.functional`` on contiguous tensors with the channels before the spatial axes."""

    name = "torch"
    framework = "torch"

    def supports(self, workload: Workload) -> Support:
        """Say whether PyTorch can express ``workload``."""
        return torch_pooling.supports(workload)

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return what must be set before torch is imported."""
        return common.environment(threads)

    def load(self, threads: int) -> None:
        """Import torch and set its thread count."""
        common.load(threads)

    def scope(self) -> AbstractContextManager[None]:
        """Import torch and leave its settings alone."""
        return common.scope()

    def facts(self) -> Mapping[str, str]:
        """Return the release and its flags."""
        return common.facts()

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Prepare the call; under GIVEN it runs on the caller's array as it lies."""
        if workload.pass_.is_training:
            return self._prepare_training(workload, source, default_order(workload.spec.rank))
        pool = self.pooling(workload)
        natural = default_order(workload.spec.rank)
        if source.layout is LayoutPolicy.GIVEN:
            # Where the kernel for channels-last memory refuses, a user would make the tensor contiguous.
            convert = None if torch_pooling.has_channels_last_kernel(workload) else lambda x: x.contiguous()
            compute = common.given_call(workload, source.array, pool, convert)
            return self._call(workload, source, compute, layout=workload.order, output_order=workload.order)
        tensor = common.as_tensor(contiguous(source.array, workload.order, natural))
        return self._call(workload, source, lambda: pool(tensor), layout=natural, output_order=natural)

    def pooling(self, workload: Workload) -> common.Pool:
        """Return the timed function of a tensor (N, C, *spatial)."""
        return torch_pooling.pooling(workload)

    def indices(self, workload: Workload) -> common.Pool | None:
        """Return the function that gives the indices of such a tensor, within a plane, where there is one."""
        return torch_pooling.with_indices(workload)

    def _prepare_training(self, workload: Workload, source: Source, layout: str) -> Prepared:
        """Prepare a training pass that computes on memory in the order ``layout``."""
        pool = self.pooling(workload)
        if source.layout is LayoutPolicy.GIVEN:
            return training_given(workload, source, pool, self._converted(workload), layout)
        return training_best(workload, source, pool, layout)

    def _converted(self, workload: Workload) -> common.Pool | None:
        """Return the conversion that is part of the timed call under GIVEN, where there is one."""
        return None

    def _call(
        self, workload: Workload, source: Source, compute: Callable[[], Any], *, layout: str, output_order: str
    ) -> Prepared:
        """Wrap ``compute``, whose result has its axes in ``output_order``."""

        def fetch(result: Any) -> Any:
            return common.to_array(result, output_order)

        pool = self.indices(workload)
        if pool is None:
            return Call(layout, compute, fetch)

        def locate() -> Any:
            natural = default_order(workload.spec.rank)
            return common.indices_array(pool(common.as_tensor(contiguous(source.array, workload.order, natural))))

        return IndexedCall(layout, compute, fetch, locate)


class ChannelsLast(Eager):
    """``torch.nn.functional`` on tensors in channels-last memory."""

    name = "torch:channels_last"

    def supports(self, workload: Workload) -> Support:
        """Say whether PyTorch can express ``workload`` in channels-last memory."""
        if workload.spec.rank == 1:
            return refused("PyTorch has channels-last memory for two and three spatial axes only.")
        support = torch_pooling.supports(workload)
        if support.ok and not torch_pooling.has_channels_last_kernel(workload):
            return refused(
                f"PyTorch's channels-last max pooling of {workload.dtype} takes planes of fewer than "
                f"{1 << (8 * workload.dtype.itemsize - 1)} elements."
            )
        return support

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Convert to channels-last memory here under BEST, and in the timed call under GIVEN."""
        import torch

        rank = workload.spec.rank
        natural, layout = default_order(rank), channels_last_order(rank)
        if workload.pass_.is_training:
            return self._prepare_training(workload, source, layout)
        pool = self.pooling(workload)
        if source.layout is LayoutPolicy.GIVEN:
            compute = common.given_call(workload, source.array, pool, self._converted(workload))
            return self._call(workload, source, compute, layout=layout, output_order=workload.order)
        with torch.inference_mode():
            tensor = common.as_tensor(contiguous(source.array, workload.order, layout))
            tensor = tensor.permute(reference_axes(layout, natural))
        return self._call(workload, source, lambda: pool(tensor), layout=layout, output_order=natural)

    def _converted(self, workload: Workload) -> common.Pool:
        memory = _memory_format(workload)
        return lambda x: x.contiguous(memory_format=memory)


def _memory_format(workload: Workload) -> Any:
    import torch

    return torch.channels_last if workload.spec.rank == 2 else torch.channels_last_3d
