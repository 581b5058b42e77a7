"""Whether another function does the same as a pooling call of PyTorch's: outputs, gradients, and how they lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from poolbench.observe.target import first_line
from poolbench.observe.torch_sites import Call

TOLERANCES = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2}
"""By type, how far apart two averages or gradients may be, as a share of the largest magnitude among them.

Sums of floats depend on their order. Maxima have to be equal, as do indices and integers.
"""

_SEED = 20_240_301


def difference(
    call: Call,
    function: Callable[..., Any],
    tolerance: float | None = None,
    *,
    with_gradient: bool = True,
    is_rounded: bool = False,
) -> str:
    """Return a sentence that says how ``function`` differs from the call, "" where it does not.

    Both get the call's own arguments. Gradients of both are taken for the same random gradient of the output. Outputs
    have to lie in memory as PyTorch's do; a gradient may lie otherwise. ``tolerance`` is in the place of TOLERANCES.
    Where ``function`` ``is_rounded`` to a smaller type, it holds for maxima too.
    """
    import torch

    try:
        with torch.no_grad():
            wanted, found = _listed(call.run()), _listed(function(*call.args, **call.kwargs))
        said = _differing("output", wanted, found, tolerance, exact="max" in call.name and not is_rounded)
        if said or not call.input.is_floating_point():
            return said
        if not with_gradient:
            return ""
        with torch.inference_mode(False), torch.enable_grad():
            pairs = [_gradient(run, call) for run in (call.function, function)]
        return _differing("gradient", [pairs[0]], [pairs[1]], tolerance, exact=False)
    except Exception as error:  # frameworks raise anything
        return f"It fails there ({first_line(error)})."


def _gradient(function: Callable[..., Any], call: Call) -> Any:
    import torch

    given = call.input.clone().requires_grad_()
    args, kwargs = _with_input(call.args, call.kwargs, given)
    output = _listed(function(*args, **kwargs))[0]
    random = torch.rand(output.shape, generator=torch.Generator().manual_seed(_SEED), dtype=torch.float32)
    return torch.autograd.grad(output, given, torch.empty_like(output).copy_(random))[0]


def _with_input(args: Sequence[Any], kwargs: Mapping[str, Any], given: Any) -> tuple[list[Any], dict[str, Any]]:
    if args:
        return [given, *args[1:]], dict(kwargs)
    return [], {**kwargs, "input" if "input" in kwargs else "self": given}


def _listed(output: Any) -> list[Any]:
    return list(output) if isinstance(output, tuple | list) else [output]


def _differing(
    what: str,
    wanted: Sequence[Any],
    found: Sequence[Any],
    tolerance: float | None,
    *,
    exact: bool,
) -> str:
    if len(wanted) != len(found):
        return f"It returns {len(found)} tensors where PyTorch returns {len(wanted)}."
    for ours, theirs in zip(found, wanted, strict=True):
        if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
            return f"Its {what} is {_kind(ours)} where PyTorch's is {_kind(theirs)}."
        if what == "output" and _order(ours) != _order(theirs):
            return f"Its {what} has the strides {tuple(ours.stride())} where PyTorch's has {tuple(theirs.stride())}."
        said = _apart(what, theirs, ours, tolerance, exact=exact)
        if said:
            return said
    return ""


def _apart(what: str, wanted: Any, found: Any, tolerance: float | None, *, exact: bool) -> str:
    import torch

    if exact or not wanted.is_floating_point():
        same = torch.equal(torch.nan_to_num(wanted), torch.nan_to_num(found)) if wanted.is_floating_point() else False
        if same or torch.equal(wanted, found):
            return ""
        return f"Its {what} is not equal to PyTorch's."
    allowed = TOLERANCES[str(wanted.dtype).removeprefix("torch.")] if tolerance is None else tolerance
    largest = wanted.abs().nan_to_num(0.0, 0.0, 0.0).max().item() if wanted.numel() else 0.0
    if torch.allclose(found, wanted, rtol=0.0, atol=allowed * largest, equal_nan=True):
        return ""
    apart = (found - wanted).abs().nan_to_num(0.0).max().item() / (largest or 1.0)
    return f"Its {what} differs from PyTorch's by {apart:.2g} of the largest element, and {allowed:.2g} are allowed."


def _kind(tensor: Any) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def _order(tensor: Any) -> list[int]:
    """Return the strides of the axes that have any."""
    return [step for size, step in zip(tensor.shape, tensor.stride(), strict=True) if size > 1]
