"""What a pooling call of PyTorch's can be switched to, conversions at its borders included."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import CodeType
from typing import Any

from poolbench.model.advice import Change
from poolbench.observe.torch_sites import Call, Key

_DTYPES = {Change.BF16: "bfloat16", Change.F16: "float16"}
_LAST = {4: "channels_last", 5: "channels_last_3d"}
"""What PyTorch calls the memory format, by the number of axes."""


def changed(change: Change, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what stands for ``function``, which PyTorch calls ``name``; a tensor comes first, in and out.

    What comes out lies as it would without the change, and has the type that it would have.
    """
    import torch

    if change is Change.STRIDED:
        from poolbench.strided.torch_modules import library_function

        found = library_function(name)
        assert found is not None  # ``refusal`` was asked
        return found
    if change is Change.COMPILE:
        return _compiled(function)

    def in_channels_last(input: Any, *args: Any, **kwargs: Any) -> Any:
        there = input.contiguous(memory_format=getattr(torch, _LAST[input.dim()]))
        return _each(function(there, *args, **kwargs), lambda out: out.contiguous())

    def in_channels_first(input: Any, *args: Any, **kwargs: Any) -> Any:
        order = getattr(torch, _LAST[input.dim()])
        return _each(function(input.contiguous(), *args, **kwargs), lambda out: out.contiguous(memory_format=order))

    def in_dtype(input: Any, *args: Any, **kwargs: Any) -> Any:
        def back(out: Any) -> Any:
            return out.to(input.dtype) if out.is_floating_point() else out

        return _each(function(input.to(getattr(torch, _DTYPES[change])), *args, **kwargs), back)

    return {Change.CHANNELS_LAST: in_channels_last, Change.CHANNELS_FIRST: in_channels_first}.get(change, in_dtype)


def refusal(change: Change, call: Call) -> str:
    """Return why ``change`` does not apply to a call, "" where it does."""
    import torch

    if call.request.is_reduction:
        return "A mean or maximum over axes is no pooling function, which could be switched."
    given = call.input
    if change in (Change.CHANNELS_LAST, Change.CHANNELS_FIRST):
        if given.dim() not in _LAST:
            return "PyTorch has memory formats for images and volumes in batches alone."
        is_last = not given.is_contiguous() and given.is_contiguous(memory_format=getattr(torch, _LAST[given.dim()]))
        if is_last is (change is Change.CHANNELS_LAST):
            return "Its input lies so already."
        return ""
    if change in _DTYPES:
        dtype = getattr(torch, _DTYPES[change])
        smaller = given.is_floating_point() and given.element_size() > dtype.itemsize
        return "" if smaller else f"Its input is {str(given.dtype).removeprefix('torch.')} already."
    if change is Change.STRIDED:
        from poolbench.strided.torch_modules import is_served, library_function

        if library_function(call.name) is None:
            return "No operator of poolbench.strided.torch computes it."
        return "" if is_served(call.name, given) else "The operators do not take its input."
    return ""


class Changes:
    """Changes of a whole model, each at a site, which can be put in and taken out again and again.

    PyTorch's pooling modules get the class that ``replace_pooling`` gives them, where they are to have this library's
    operators. A function is switched as a user would do it, where it is written: in the code that ``callers`` has for
    each site of the model, whoever runs it. Where all sites that call a function are to have this library's, its name
    leads there, as after a user's edit. Elsewhere it leads to what looks who calls: PyTorch's own functions call one
    another by these names. That is for a process of one's own.
    """

    def __init__(self, model: Any, changes: Sequence[tuple[Key, Change]], callers: Mapping[Key, CodeType]) -> None:
        edits: dict[str, dict[CodeType, Change]] = {}
        self._switches: list[tuple[Callable[[], None], Callable[[], None]]] = []
        for (layer, name), change in changes:
            module = pooling_module(model, layer)
            if module is None:
                edits.setdefault(_base(name), {})[callers[(layer, name)]] = change
            else:
                self._switches.append(_module_switch(module, name, change))
        wanted = dict(changes)
        for base, codes in edits.items():
            is_everywhere = all(wanted.get(key) is Change.STRIDED for key in callers if _base(key[1]) == base)
            self._switches += _function_switches(base, codes, is_everywhere=is_everywhere)

    def put_in(self) -> None:
        """Change the model."""
        for on, _ in self._switches:
            on()

    def take_out(self) -> None:
        """Make the model what it was."""
        for _, off in self._switches:
            off()


def pooling_module(model: Any, layer: str) -> Any:
    """Return the module at ``layer`` where it is one of PyTorch's for pooling, None elsewhere."""
    import torch

    from poolbench.strided.torch_modules import MODULES

    if not isinstance(model, torch.nn.Module):
        return None
    try:
        module = model.get_submodule(layer)
    except AttributeError:
        return None
    return module if type(module) in MODULES else None


def calling_code() -> CodeType:
    """Return the code of the user's that is calling a function of PyTorch's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("torch.", "poolbench.")):
        frame = frame.f_back
    return frame.f_code


def _module_switch(module: Any, name: str, change: Change) -> tuple[Callable[[], None], Callable[[], None]]:
    from poolbench.strided.torch_modules import MODULES

    before = type(module)
    if change is Change.STRIDED:
        return partial(setattr, module, "__class__", MODULES[before]), partial(setattr, module, "__class__", before)
    forward = changed(change, name, before.forward.__get__(module))
    return partial(module.__dict__.__setitem__, "forward", forward), partial(module.__dict__.pop, "forward", None)


def _base(name: str) -> str:
    """Return the name that a user calls the function by: PyTorch calls maxima with indices by one of their own."""
    return name.removesuffix("_with_indices")


def _function_switches(
    base: str, codes: Mapping[CodeType, Change], *, is_everywhere: bool
) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Yield a switch for each name that stands for PyTorch's function ``base``, to what ``codes`` want of it.

    ``is_everywhere`` says that they are all which call it, and that all want this library's.
    """
    import torch
    from torch.nn import functional

    originals = {id(found): found for space in (functional, torch) if (found := getattr(space, base, None)) is not None}
    for original in originals.values():
        standing = {code: changed(change, base, original) for code, change in codes.items()}

        def choose(*args: Any, _original: Any = original, _standing: Any = standing, **kwargs: Any) -> Any:
            return _standing.get(sys._getframe(1).f_code, _original)(*args, **kwargs)

        instead = next(iter(standing.values())) if is_everywhere else choose
        for space in list(sys.modules.values()):  # a module may put an object of any kind there
            for bound, value in list(getattr(space, "__dict__", {}).items()):
                if value is original:
                    yield partial(setattr, space, bound, instead), partial(setattr, space, bound, original)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled, in a code of its own: PyTorch compiles one code for eight shapes and no more."""
    import torch

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    call.__code__ = call.__code__.replace()
    compiled: Callable[..., Any] = torch.compile(call, dynamic=False)
    return compiled


def _each(output: Any, convert: Callable[[Any], Any]) -> Any:
    return tuple(convert(out) for out in output) if isinstance(output, tuple) else convert(output)
