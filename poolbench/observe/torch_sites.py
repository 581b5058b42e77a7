"""The places in a PyTorch model where it pools, each with the tensors that it really gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from poolbench.observe.arguments import Asked, asked, input_of
from poolbench.observe.torch_layers import Layers
from poolbench.observe.torch_sequences import SpatialTensors
from poolbench.observe.torch_tensors import is_plain

Key: TypeAlias = tuple[str, str]
"""A site: the layer's path, and the name of the function as PyTorch has it."""


@dataclass(slots=True)
class Call:
    """A pooling call that is about to be made, at ``key`` in ``module``; ``request`` is what it asks for."""

    key: Key
    module: Any
    request: Asked
    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What PyTorch calls the function."""
        return self.key[1]

    @property
    def input(self) -> Any:
        """The tensor that is pooled."""
        return input_of(self.args, self.kwargs)

    def run(self) -> Any:
        """Make the call as it is."""
        return self.function(*self.args, **self.kwargs)


@dataclass(slots=True)
class Visits:
    """Hands each pooling call of this thread to ``visit``, which makes it and returns what comes out.

    Functions are seen, and so are modules, which call them. Scripted modules are not: they call operators.
    """

    visit: Callable[[Call], Any]
    layers: Layers = field(default_factory=Layers)
    spatial: SpatialTensors = field(default_factory=SpatialTensors)

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Carry out a call that the function mode intercepted."""
        name = getattr(function, "__name__", "")
        given = input_of(args, kwargs)
        request = asked(name, tuple(given.shape), args, kwargs) if is_plain(given) else None
        if request is not None and request.is_reduction and request.rank == 1 and not self.spatial.has(given):
            request = None
        if request is None:
            output = function(*args, **kwargs)
        else:
            output = self.visit(Call((self.layers.path, name), self.layers.module, request, function, args, kwargs))
        self.spatial.follow(name, args, output)
        return output


@contextmanager
def visiting(visit: Callable[[Call], Any]) -> Iterator[None]:
    """Hand the pooling calls within to ``visit``."""
    visits = Visits(visit)
    visits.layers.start()
    try:
        with _mode(visits):
            yield
    finally:
        visits.layers.stop()
        visits.spatial.clear()


def _mode(visits: Visits) -> AbstractContextManager[Any]:
    from torch.overrides import TorchFunctionMode

    class Functions(TorchFunctionMode):  # type: ignore[misc]
        """What Python calls."""

        def __torch_function__(
            self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            return visits.call(func, args, kwargs or {})

    return Functions()
