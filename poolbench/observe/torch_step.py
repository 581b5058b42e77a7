"""A step of a PyTorch model that can be taken again and again: forward, or forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from poolbench.model.workload import Pass
from poolbench.observe.inputs import InputSpec
from poolbench.observe.torch_run import SEED, backward, call_model, requiring, tensor_of, tensors_in


class Step:
    """One step of ``model`` on random inputs. In training the gradients of the step before are let go first.

    As in ``run_torch``: what the model returns gets a gradient of ones, unless it goes backward itself; where nothing
    of it is trained, gradients are taken with respect to its inputs.
    """

    def __init__(self, model: Callable[..., Any], inputs: Sequence[InputSpec], pass_: Pass) -> None:
        import torch

        torch.manual_seed(SEED)
        self.model = model
        self.is_training = pass_.is_training
        self.given = [(spec, tensor_of(spec, torch.device("cpu"))) for spec in inputs]
        self._parameters: list[Any] = []
        self._may_go_backward = False
        if isinstance(model, torch.nn.Module):
            model.train(self.is_training)
            self._parameters = list(model.parameters())
        if self.is_training:
            self._prepare()

    def take(self) -> Any:
        """Take the step and return what the model returned."""
        import torch

        for parameter in self._parameters:
            parameter.grad = None
        with torch.set_grad_enabled(self.is_training):
            output = call_model(self.model, self.given)
            if self._may_go_backward:
                backward(output)
        return output

    def in_channels_last(self) -> None:
        """Turn the model and its inputs over to channels innermost, as a user does who switches to it."""
        import torch

        orders = {4: torch.channels_last, 5: torch.channels_last_3d}
        for parameter in self._parameters:
            if parameter.dim() in orders:
                parameter.data = parameter.data.contiguous(memory_format=orders[parameter.dim()])
        self.given = [
            (spec, tensor.contiguous(memory_format=orders[tensor.dim()]) if tensor.dim() in orders else tensor)
            for spec, tensor in self.given
        ]

    @property
    def has_images(self) -> bool:
        """Whether any input is of a batch of images or volumes."""
        return any(tensor.dim() in (4, 5) for _, tensor in self.given)

    def _prepare(self) -> None:
        """Find out what a step of training is here."""
        import torch

        with torch.enable_grad():
            output = call_model(self.model, self.given)
            went = any(parameter.grad is not None for parameter in self._parameters)
            self._may_go_backward = not went and any(tensor.requires_grad for tensor in tensors_in(output))
            if not went and not self._may_go_backward:
                self.given = requiring(self.given)
                output = call_model(self.model, self.given)
                self._may_go_backward = any(tensor.requires_grad for tensor in tensors_in(output))
