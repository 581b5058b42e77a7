"""One step of a PyTorch model, watched: forward, or forward and backward as in training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from poolbench.errors import UsageError
from poolbench.model.workload import Pass
from poolbench.observe.diary import Diary
from poolbench.observe.inputs import InputSpec
from poolbench.observe.sighting import Report
from poolbench.observe.target import first_line, where
from poolbench.observe.torch_watch import TorchWatch

SEED = 20_240_229


def run_torch(
    name: str,
    model: Callable[..., Any],
    inputs: Sequence[InputSpec],
    pass_: Pass,
    *,
    device: str = "",
    diary: str = "",
) -> Report:
    """Return the pooling calls of one step of ``model``, a module or a function of tensors.

    ``name`` is what sentences call it. In training the module is in its training mode, and what it returns gets a
    gradient of ones, unless it went backward itself. Where nothing of it is trained, the gradient is taken with respect
    to its inputs. ``diary`` is the path of a file that keeps what was seen so far, "" for none.
    Raises UsageError where ``device`` is not there.
    """
    import torch

    where_to = _device(device)
    is_training = pass_.is_training
    report = Report(framework="torch", version=str(torch.__version__))
    torch.manual_seed(SEED)
    given = [(spec, tensor_of(spec, where_to)) for spec in inputs]
    watch = _watch(report, diary)
    try:
        if isinstance(model, torch.nn.Module):
            model.train(is_training)
            if device:
                model.to(where_to)
        with torch.set_grad_enabled(is_training), watch.watching():
            output = call_model(model, given)
            is_done = not is_training or watch.went_backward  # a function may be a step of training itself
            if not is_done and any(tensor.requires_grad for tensor in tensors_in(output)):
                backward(output)
                is_done = True
        if not is_done:
            watch = _watch(report, diary)
            watched_inputs = requiring(given)
            with torch.set_grad_enabled(True), watch.watching():
                output = call_model(model, watched_inputs)
                if any(tensor.requires_grad for tensor in tensors_in(output)):
                    backward(output)
                else:
                    report.notes.append(f"Nothing that {name} returns has a gradient, so none was taken.")
    except (Exception, SystemExit) as error:  # a user's model may do anything
        report.problem = f"{name} failed: {first_line(error)}{where(error)}."
    report.sightings = watch.sightings
    return report


def _watch(report: Report, diary: str) -> TorchWatch:
    """Return a watch that begins the diary anew."""
    return TorchWatch(Diary(diary, report.framework, report.version).tell) if diary else TorchWatch()


def call_model(model: Callable[..., Any], given: Sequence[tuple[InputSpec, Any]]) -> Any:
    """Call the model with its inputs, in order or by name."""
    return model(
        *(tensor for spec, tensor in given if not spec.name),
        **{spec.name: tensor for spec, tensor in given if spec.name},
    )


def requiring(given: Sequence[tuple[InputSpec, Any]]) -> list[tuple[InputSpec, Any]]:
    """Return the inputs as leaves whose gradients are wanted, where their type has any."""
    return [(spec, tensor.detach().requires_grad_(tensor.is_floating_point())) for spec, tensor in given]


def backward(output: Any) -> None:
    """Give all that has a gradient in what the model returned a gradient of ones."""
    import torch

    ends = [tensor for tensor in tensors_in(output) if tensor.requires_grad]
    torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])


def tensors_in(output: Any) -> Iterator[Any]:
    """Yield the tensors in what a model returns, however deep they lie in tuples, dictionaries and dataclasses."""
    import torch

    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from tensors_in(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from tensors_in(value)
    elif is_dataclass(output) and not isinstance(output, type):
        for each in fields(output):
            yield from tensors_in(getattr(output, each.name))


def tensor_of(spec: InputSpec, device: Any) -> Any:
    """Return random numbers where the type has fractions, else zeros, which are valid as indices of anything."""
    import torch

    dtype = getattr(torch, spec.dtype)
    if spec.is_float:
        return torch.rand(spec.shape, device=device).to(dtype)
    return torch.zeros(spec.shape, dtype=dtype, device=device)


def _device(text: str) -> Any:
    import torch

    try:
        device = torch.device(text or "cpu")
        torch.empty(1, device=device)
    except Exception as error:  # each kind of device has errors of its own
        raise UsageError(
            f"There is no device '{text}' here ({first_line(error)}): leave --device out to run on the CPU."
        ) from error
    return device
