"""PyTorch through ``torch.compile``: each workload is compiled by Inductor when it is prepared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from poolbench.backends import torch_common as common
from poolbench.backends import torch_pooling
from poolbench.backends.base import Prepared, Source
from poolbench.backends.torch_eager import Eager
from poolbench.model.workload import Pass, Workload


class Compile(Eager):
    """The eager call compiled for its one shape. The first preparation of a process takes seconds."""

    name = "torch:compile"

    def load(self, threads: int) -> None:
        """Import the compiler as well, so that forked workers need not."""
        common.load(threads)
        import torch._dynamo
        import torch._inductor.compile_fx  # noqa: F401 - imported for its effect

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Compile in this process: a pool of compiling processes would stay behind."""
        with common.scope():
            import torch._inductor.config

            with torch._inductor.config.patch(compile_threads=1):
                yield

    def facts(self) -> Mapping[str, str]:
        """Add how it is compiled. ``fullgraph`` makes whatever cannot be compiled an error, never an eager call."""
        return {**common.facts(), "compile": "inductor, fullgraph, static shapes"}

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Prepare as the eager backend does, and run once, which compiles.

        A backward that is repeated on one forward must not donate what that kept; a whole step may.
        """
        import torch._functorch.config as autograd_config

        if workload.pass_.is_training and hasattr(autograd_config, "donated_buffer"):
            autograd_config.donated_buffer = workload.pass_ is Pass.TRAINING
        prepared = super().prepare(workload, source)
        prepared.run()
        return prepared

    def pooling(self, workload: Workload) -> common.Pool:
        """Return the compiled call."""
        import torch

        pool = torch_pooling.pooling(workload)

        def call(x: Any) -> Any:
            return pool(x)

        # Dynamo keeps what it compiled with the code object, tries every entry in turn and gives up after eight:
        # a code object of its own keeps each workload's call apart from the others'.
        own = FunctionType(call.__code__.replace(), call.__globals__, closure=call.__closure__)
        compiled: common.Pool = torch.compile(own, dynamic=False, fullgraph=True)
        return compiled
