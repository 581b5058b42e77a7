"""Putting this library's operators into a PyTorch model in the place of its pooling, where they do the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from poolbench.errors import UsageError
from poolbench.observe.replacement import LeftAlone, PoolingSite, Replacement
from poolbench.observe.target import first_line, where
from poolbench.observe.torch_check import difference
from poolbench.observe.torch_sites import Call, Key, visiting

_MEAN = (
    "A mean or maximum over axes is an arithmetic function, which stays: write adaptive_avg_pool or adaptive_max_pool "
    "where it is to be replaced."
)
_NOT_RUN = "It did not run on these inputs, so that nothing could be compared."
_SCRIPTED = "It is scripted: PyTorch calls its operators without Python."
_UNSERVED = "No operator of this library computes it."


@dataclass(slots=True)
class Found:
    """What was seen of a site: its module, its calls, and why it is to be left alone, "" where it is not."""

    site: PoolingSite
    module: Any
    reason: str = ""


def replace_torch_pooling(model: Any, inputs: Any, *, tolerance: float | None = None) -> Replacement:
    """Replace the pooling of ``model``, as ``poolbench.replace_pooling`` documents it."""
    import torch

    if not isinstance(model, torch.nn.Module):
        raise UsageError(
            f"A {type(model).__name__} is no torch.nn.Module: replace_pooling() takes a model of PyTorch's. In a "
            "function call poolbench.strided.torch, whose functions bear the names of torch.nn.functional."
        )
    sites = _sites(model, inputs, tolerance)
    replaced = [found.site for found in sites.values() if not found.reason]
    left = [LeftAlone(site=found.site, reason=found.reason) for found in sites.values() if found.reason]
    left += _unseen(model, {id(found.module) for found in sites.values()})
    return Replacement(replaced, left, _put_in(list(sites.values())))


def _sites(model: Any, inputs: Any, tolerance: float | None) -> dict[Key, Found]:
    """Run the model once, and compare at each of its sites. Buffers and random numbers are as before afterwards."""
    import torch

    from poolbench.strided.torch_modules import MODULES

    sites: dict[Key, Found] = {}

    def visit(call: Call) -> Any:
        known = sites.get(call.key)
        if known is None:
            site = PoolingSite(layer=call.key[0], function=call.name, calls=0, is_module=type(call.module) in MODULES)
            known = sites[call.key] = Found(site, call.module)
        known.site = PoolingSite(
            layer=known.site.layer, function=call.name, calls=known.site.calls + 1, is_module=known.site.is_module
        )
        known.reason = known.reason or _reason(call, tolerance)
        return call.run()

    args, kwargs = arguments(inputs)
    with _untouched(model), torch.no_grad(), torch.compiler.set_stance("force_eager"), visiting(visit):
        try:
            model(*args, **kwargs)
        except Exception as error:  # a user's model may do anything
            raise UsageError(
                f"The model fails on these inputs ({first_line(error)}{where(error)}), so that nothing can be compared."
            ) from error
    for found in sites.values():  # a module that is called at several paths is replaced at all of them, or at none
        if found.site.is_module and not found.reason:
            alike = (other.reason for other in sites.values() if other.module is found.module)
            found.reason = next(filter(None, alike), "")
    return sites


def arguments(inputs: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return positional and named arguments from what a user gives: a tensor, a sequence or a mapping."""
    if isinstance(inputs, Mapping):
        return (), inputs
    return (tuple(inputs), {}) if isinstance(inputs, tuple | list) else ((inputs,), {})


def _reason(call: Call, tolerance: float | None) -> str:
    """Return why a call is left alone, "" where it is not."""
    from poolbench.strided.torch_modules import is_served, library_function

    if call.request.is_reduction:
        return _MEAN
    function = library_function(call.name)
    if function is None:
        return _UNSERVED
    given = call.input
    if not given.is_cpu:
        return f"Its input lies on {given.device}, and the operators are for the CPU."
    if not is_served(call.name, given):
        return (
            f"Its input is {str(given.dtype).removeprefix('torch.')} ({given.layout}), which the operators do not take."
        )
    return difference(call, function, tolerance)


@contextmanager
def _untouched(model: Any) -> Iterator[None]:
    """Give the model's buffers and PyTorch's random numbers back as they were: training changes both."""
    import torch

    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)


def _unseen(model: Any, seen: set[int]) -> list[LeftAlone]:
    """Return what pools, or may, and was not seen to run."""
    import torch

    from poolbench.strided.torch_modules import MODULES

    left = []
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            if not any(isinstance(m, torch.jit.ScriptModule) for m in _above(model, path)):
                site = PoolingSite(layer=path, function="scripted", calls=0, is_module=False)
                left.append(LeftAlone(site=site, reason=_SCRIPTED))
        elif type(module) in MODULES and id(module) not in seen:
            site = PoolingSite(layer=path, function=type(module).__name__, calls=0, is_module=True)
            left.append(LeftAlone(site=site, reason=_NOT_RUN))
    return left


def _above(model: Any, path: str) -> Iterator[Any]:
    """Yield the modules around the one at ``path``."""
    names = path.split(".")[:-1] if path else []
    if path:
        yield model
    for index in range(len(names)):
        yield model.get_submodule(".".join(names[: index + 1]))


def _put_in(sites: Sequence[Found]) -> list[Callable[[], None]]:
    """Change the modules of ``sites`` and return what takes it back, to be called in reverse order.

    A pooling module gets another class and stays the same object: whoever holds it, and its hooks, see no difference.
    """
    from poolbench.strided.torch_modules import MODULES

    undoing: list[Callable[[], None]] = []
    functions: dict[int, tuple[Any, set[str]]] = {}
    for found in sites:
        if found.reason:
            continue
        module = found.module
        if type(module) in MODULES:
            undoing.append(_with_class(module, MODULES[type(module)]))
        elif type(module) not in MODULES.values() and not found.site.is_module:
            functions.setdefault(id(module), (module, set()))[1].add(found.site.function)
    undoing += [_with_forward(module, names) for module, names in functions.values()]
    return undoing


def _with_class(module: Any, kind: type) -> Callable[[], None]:
    before = type(module)
    module.__class__ = kind

    def undo() -> None:
        module.__class__ = before

    return undo


def _with_forward(module: Any, names: set[str]) -> Callable[[], None]:
    from poolbench.strided.torch_modules import Rerouted

    own = module.__dict__.get("forward")
    module.forward = Rerouted(module, names, own)

    def undo() -> None:
        if own is None:
            del module.forward
        else:
            module.forward = own

    return undo
