"""TensorFlow called eagerly."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from poolbench.backends import tensorflow_common as common
from poolbench.backends.base import Call, Prepared, Source, Support
from poolbench.backends.indexed import IndexedCall
from poolbench.backends.tensorflow_training import Recorded, prepared_training
from poolbench.model.method import LayoutPolicy
from poolbench.model.workload import Workload, channels_last_order


class Eager:
    """``tf.nn`` on eager tensors in the channels-last layout, the only one that its CPU kernels have."""

    name = "tensorflow"
    framework = "tensorflow"

    def supports(self, workload: Workload) -> Support:
        """Say whether TensorFlow can express ``workload``."""
        return common.supports(workload)

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return what must be set before tensorflow is imported."""
        return common.environment(threads)

    def load(self, threads: int) -> None:
        """Import tensorflow and set its thread counts."""
        common.load(threads)

    def scope(self) -> AbstractContextManager[None]:
        """Import tensorflow and leave its settings alone."""
        return common.scope()

    def facts(self) -> Mapping[str, str]:
        """Return the release and its flags."""
        return common.facts()

    def stop_recycling(self) -> None:
        """Have each tensor allocated and freed by itself."""
        common.stop_recycling()

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Make the tensor here under BEST; under GIVEN the timed call makes it, and transposes it there and back."""
        import tensorflow as tf

        if workload.pass_.is_training:
            return self._prepare_training(workload, source)
        native = channels_last_order(workload.spec.rank)
        if source.layout is LayoutPolicy.GIVEN:
            pool, array, order = self.callable(workload, workload.order), source.array, workload.order
            return self._call(workload, source, lambda: pool(tf.convert_to_tensor(array)), order)
        pool, tensor = self.callable(workload, native), common.as_tensor(source.array, workload.order)
        return self._call(workload, source, lambda: pool(tensor), native)

    def callable(self, workload: Workload, order: str) -> common.Pool:
        """Return the timed function of a tensor whose axes are in ``order``."""
        return common.reordered(common.pooling(workload), order)

    def recorded(self, workload: Workload, order: str, take: common.Pool) -> Recorded:
        """Return the timed function of tensors in ``order`` under a tape; ``take`` takes the view of the gradient."""
        return Recorded(self.callable(workload, order), take)

    def _prepare_training(self, workload: Workload, source: Source) -> Prepared:
        """Make the tensors here under BEST, in the timed call under GIVEN."""
        native = channels_last_order(workload.spec.rank)
        given = source.layout is LayoutPolicy.GIVEN
        order = workload.order if given else native
        return prepared_training(workload, source, order, lambda take: self.recorded(workload, order, take))

    def _call(self, workload: Workload, source: Source, compute: Any, order: str) -> Prepared:
        layout = channels_last_order(workload.spec.rank)
        locate = common.with_indices(workload)
        if locate is None:
            return Call(layout, compute, lambda result: common.to_array(result, order))
        return IndexedCall(
            layout,
            compute,
            lambda result: common.to_array(result, order),
            lambda: common.indices_array(locate(common.as_tensor(source.array, workload.order))),
        )
