"""A PyTorch module, watched by two hooks on itself; a function of tensors, watched where it is called."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from poolbench.model.workload import Pass
from poolbench.observe.arguments import Asked
from poolbench.observe.monitor.core_time import CoreTime
from poolbench.observe.monitor.torch_timing import MOST_REQUESTS, Requests, StepTimer, Timed, is_running
from poolbench.observe.monitor.watch import Call, OpenStep, Watch
from poolbench.observe.sighting import Seen
from poolbench.observe.torch_tensors import seen


class TorchSteps:
    """Times the pooling calls of the sampled steps of ``model``, which a Watch draws and counts.

    A module that is compiled or scripted, or has such parts, is timed as a whole: a function mode does not see into the
    one, and would have the other compiled anew.
    """

    def __init__(self, model: Any, watch: Watch) -> None:
        self._model = model
        self._watch = watch
        self._core = CoreTime()
        self._local = threading.local()
        self._open: set[int] = set()
        """The threads that may be in a sampled step: while there are none, hooks have nothing to look up."""
        self._requests = Requests()
        self._sightings: dict[object, tuple[Asked, Seen]] = {}
        self._names: dict[int, str] = {}
        self._handles: list[Any] = []
        self._is_whole = False

    def attach(self) -> None:
        """Put the hooks on a module; a function needs none."""
        import torch

        self._is_whole, opaque = _opaque(self._model)
        if opaque:
            self._watch.remark(
                f"{opaque}: the pooling inside of it cannot be told apart, so that the model is timed as a whole."
            )
        if isinstance(self._model, torch.jit.ScriptModule):
            self._watch.remark("A scripted model takes no hooks: call it through the monitor, or nothing is seen.")
        elif isinstance(self._model, torch.nn.Module):
            self._names = _names(self._model)
            self._handles = [
                self._model.register_forward_pre_hook(_Before(self, self._watch, self._open)),
                self._model.register_forward_hook(_Behind(self, self._open), always_call=True),
            ]

    def detach(self) -> None:
        """Take the hooks away; a step that is running in another thread ends its own timing."""
        while self._handles:
            self._handles.pop().remove()

    def before(self, module: Any, number: int | None) -> None:
        """A step begins in this thread, which is sampled where it has a number."""
        left = getattr(self._local, "step", None)
        if left is not None:
            if is_running(module):  # the model calls itself: what is inside belongs to the step outside
                self._local.depth += 1
                return
            self._end_quietly()  # an interruption left the step before without its end
        if number is None or is_compiling():
            return
        self._local.depth = 0
        self._start(number)

    def behind(self) -> None:
        """A step ends in this thread, by an exception or not."""
        if getattr(self._local, "step", None) is None:
            return
        if self._local.depth:
            self._local.depth -= 1
            return
        self._finish()

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a function as one step; a module with hooks is one by itself."""
        if self._handles:
            return function(*args, **kwargs)
        number = self._watch.begin()
        if number is None or getattr(self._local, "step", None) is not None:
            return function(*args, **kwargs)
        self._start(number)
        try:
            return function(*args, **kwargs)
        finally:
            self._finish()

    def _start(self, number: int) -> None:
        try:
            timer = None if self._is_whole else StepTimer(self._core, self._requests)
            open_step = self._watch.open(number, self._core)
            if timer is not None:
                timer.enter()
            self._local.step = (open_step, timer)
            self._open.add(threading.get_ident())
        except Exception as error:
            self._local.step = None
            self._watch.fail(f"it could not begin to watch step {number}", error)

    def _finish(self) -> None:
        open_step, timer = self._taken()
        try:
            if timer is None:
                self._watch.close(open_step, [])
                return
            open_step.end()
            timer.leave()
            if timer.problem is not None:
                raise timer.problem
            for device in timer.skipped_devices:
                self._watch.remark(f"Pooling on {device} ends after its call has returned, so that it is not timed.")
            self._watch.close(open_step, [self._call(timed) for timed in timer.calls])
        except Exception as error:
            self._watch.fail("it could not make out what it had timed", error)

    def _end_quietly(self) -> None:
        _, timer = self._taken()
        if timer is not None:
            try:
                timer.leave()
            except Exception as error:
                self._watch.fail("it could not end a step that was interrupted", error)

    def _taken(self) -> tuple[OpenStep, StepTimer | None]:
        """Return this thread's step, which is open no longer."""
        step: tuple[OpenStep, StepTimer | None] = self._local.step
        self._local.step = None
        self._open.discard(threading.get_ident())
        return step

    def _call(self, timed: Timed) -> Call:
        return Call(
            seen=self._seen(timed, self._path(timed.module)),
            pass_=Pass.TRAINING_FORWARD if timed.keeps_for_gradient else Pass.FORWARD,
            elapsed_ns=timed.elapsed_ns,
            cpu_ns=timed.cpu_ns,
            waited_ns=timed.waited_ns,
        )

    def _seen(self, timed: Timed, path: str) -> Seen:
        import torch

        key = (id(timed.request), timed.given, path, torch.get_num_threads())
        if key not in self._sightings:
            if len(self._sightings) >= MOST_REQUESTS:
                self._sightings.clear()
            found = seen(timed.request, timed.given, _Where(path, self._watch.model))  # type: ignore[arg-type]
            self._sightings[key] = (timed.request, found)  # with the request, whose identity is then no other's
        return self._sightings[key][1]

    def _path(self, module: int) -> str:
        if module and module not in self._names and hasattr(self._model, "named_modules"):
            self._names = _names(self._model)  # the model was changed while it is watched
            self._names.setdefault(module, "")
        return self._names.get(module, "")


