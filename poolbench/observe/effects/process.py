"""Asking the process of ``poolbench.observe.effects.server``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from poolbench.model.method import Limits
from poolbench.observe.apart import DID_NOT_START, Apart, origin

SERVER = "poolbench.observe.effects.server"


@contextmanager
def apart(server: str, name: str, limits: Limits, *, threads: int = 1) -> Iterator[Apart]:
    """Start the process that is asked for by ``server``; ``name`` is what sentences call what runs there."""
    from poolbench.backends.torch_common import environment

    with (
        origin(
            name, limits, module=SERVER, environment=environment(threads), threads=threads, failed=DID_NOT_START
        ) as source,
        source.process(server) as process,
    ):
        yield process
