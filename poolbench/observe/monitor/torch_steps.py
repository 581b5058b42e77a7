"""A PyTorch module, watched by two hooks on itself; a function of tensors, watched where it is called."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from poolbench.model.workload import Pass
from poolbench.observe.monitor.core_time import CoreTime
from poolbench.observe.monitor.torch_timing import StepTimer, Timed, is_running
from poolbench.observe.monitor.watch import Call, Watch
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
                self._model.register_forward_pre_hook(_Hook(self.before)),
                self._model.register_forward_hook(_Hook(self.behind), always_call=True),
            ]

    def detach(self) -> None:
        """Take the hooks away; a step that is running in another thread ends its own timing."""
        while self._handles:
            self._handles.pop().remove()

    def before(self, module: Any, *_: Any) -> None:
        """A step begins in this thread."""
        number = self._watch.begin()
        left = getattr(self._local, "step", None)
        if left is not None:
            if is_running(module):  # the model calls itself: what is inside belongs to the step outside
                self._local.depth += 1
                return
            self._end_quietly()  # an interruption left the step before without its end
        if number is None:
            return
        self._local.depth = 0
        self._start(number)

    def behind(self, module: Any, *_: Any) -> None:
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
            timer = None if self._is_whole else StepTimer(self._core)
            open_step = self._watch.open(number, self._core)
            if timer is not None:
                timer.enter()
            self._local.step = (open_step, timer)
        except Exception as error:
            self._local.step = None
            self._watch.fail(f"it could not begin to watch step {number}", error)

    def _finish(self) -> None:
        open_step, timer = self._local.step
        self._local.step = None
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
        _, timer = self._local.step
        self._local.step = None
        if timer is not None:
            try:
                timer.leave()
            except Exception as error:
                self._watch.fail("it could not end a step that was interrupted", error)

    def _call(self, timed: Timed) -> Call:
        found = seen(timed.request, timed.given, _Where(self._path(timed.module), self._watch.model))  # type: ignore[arg-type]
        return Call(
            seen=found,
            pass_=Pass.TRAINING_FORWARD if timed.keeps_for_gradient else Pass.FORWARD,
            elapsed_ns=timed.elapsed_ns,
            cpu_ns=timed.cpu_ns,
            waited_ns=timed.waited_ns,
        )

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
    """A hook that a copy of its module does not take along, whether made by ``copy`` or by ``pickle``."""

    def __init__(self, function: Callable[..., None] | None = None) -> None:
        self._function = function

    def __call__(self, module: Any, *rest: Any) -> None:
        import torch

        if self._function is not None and not torch.compiler.is_compiling():
            self._function(module, *rest)

    def __deepcopy__(self, memo: Any) -> _Hook:
        return _Hook()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Hook, ()


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
