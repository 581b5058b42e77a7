"""What ``replace_pooling`` does to real models, as a table in Markdown: the same numbers, and the time of a step.

    python -m tests.models.replacing [NAME…]

Each model in both memory orders: outputs in inference, and the losses of ten steps of training (SGD) from the same
weights, with and without. Times are of plain steps before and after, in turns in this process, on one thread; the ratio
is the median over blocks. It takes some two minutes.

Training amplifies rounding. So the same ten steps of the model as it was are taken once more, with its weights changed
by NUDGE of their values: what that makes of the losses is the control, beside the difference. Where the control is
above TOLERANCE, no replacement that rounds otherwise could stay within it, and ten times the control is allowed. A
wrong gradient is seen even then: those of one step in double precision, with and without, stand beside it, and may
differ by EXACT of each one's largest.
"""

from __future__ import annotations

import copy
import sys
from statistics import median
from typing import Any

from poolbench import replace_pooling
from poolbench.model.workload import Pass
from poolbench.observe.inputs import parse_input
from poolbench.observe.target import load, made, parse_target
from poolbench.observe.torch_blocks import in_turns, time_steps
from poolbench.observe.torch_run import call_model, tensors_in
from poolbench.observe.torch_step import Step
from poolbench.quantities import time_text
from tests.models.cases import Case, chosen

STEPS, SECONDS, TOLERANCE = 10, 1.5, 1e-4
NUDGE = 1e-7
"""About the rounding of a float32, which a pooling that adds in another order changes its output by."""
EXACT = 1e-10
SMALL = 1e-4
"""Of the largest gradient of all. One below it is taken relative to this: that of a bias before a normalisation is zero
but for its rounding, which differs as it likes."""


def main(names: list[str]) -> int:
    """Print a row for each model, order and pass, and return how many differ."""
    import torch

    torch.set_num_threads(1)
    print(
        "| model | order | pass | replaced | left | largest difference | control | gradients in float64 | step before "
        "| after / before |"
    )
    print("|---|---|---|---:|---:|---:|---:|---:|---:|---:|")
    wrong = 0
    for case in chosen(names):
        for order in ("contiguous", "channels_last"):
            for pass_ in (Pass.FORWARD, Pass.TRAINING):
                if order == "channels_last" and len(parse_input(case.shape).shape) < 4:
                    continue
                wrong += not _row(case, order, pass_)
    print(
        f"\n{wrong} differ by more than {TOLERANCE:g} of the largest value and ten times the control, or in float64 by "
        f"more than {EXACT:g} of a gradient"
    )
    return wrong


def _row(case: Case, order: str, pass_: Pass) -> bool:
    import torch

    torch.manual_seed(7)
    target = parse_target(case.target)
    before = Step(made(target, load(target)), [parse_input(case.shape)], pass_)
    if order == "channels_last":
        before.in_channels_last()
    after = copy.deepcopy(before)
    keys = list(after.model.state_dict())
    replacement = replace_pooling(after.model, tuple(tensor for _, tensor in after.given))
    assert list(after.model.state_dict()) == keys
    control = exact = 0.0
    if pass_.is_training:
        apart, control, exact = _training(before, after), _training(before, _nudged(before)), _in_double(before)
    else:
        apart = _inference(before, after)

    def slot(variant: str, count: int) -> float:
        return time_steps((before if variant == "plain" else after).take, count)

    blocks = in_turns(["plain", "changed"], slot, SECONDS)
    print(
        f"| {case.name} | {order} | {pass_} | {len(replacement.replaced)} | {len(replacement.left)} | {apart:.1e} "
        f"| {_told(control, pass_)} | {_told(exact, pass_)} "
        f"| {time_text(median(block['plain'] for block in blocks))} "
        f"| {median(block['changed'] / block['plain'] for block in blocks):.2f} |",
        flush=True,
    )
    return apart <= max(TOLERANCE, 10 * control) and exact <= EXACT


def _told(apart: float, pass_: Pass) -> str:
    return f"{apart:.1e}" if pass_.is_training else "–"


def _nudged(step: Step) -> Step:
    """Return a copy of the step whose weights are changed by their rounding."""
    import torch

    other = copy.deepcopy(step)
    torch.manual_seed(13)
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter.mul_(1 + NUDGE * torch.randn_like(parameter))
    return other


def _in_double(step: Step) -> float:
    """Return how far replacing moves the gradients of one step in double precision, relative to each one's largest.

    One whose largest is below SMALL of the largest of all is taken relative to that.
    """
    before = copy.deepcopy(step)
    before.model.double()
    before.given = [(spec, tensor.double() if tensor.is_floating_point() else tensor) for spec, tensor in before.given]
    after = copy.deepcopy(before)
    replace_pooling(after.model, tuple(tensor for _, tensor in after.given))
    one, other = _gradients(before), _gradients(after)
    sizes = [float(gradient.abs().max()) for gradient in one]
    least = SMALL * max(sizes)
    return max(float((a - b).abs().max()) / max(size, least) for a, b, size in zip(one, other, sizes, strict=True))


def _gradients(step: Step) -> list[Any]:
    import torch

    torch.manual_seed(11)
    with torch.enable_grad():
        _loss(step.model, step).backward()
    return [parameter.grad for parameter in step.model.parameters() if parameter.grad is not None]


def _loss(model: Any, step: Step) -> Any:
    return sum(out.pow(2).mean() for out in tensors_in(call_model(model, step.given)))


def _inference(before: Step, after: Step) -> float:
    return max(map(_apart, tensors_in(before.take()), tensors_in(after.take())))


def _training(before: Step, after: Step) -> float:
    """Return how far apart the losses of ten steps are, each relative to the first one."""
    one, other = _losses(before), _losses(after)
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) / max(abs(loss) for loss in one)


def _losses(step: Step) -> list[float]:
    import torch

    model = copy.deepcopy(step.model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    losses = []
    torch.manual_seed(11)
    with torch.enable_grad():
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = _loss(model, step)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    return losses


def _apart(one: Any, other: Any) -> float:
    assert one.shape == other.shape and one.stride() == other.stride()
    return float((one - other).abs().max() / one.abs().max())


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
