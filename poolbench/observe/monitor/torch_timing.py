"""Times the pooling calls of one sampled step of PyTorch's, in the thread that makes them.

The function mode is that of ``poolbench.capture``: it sees what is asked for, modules and functions alike. It is on in
sampled steps alone. Which module is running is found on the Python stack at each pooling call: hooks on all modules
would be those of all threads, and would have to come and go while others run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple

from poolbench.model.pooling import Ints
from poolbench.observe.arguments import Asked, asked, input_of, may_pool
from poolbench.observe.monitor.core_time import CoreTime
from poolbench.observe.torch_sequences import SpatialTensors
from poolbench.observe.torch_tensors import Facts, facts_of, is_plain

_CALL = "_call_impl"
"""The function of ``torch.nn.Module`` in whose frame ``self`` is the module that is running."""

_NUMBERS = (int, bool, type(None))

MOST_REQUESTS = 1000
"""A model whose sizes always change is not to fill the memory."""


class Timed(NamedTuple):
    """One pooling call, as it was timed; ``module`` is the identity of the innermost module that ran."""

    request: Asked
    given: Facts
    module: int
    keeps_for_gradient: bool
    elapsed_ns: int
    cpu_ns: int
    waited_ns: int | None


class Requests:
    """What was asked for before, of all steps of a model: to work it out takes longer than to time it."""

    def __init__(self) -> None:
        self._known: dict[object, Asked | None] = {}

    def asked(self, name: str, shape: Ints, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
        """Return what ``poolbench.observe.arguments.asked`` does."""
        others = (*args[1:], *kwargs.values())
        if not args or not all(_is_simple(value) for value in others):
            return asked(name, shape, args, kwargs)
        key = (name, shape, len(args), tuple(kwargs), others)
        if key not in self._known:
            if len(self._known) >= MOST_REQUESTS:
                self._known.clear()
            self._known[key] = asked(name, shape, args, kwargs)
        return self._known[key]


def _is_simple(value: object) -> bool:
    """Whether ``value`` has numbers alone, and so stands for itself."""
    return (
        value is None or type(value) in _NUMBERS or (type(value) is tuple and all(type(n) in _NUMBERS for n in value))
    )


class StepTimer:
    """Collects the timed calls of one step. ``enter`` and ``leave`` are called in the same thread.

    ``problem`` is the exception that the timer itself met: the step goes on without it.
    """

    def __init__(self, core: CoreTime, requests: Requests | None = None) -> None:
        self.calls: list[Timed] = []
        self.skipped_devices: set[str] = set()
        self.problem: Exception | None = None
        self._core = core
        self._requests = requests or Requests()
        self._spatial = SpatialTensors()
        self._mode: Any = None

    def enter(self) -> None:
        """Begin to watch."""
        mode = _mode(self)
        mode.__enter__()
        self._mode = mode

    def leave(self) -> None:
        """Watch no longer."""
        mode, self._mode = self._mode, None
        if mode is not None:
            mode.__exit__(None, None, None)
        self._spatial.clear()

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Carry out what the function mode intercepted; only the user's function may raise."""
        request = given = None
        name = getattr(function, "__name__", "")
        if self.problem is None:
            try:
                given = input_of(args, kwargs)
                request = self._asked(name, given, args, kwargs)
            except Exception as error:  # whatever it is, it is not the user's
                self.problem = error
        if request is None:
            output = function(*args, **kwargs)
            self._follow(name, args, output)
            return output
        read = self._core.read
        cpu, waited = read()
        begin = time.perf_counter_ns()
        output = function(*args, **kwargs)
        elapsed = time.perf_counter_ns() - begin
        cpu_after, waited_after = read()
        self._follow(request.function, args, output)
        try:
            self._note(request, given, elapsed, cpu_after - cpu, waited, waited_after)
        except Exception as error:
            self.problem = error
        return output

    def _note(
        self, request: Asked, given: Any, elapsed: int, cpu: int, waited: int | None, waited_after: int | None
    ) -> None:
        import torch

        if given.device.type != "cpu":  # it goes on after the call has returned
            self.skipped_devices.add(str(given.device))
            return
        self.calls.append(
            Timed(
                request=request,
                given=facts_of(given),
                module=_running_module(),
                keeps_for_gradient=bool(torch.is_grad_enabled() and given.requires_grad),
                elapsed_ns=elapsed,
                cpu_ns=cpu,
                waited_ns=None if waited is None or waited_after is None else waited_after - waited,
            )
        )

    def _asked(self, name: str, given: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
        if not may_pool(name) or not is_plain(given):
            return None
        request = self._requests.asked(name, tuple(given.shape), args, kwargs)
        if request is not None and request.is_reduction and request.rank == 1 and not self._spatial.has(given):
            return None
        return request

    def _follow(self, name: str, args: Sequence[Any], output: Any) -> None:
        if self.problem is None:
            try:
                self._spatial.follow(name, args, output)
            except Exception as error:
                self.problem = error


def _running_module() -> int:
    """Return the identity of the innermost module on this thread's stack, 0 where none is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == _CALL:
            return id(frame.f_locals.get("self"))
        frame = frame.f_back
    return 0


def is_running(module: Any) -> bool:
    """Whether a call of ``module`` is on this thread's stack, below the caller's caller."""
    frame: FrameType | None = sys._getframe(2)
    seen = 0
    while frame is not None:
        if frame.f_code.co_name == _CALL and frame.f_locals.get("self") is module:
            seen += 1
        frame = frame.f_back
    return seen > 1


_MODE_CLASS: list[Any] = []
"""The class of the mode, once PyTorch is there to make it from."""


def _mode(timer: StepTimer) -> Any:
    if not _MODE_CLASS:
        from torch.overrides import TorchFunctionMode

        class Timing(TorchFunctionMode):  # type: ignore[misc]
            """What Python calls."""

            def __init__(self, timer: StepTimer) -> None:
                super().__init__()
                self._timer = timer

            def __torch_function__(
                self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
            ) -> Any:
                return self._timer.call(func, args, kwargs or {})

        _MODE_CLASS.append(Timing)
    return _MODE_CLASS[0](timer)
