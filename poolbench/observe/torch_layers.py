"""The paths of a PyTorch model's layers, while they run."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

_TRANSPARENT = ("OptimizedModule", "DataParallel", "DistributedDataParallel")
"""Modules around a model that are not part of it."""


class Layers:
    """Knows which module is running. ``model`` is the outermost one's class, ``path`` leads from it to the innermost.

    A module that runs again while none is running, as one that recomputes its activations in the backward pass does,
    has the path by which it was seen first.
    """

    def __init__(self) -> None:
        self._stack: list[tuple[Any, str, str]] = []
        self._known: WeakKeyDictionary[Any, tuple[str, str]] = WeakKeyDictionary()
        self._names: WeakKeyDictionary[Any, dict[int, str]] = WeakKeyDictionary()
        self._handles: list[Any] = []

    @property
    def model(self) -> str:
        """The class of the outermost module that is running, "" where none is."""
        return self._stack[-1][1] if self._stack else ""

    @property
    def path(self) -> str:
        """The path of the innermost module that is running, "" for the outermost one."""
        return self._stack[-1][2] if self._stack else ""

    @property
    def module(self) -> Any:
        """The innermost module that is running, None where none is."""
        return self._stack[-1][0] if self._stack else None

    def start(self) -> None:
        """Follow all modules of this process from now on."""
        from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

        self._handles = [
            register_module_forward_pre_hook(lambda module, _: self._enter(module)),
            register_module_forward_hook(lambda module, *_: self._leave(module), always_call=True),
        ]

    def stop(self) -> None:
        """Follow them no longer."""
        while self._handles:
            self._handles.pop().remove()

    def _enter(self, module: Any) -> None:
        if type(module).__name__ in _TRANSPARENT:
            return
        if not self._stack:
            model, path = self._known.get(module, (type(module).__name__, ""))
        else:
            parent, model, above = self._stack[-1]
            name = self._names_below(parent).get(id(module), type(module).__name__)
            path = f"{above}.{name}" if above else name
        self._known.setdefault(module, (model, path))
        self._stack.append((module, model, path))

    def _leave(self, module: Any) -> None:
        # A module whose call ends by an exception ends those inside of it too.
        if any(running is module for running, _, _ in self._stack):
            while self._stack.pop()[0] is not module:
                pass

    def _names_below(self, module: Any) -> dict[int, str]:
        if module not in self._names:
            self._names[module] = {id(child): name for name, child in module.named_modules() if name}
        return self._names[module]
