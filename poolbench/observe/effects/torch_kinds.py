"""Where a PyTorch model's step goes, by kind of layer: PyTorch's own profiler, beside the step without it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from poolbench.model.effects import LayerKind

MOST_ROUNDS = 60
WARM_UPS = 2

_KINDS = {
    LayerKind.CONVOLUTION: ("conv1d", "conv2d", "conv3d", "conv_transpose", "convolution", "_convolution",
                            "mkldnn_conv"),
    LayerKind.DENSE: ("linear", "addmm", "matmul", "mm", "bmm", "baddbmm", "addmv", "mv", "bilinear", "einsum"),
    LayerKind.RECURRENT: ("lstm", "gru", "rnn_tanh", "rnn_relu", "mkldnn_rnn"),
    LayerKind.ATTENTION: ("scaled_dot_product", "_scaled_dot_product", "_native_multi_head_attention"),
    LayerKind.NORMALISATION: ("batch_norm", "native_batch_norm", "layer_norm", "native_layer_norm", "group_norm",
                              "native_group_norm", "instance_norm", "rms_norm", "_fused_rms_norm"),
    LayerKind.POOLING: ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool", "_adaptive_avg_pool",
                        "fractional_max_pool", "max_unpool", "mkldnn_max_pool"),
}  # fmt: skip
"""What the operators of each kind are called by, or begin with where a number of axes follows."""

_EXACT = {"mm", "mv", "bmm", "convolution", "linear", "lstm", "gru"}
_REDUCTIONS = ("mean", "amax")


def profile_step(step: Callable[[], object], budget_s: float) -> dict[str, Any]:
    """Return, for each round, what a step took without and with the profiler, and what of that each kind took.

    PyTorch's release is told beside them. Both take turns, in changing order, for ``budget_s`` seconds; one round at
    least. Times are nanoseconds, ``bytes`` what the kind's operators request of the allocator in a step.
    """
    import torch

    for _ in range(WARM_UPS):
        step()
    _profiled(step)  # the first use of the profiler sets it up
    rounds: list[dict[str, Any]] = []
    begin = time.perf_counter()
    while not rounds or (time.perf_counter() - begin < budget_s and len(rounds) < MOST_ROUNDS):
        if len(rounds) % 2:
            found = _profiled(step)
            found["plain"] = _timed(step)
        else:
            plain = _timed(step)
            found = {**_profiled(step), "plain": plain}
        rounds.append(found)
    return {"rounds": rounds, "version": str(torch.__version__)}


def _timed(step: Callable[[], object]) -> int:
    begin = time.perf_counter_ns()
    step()
    return time.perf_counter_ns() - begin


def _profiled(step: Callable[[], object]) -> dict[str, Any]:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, record_shapes=True) as profiler:
        profiled = _timed(step)
    times, sizes = attributed(profiler.events())
    return {"profiled": profiled, "times": times, "bytes": sizes}


def attributed(events: Iterable[Any]) -> tuple[dict[str, int], dict[str, int]]:
    """Return nanoseconds and requested bytes by kind, each event counted once.

    What happens inside of an operator belongs to the outermost one that has a kind; what has none, with its own time
    alone, to the rest. A gradient is of the kind of the operator that it is the gradient of.
    """
    known = [event for event in events if event.name != "[memory]"]
    forward = _forward_kinds(known)
    times: dict[str, int] = defaultdict(int)
    sizes: dict[str, int] = defaultdict(int)

    def walk(event: Any) -> None:
        kind = _kind(event, forward)
        if kind is not None:
            times[kind] += round(1_000 * event.cpu_time_total)
            sizes[kind] += _requested(event)
            return
        times[LayerKind.REST] += round(1_000 * event.self_cpu_time_total)
        sizes[LayerKind.REST] += max(int(event.self_cpu_memory_usage), 0)
        for child in event.cpu_children:
            walk(child)

    for event in known:
        if event.cpu_parent is None:
            walk(event)
    return dict(times), dict(sizes)


def _forward_kinds(events: Iterable[Any]) -> Mapping[int, LayerKind]:
    """Return the kinds of forward operators by the number that their gradient's node has too."""
    kinds: dict[int, LayerKind] = {}
    for event in events:
        if event.sequence_nr >= 0 and event.name.startswith("aten::"):
            kind = _outermost_kind(event)
            if kind is not None:
                kinds.setdefault(event.sequence_nr, kind)
    return kinds


def _outermost_kind(event: Any) -> LayerKind | None:
    found = None
    while event is not None:
        found = kind_of(event.name, event.input_shapes, event.concrete_inputs) or found
        event = event.cpu_parent
    return found


def _kind(event: Any, forward: Mapping[int, LayerKind]) -> LayerKind | None:
    if event.name.startswith("autograd::engine::evaluate_function: "):
        if event.name.endswith("AccumulateGrad"):
            return None
        numbers = [event.sequence_nr, *(child.sequence_nr for child in event.cpu_children)]
        return next((forward[number] for number in numbers if number in forward), None)
    return kind_of(event.name, event.input_shapes, event.concrete_inputs)


def kind_of(name: str, shapes: Any = None, arguments: Any = None) -> LayerKind | None:
    """Return the kind of the operator ``name``, None for the rest.

    A mean or maximum over all spatial axes of images and volumes is pooling, as for ``poolbench capture``.
    """
    if not name.startswith("aten::"):
        return None
    bare = name.removeprefix("aten::")
    for kind, beginnings in _KINDS.items():
        for beginning in beginnings:
            if bare == beginning or (beginning not in _EXACT and bare.startswith(beginning)):
                return kind
    if bare in _REDUCTIONS and shapes and arguments and len(shapes[0]) in (4, 5) and len(arguments) > 1:
        axes, rank = arguments[1], len(shapes[0])
        if isinstance(axes, list | tuple) and {axis % rank for axis in axes} == set(range(2, rank)):
            return LayerKind.POOLING
    return None


def _requested(event: Any) -> int:
    own = max(int(event.self_cpu_memory_usage), 0)
    return own + sum(_requested(child) for child in event.cpu_children)
