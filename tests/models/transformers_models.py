"""What capture sees in models of the package transformers, against what PyTorch's profiler counts.

    python -m tests.models.transformers_models [CLASS…]

The models are built from configurations, with random weights. The profiler counts operators, and knows neither layers
nor what a mean is over: of means it counts those of four axes. It is a second opinion on the number of calls, forward
and backward, and on the ids of windows it has none. Needs the extra ``models``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from poolbench.model.capture import Capture
from poolbench.model.workload import Pass
from poolbench.observe.gather import gather
from poolbench.observe.inputs import InputSpec
from poolbench.observe.torch_run import run_torch

# The class, its configuration's settings, and the size of an image.
MODELS: dict[str, tuple[dict[str, Any], int]] = {
    "ResNetForImageClassification": ({}, 224),
    "RegNetForImageClassification": ({"layer_type": "y"}, 224),
    "PoolFormerForImageClassification": ({}, 224),
    "LevitForImageClassification": ({}, 224),
    "ConvNextForImageClassification": ({}, 224),
    "BitForImageClassification": ({}, 224),
    "SegformerForImageClassification": ({}, 224),
    "SwinForImageClassification": ({}, 224),
    "MobileNetV1ForImageClassification": ({}, 224),
    "MobileNetV2ForImageClassification": ({}, 224),
    "EfficientNetForImageClassification": (
        {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280},
        224,
    ),
    "FocalNetForImageClassification": ({}, 224),
}

POOLING = ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool")
ADAPTIVE = "aten::adaptive_avg_pool"


def main(wanted: list[str]) -> int:
    """Print a line for each model, and return how many differ."""
    differing = 0
    for name in wanted or list(MODELS):
        for pass_ in (Pass.FORWARD, Pass.TRAINING):
            found, counted = seen(name, pass_), profiled(name, pass_)
            ours = summary(found)
            differing += ours != counted
            print(f"{'same  ' if ours == counted else 'DIFFER'} {name} {pass_}: {dict(ours)}", flush=True)
            if ours != counted:
                print(f"       the profiler counts {dict(counted)}")
    print(f"{differing} differ")
    return differing


def seen(name: str, pass_: Pass) -> Capture:
    """Return what capture sees."""
    model, size = built(name)
    report = run_torch(name, model, [InputSpec(shape=(2, 3, size, size))], pass_)
    assert not report.problem, report.problem
    return gather(report, target=name, pass_=pass_)


def summary(capture: Capture) -> Counter[str]:
    """Return how many calls there are of each kind, as the profiler would count them."""
    counts: Counter[str] = Counter()
    for call in capture.calls:
        for place in call.places:
            steps = len(place.function.split(", "))  # one axis after the other
            counts["means"] += steps * place.count * (place.is_reduction and len(call.shape) == 4)
            counts["pooling"] += place.count * (not place.is_reduction)
            window = not place.is_reduction and call.workload is not None and not call.workload.spec.is_global
            counts["windows' gradients"] += place.count * (window and call.pass_ is Pass.TRAINING)
    return +counts


def profiled(name: str, pass_: Pass) -> Counter[str]:
    """Return how many operators of each kind the profiler counts."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    model, size = built(name)
    model.train(pass_.is_training)
    images = torch.rand(2, 3, size, size)
    with (
        torch.set_grad_enabled(pass_.is_training),
        profile(activities=[ProfilerActivity.CPU], record_shapes=True) as record,
    ):
        scores = model(images).logits
        if pass_.is_training:
            scores.backward(torch.ones_like(scores))
    counts: Counter[str] = Counter()
    for event in record.events():
        base = event.name.removeprefix("aten::").lstrip("_")
        family = base.rstrip("d").rstrip("123").rstrip("_")
        above = event.cpu_parent.name if event.cpu_parent is not None else ""
        if family in POOLING and event.name.startswith("aten::") and not event.name.startswith("aten::_"):
            counts["pooling"] += not any(part in above for part in POOLING)
        elif event.name == "aten::mean" and len(event.input_shapes[0]) == 4:
            counts["means"] += not above.startswith(ADAPTIVE)
        elif base.endswith("_backward") and any(part in base for part in POOLING) and event.name.startswith("aten::"):
            counts["windows' gradients"] += not above.startswith("aten::")
    return +counts


def built(name: str) -> tuple[Callable[..., Any], int]:
    """Return a model with the weights of a seed, and the size of its images."""
    import torch
    import transformers

    settings, size = MODELS[name]
    torch.manual_seed(1)
    kind = getattr(transformers, name)
    return kind(kind.config_class(**settings)), size


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
