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

_SEED = 20_240_229


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
    torch.manual_seed(_SEED)
    given = random_inputs(inputs, where_to)
    watch = _watch(report, diary)
    try:
        if isinstance(model, torch.nn.Module):
            model.train(is_training)
            if device:
                model.to(where_to)
        with torch.set_grad_enabled(is_training), watch.watching():
            output = called(model, given)
            is_done = not is_training or watch.went_backward  # a function may be a step of training itself
            if not is_done and any(tensor.requires_grad for tensor in _tensors(output)):
                _backward(output)
                is_done = True
        if not is_done:
            watch = _watch(report, diary)
            watched_inputs = _requiring(given)
            with torch.set_grad_enabled(True), watch.watching():
                output = called(model, watched_inputs)
                if any(tensor.requires_grad for tensor in _tensors(output)):
                    _backward(output)
                else:
                    report.notes.append(f"Nothing that {name} returns has a gradient, so none was taken.")
    except (Exception, SystemExit) as error:  # a user's model may do anything
        report.problem = f"{name} failed: {first_line(error)}{where(error)}."
    report.sightings = watch.sightings
    return report


def step_of(model: Callable[..., Any], inputs: Sequence[InputSpec], pass_: Pass) -> Callable[[], object]:
    """Return what carries out one step of ``model`` on the CPU, on the same random inputs each time."""
    import torch

    torch.manual_seed(_SEED)
    given = random_inputs(inputs, torch.device("cpu"))
    if isinstance(model, torch.nn.Module):
        model.train(pass_.is_training)

    def forward() -> object:
        with torch.no_grad():
            return called(model, given)

    def training() -> object:
        if isinstance(model, torch.nn.Module):
            model.zero_grad(set_to_none=True)
        output = called(model, given)
        if any(tensor.requires_grad for tensor in _tensors(output)):
            _backward(output)
        return output

    return training if pass_.is_training else forward


def _watch(report: Report, diary: str) -> TorchWatch:
    """Return a watch that begins the diary anew."""
    return TorchWatch(Diary(diary, report.framework, report.version).tell) if diary else TorchWatch()


def random_inputs(inputs: Sequence[InputSpec], device: Any) -> list[tuple[InputSpec, Any]]:
    """Return a tensor on ``device`` for each input."""
    return [(spec, _tensor(spec, device)) for spec in inputs]


def called(model: Callable[..., Any], given: Sequence[tuple[InputSpec, Any]]) -> Any:
    """Return what ``model`` makes of its inputs, those with a name given by it."""
    return model(
        *(tensor for spec, tensor in given if not spec.name),
        **{spec.name: tensor for spec, tensor in given if spec.name},
    )


def _requiring(given: Sequence[tuple[InputSpec, Any]]) -> list[tuple[InputSpec, Any]]:
    return [(spec, tensor.detach().requires_grad_(tensor.is_floating_point())) for spec, tensor in given]


def _backward(output: Any) -> None:
    import torch

    ends = [tensor for tensor in _tensors(output) if tensor.requires_grad]
    torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])


def _tensors(output: Any) -> Iterator[Any]:
    """Yield the tensors in what a model returns, however deep they lie in tuples, dictionaries and dataclasses."""
    import torch

    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from _tensors(value)
    elif is_dataclass(output) and not isinstance(output, type):
        for each in fields(output):
            yield from _tensors(getattr(output, each.name))


def _tensor(spec: InputSpec, device: Any) -> Any:
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
