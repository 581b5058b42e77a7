"""A Keras layer or model: its pooling layers are timed where they compute at once, not where they are traced."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

from poolbench.observe.monitor.core_time import CoreTime
from poolbench.observe.monitor.watch import Call, OpenStep, Watch

_CALL = "call"


class KerasSteps:
    """Stands in for the ``call`` of a model and of its pooling layers while they are watched."""

    def __init__(self, model: Any, watch: Watch) -> None:
        self._model = model
        self._watch = watch
        self._core = CoreTime()
        self._local = threading.local()
        self._wrapped: list[Any] = []

    def attach(self) -> None:
        """Stand in for the model's ``call`` and for those of its pooling layers."""
        for path, layer in _layers(self._model):
            if layer is not self._model and "Pool" in type(layer).__name__:
                self._put(layer, self._timed(layer.call, path, layer))
        is_pooling = "Pool" in type(self._model).__name__
        inner = self._model.call
        self._put(self._model, self._step(self._timed(inner, "", self._model) if is_pooling else inner))

    def detach(self) -> None:
        """Give the calls back."""
        while self._wrapped:
            self._wrapped.pop().__dict__.pop(_CALL, None)

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the model, which is watched by itself."""
        return function(*args, **kwargs)

    def _put(self, layer: Any, function: Callable[..., Any]) -> None:
        layer.__dict__[_CALL] = function  # past Keras' own bookkeeping of attributes
        self._wrapped.append(layer)

    def _step(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._local, "calls", None) is not None:
                return inner(*args, **kwargs)
            if not _is_eager(args, kwargs):
                self._watch.remark(
                    "It runs in a graph, in which its layers cannot be timed: call it directly, compile it with "
                    "run_eagerly=True, or put poolbench.monitor(...).step() around what runs it."
                )
                return inner(*args, **kwargs)
            number = self._watch.begin()
            if number is None:
                return inner(*args, **kwargs)
            calls: list[Call] = []
            self._local.calls = calls
            step = self._watch.open(number, self._core)
            try:
                return inner(*args, **kwargs)
            finally:
                step.end()
                self._local.calls = None
                self._watch.close(step, calls)

        return call

    def _timed(self, inner: Callable[..., Any], path: str, layer: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls: list[Call] | None = getattr(self._local, "calls", None)
            if calls is None:
                return inner(*args, **kwargs)
            timed = OpenStep(0, self._core, 0)
            output = inner(*args, **kwargs)
            timed.end()
            try:
                calls.append(_call(timed, args, output, path, layer))
            except Exception as error:
                self._watch.fail(f"it could not make out a call of {path or 'the layer'}", error)
            return output

        return call


def _call(timed: OpenStep, args: Any, output: Any, path: str, layer: Any) -> Call:
    given = args[0]
    shape = tuple(int(size) for size in given.shape)
    dtype = str(layer.compute_dtype)
    size = int(given.dtype.size) if hasattr(given.dtype, "size") else int(given.dtype.itemsize)
    last = ["nwc", "nhwc", "ndhwc"][len(shape) - 3] if 3 <= len(shape) <= 5 else ""
    first = ["ncw", "nchw", "ncdhw"][len(shape) - 3] if 3 <= len(shape) <= 5 else ""
    return Call(
        elapsed_ns=timed.elapsed_ns,
        cpu_ns=timed.cpu_ns,
        waited_ns=timed.waited_ns,
        layer=path,
        function=type(layer).__name__,
        moved_bytes=(math.prod(shape) + math.prod(int(each) for each in output.shape)) * size,
        shape=shape,
        order=first if getattr(layer, "data_format", "") == "channels_first" else last,
        dtype=dtype,
    )


def _layers(model: Any) -> list[tuple[str, Any]]:
    """Return the layers below ``model`` with their paths, ``model`` itself with "" first."""
    found: list[tuple[str, Any]] = []
    seen: set[int] = set()

    def visit(layer: Any, path: str) -> None:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        found.append((path, layer))
        for inner in getattr(layer, "_layers", ()):
            visit(inner, f"{path}.{inner.name}" if path else str(inner.name))

    visit(model, "")
    return found


def _is_eager(args: Any, kwargs: Any) -> bool:
    """Whether the first array that is given holds values: what is traced has none."""
    for value in (*args, *kwargs.values()):
        first = value[0] if isinstance(value, list | tuple) and value else value
        if hasattr(first, "shape"):
            return hasattr(first, "numpy") or type(first).__module__.partition(".")[0] == "numpy"
    return True
