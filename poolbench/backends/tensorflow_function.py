"""TensorFlow through ``tf.function``: traced into a graph, or compiled by XLA."""

from __future__ import annotations

from collections.abc import Mapping

from poolbench.backends import tensorflow_common as common
from poolbench.backends.base import Prepared, Source, Support
from poolbench.backends.tensorflow_eager import Eager
from poolbench.backends.tensorflow_training import RecordedInOne
from poolbench.model.workload import Workload


class Graph(Eager):
    """The eager call, transposes included, in one ``tf.function``."""

    name = "tensorflow:graph"
    xla = False

    def facts(self) -> Mapping[str, str]:
        """Add how the function is made."""
        return {**common.facts(), "function": "jit_compile" if self.xla else "graph"}

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Prepare as the eager backend does, and run once, which traces and compiles."""
        prepared = super().prepare(workload, source)
        prepared.run()
        return prepared

    def callable(self, workload: Workload, order: str) -> common.Pool:
        """Return the function that TensorFlow traces, and with ``jit_compile`` must compile or fail."""
        import tensorflow as tf

        pool = common.reordered(common.pooling(workload, xla=self.xla), order)
        function: common.Pool = tf.function(pool, jit_compile=self.xla, autograph=False)
        return function

    def recorded(self, workload: Workload, order: str, take: common.Pool) -> RecordedInOne:
        """Return the whole step in one function, and its parts as TensorFlow splits the forward function."""
        pool = common.reordered(common.pooling(workload, xla=self.xla), order)
        return RecordedInOne(pool, take, xla=self.xla)


class Xla(Graph):
    """The same function compiled by XLA for its one shape."""

    name = "tensorflow:xla"
    xla = True

    def supports(self, workload: Workload) -> Support:
        """Say whether XLA can compile ``workload``."""
        return common.supports(workload, xla=True)
