"""A step of a PyTorch model that can be carried out again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from poolbench.model.workload import Pass
from poolbench.observe.inputs import InputSpec
from poolbench.observe.torch_run import SEED, backward, call_model, tensor_of, tensors_in


def step_of(model: Callable[..., Any], inputs: Sequence[InputSpec], pass_: Pass) -> Callable[[], object]:
    """Return what carries out one step of ``model`` on the CPU, on the same random inputs each time."""
    import torch

    torch.manual_seed(SEED)
    given = random_inputs(inputs, torch.device("cpu"))
    if isinstance(model, torch.nn.Module):
        model.train(pass_.is_training)

    def forward() -> object:
        with torch.no_grad():
            return call_model(model, given)

    def training() -> object:
        if isinstance(model, torch.nn.Module):
            model.zero_grad(set_to_none=True)
        output = call_model(model, given)
        if any(tensor.requires_grad for tensor in tensors_in(output)):
            backward(output)
        return output

    return training if pass_.is_training else forward


def random_inputs(inputs: Sequence[InputSpec], device: Any) -> list[tuple[InputSpec, Any]]:
    """Return a tensor on ``device`` for each input."""
    return [(spec, tensor_of(spec, device)) for spec in inputs]