class _Where:
    """A layer's place, as ``poolbench.observe.torch_layers.Layers`` tells it."""

    def __init__(self, path: str, model: str) -> None:
        self.path, self.model = path, model


class _Hook:
    """A hook that a copy of its module does not take along, whether made by ``copy`` or by ``pickle``.

    It runs in every step, behind calls that have emptied the caches, where each further function called takes as long
    as several do in a tight loop. So nothing is looked up in a step that is not sampled.
    """

    def __init__(self, steps: TorchSteps | None = None, open_: set[int] | None = None) -> None:
        import torch

        self._steps, self._open = steps, open_
        self._is_traced = torch.compiler.is_dynamo_compiling
        """A compiled caller is to see no hook: this question is the one that its compiler answers by itself."""

    def __deepcopy__(self, memo: Any) -> _Hook:
        return type(self)()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


class _Before(_Hook):
    """The hook in front of a step."""

    def __init__(
        self, steps: TorchSteps | None = None, watch: Watch | None = None, open_: set[int] | None = None
    ) -> None:
        super().__init__(steps, open_)
        self._begin = None if watch is None else watch.begin

    def __call__(self, module: Any, args: Any) -> None:
        if self._is_traced() or self._begin is None:
            return
        number = self._begin()
        if (number is not None or self._open) and self._steps is not None:
            self._steps.before(module, number)


class _Behind(_Hook):
    """The hook behind it."""

    def __call__(self, module: Any, args: Any, output: Any) -> None:
        if not self._is_traced() and self._open and self._steps is not None:
            self._steps.behind()


def is_compiling() -> bool:
    """Whether the model runs for a compiler or an exporter, and not for its user."""
    import torch

    return bool(torch.compiler.is_compiling())


def _names(model: Any) -> dict[int, str]:
    return {id(module): name for name, module in model.named_modules()}


def _opaque(model: Any) -> tuple[bool, str]:
    """Return whether ``model`` has parts that a function mode must not or cannot look into, and which is the first."""
    import torch

    if not isinstance(model, torch.nn.Module):
        compiled = hasattr(model, "_torchdynamo_orig_callable") or isinstance(model, torch.jit.ScriptFunction)
        return compiled, f"{getattr(model, '__name__', 'The function')} is compiled" if compiled else ""
    for name, module in model.named_modules():
        where = f"'{name}'" if name else "The model"
        if isinstance(module, torch.jit.ScriptModule):
            return True, f"{where} is scripted"
        if type(module).__name__ == "OptimizedModule" or getattr(module, "_compiled_call_impl", None) is not None:
            return True, f"{where} is compiled"
    return False, ""
