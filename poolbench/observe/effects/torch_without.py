"""A PyTorch model without one of its pooling layers: what is then more behind it, counted without data.

The model runs on meta tensors, once as it is and once for each layer, whose input is handed on in its place. Where the
larger array does not fit any more, as in front of a dense layer, both runs are counted up to there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poolbench.model.effects import Saving
from poolbench.model.workload import Pass
from poolbench.observe.arguments import asked, input_of
from poolbench.observe.inputs import InputSpec
from poolbench.observe.sighting import sighting
from poolbench.observe.torch_layers import Layers
from poolbench.observe.torch_run import call_model, tensor_of
from poolbench.observe.torch_tensors import facts_of, is_plain, seen


@dataclass(frozen=True, slots=True)
class _Operator:
    """One operator behind a layer: elements and bytes that it puts out, its operations, and where it stands."""

    elements: int
    bytes: int
    operations: int
    layer: str


def savings(model: Callable[..., Any], inputs: Sequence[InputSpec]) -> list[tuple[str, str, Saving]]:
    """Return for each pooling call, in their order, its workload's id, its layer and what it saves behind it.

    A mean over the last of three axes is left out: whether that pools, only data tell. Whatever the model raises on
    meta tensors as it is comes out of here.
    """
    import torch

    if isinstance(model, torch.nn.Module):
        model.eval().to("meta")
    calls, whole, failed = _run(model, inputs, left_out=None)
    if failed is not None:
        raise failed
    found = []
    for number, (identity, layer, begin) in enumerate(calls):
        _, without, failed = _run(model, inputs, left_out=number)
        behind = whole[begin:]
        if failed is not None:
            stopped = behind[len(without)].layer if len(without) < len(behind) else ""
            behind = behind[: len(without)]
            scope = f"up to {stopped}" if stopped else "up to where the larger array does not fit any more"
        else:
            scope = "to the end of the model"
        found.append((identity, layer, _difference(without, behind, f"behind it, {scope}")))
    return found


def _difference(without: Sequence[_Operator], behind: Sequence[_Operator], scope: str) -> Saving:
    return Saving(
        activations=sum(each.elements for each in without) - sum(each.elements for each in behind),
        bytes=sum(each.bytes for each in without) - sum(each.bytes for each in behind),
        operations=sum(each.operations for each in without) - sum(each.operations for each in behind),
        scope=scope,
    )


def _run(
    model: Callable[..., Any], inputs: Sequence[InputSpec], left_out: int | None
) -> tuple[list[tuple[str, str, int]], list[_Operator], Exception | None]:
    """Run the model; return its pooling calls, the operators, and what it raised.

    Each call has the number of operators before it is done. With ``left_out`` operators count from that call on.
    """
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    calls: list[tuple[str, str, int]] = []
    operators: list[_Operator] = []
    layers = Layers()
    counts = left_out is None

    class Functions(TorchFunctionMode):  # type: ignore[misc]
        """Knows the pooling calls, and hands an input on in the place of one of them."""

        def __torch_function__(
            self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            nonlocal counts
            given = input_of(args, kwargs or {})
            request = None
            if is_plain(given):
                request = asked(getattr(func, "__name__", ""), tuple(given.shape), args, kwargs or {})
            if request is None or request.spec is None or (request.is_reduction and request.rank == 1):
                return func(*args, **(kwargs or {}))
            call = sighting(seen(request, facts_of(given), layers), Pass.FORWARD)
            if len(calls) == left_out:
                output, counts = given, True
            else:
                output = func(*args, **(kwargs or {}))
            calls.append((call.id, call.layer, len(operators)))
            return output

    class Operators(TorchDispatchMode):  # type: ignore[misc]
        """Counts what new tensors operators put out."""

        def __torch_dispatch__(
            self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            output = func(*args, **(kwargs or {}))
            operator: Any = func
            if counts and not any(each.alias_info is not None for each in operator._schema.returns):
                operators.append(_counted(func, args, kwargs or {}, output, layers.path))
            return output

    layers.start()
    try:
        with torch.no_grad(), Operators(), Functions():
            call_model(model, [(spec, tensor_of(spec, torch.device("meta"))) for spec in inputs])
    except Exception as error:  # a layer that the larger array does not fit may raise anything
        return calls, operators, error
    finally:
        layers.stop()
    return calls, operators, None


def _counted(func: Any, args: Any, kwargs: Mapping[str, Any], output: Any, layer: str) -> _Operator:
    import torch
    from torch.utils.flop_counter import flop_registry

    tensors = [each for each in (output if isinstance(output, list | tuple) else [output]) if is_plain(each)]
    first = tensors[:1] if "max_pool" in str(func) else tensors  # indices of maxima are no activations
    count = flop_registry.get(func._overloadpacket)
    operations = count(*args, **kwargs, out_val=output) if count is not None else 0
    return _Operator(
        elements=sum(math.prod(each.shape) for each in first),
        bytes=sum(math.prod(each.shape) * torch.empty(0, dtype=each.dtype).element_size() for each in first),
        operations=int(operations),
        layer=layer,
    )
