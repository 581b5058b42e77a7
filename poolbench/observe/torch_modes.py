"""The two modes through which PyTorch's calls are seen. Classes of PyTorch's are made when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poolbench.observe.torch_watch import TorchWatch


def modes(watch: TorchWatch) -> tuple[AbstractContextManager[Any], ...]:
    """Return the contexts that hand every function and every operator of this thread to ``watch``."""
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    class Functions(TorchFunctionMode):  # type: ignore[misc]
        """What Python calls."""

        def __torch_function__(
            self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            return watch.call(func, args, kwargs or {})

    class Operators(TorchDispatchMode):  # type: ignore[misc]
        """What reaches the dispatcher."""

        supports_higher_order_operators = True

        def __torch_dispatch__(
            self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            return watch.operate(func, args, kwargs or {})

    functions = Functions()
    return Operators(), functions, _in_backward(functions)


@contextmanager
def _in_backward(functions: AbstractContextManager[Any]) -> Iterator[None]:
    """Let ``functions`` see what Python calls while autograd goes backward, as recomputed activations do.

    A function mode is off inside of the function that it handles, and ``backward`` is one. There is no public place to
    switch it on again; where PyTorch has no longer the one that is used here, what is recomputed is seen by the
    dispatcher alone.
    """
    import torch

    original = getattr(torch.autograd, "_engine_run_backward", None)
    if original is None:
        yield
        return

    def run(*args: Any, **kwargs: Any) -> Any:
        with functions:
            return original(*args, **kwargs)

    torch.autograd._engine_run_backward = run
    try:
        yield
    finally:
        torch.autograd._engine_run_backward = original
