"""What a monitor costs here: a small model's steps with it and without it, in turn."""

from __future__ import annotations

import gc
import math
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from poolbench.analyse.estimate.location import locate
from poolbench.analyse.estimate.student import t_quantile
from poolbench.observe.monitor.detection import Detection
from poolbench.observe.monitor.exporters import JsonLines
from poolbench.observe.monitor.limits import MeasuredLimits
from poolbench.observe.monitor.sampling import FRACTION, Sampler
from poolbench.observe.monitor.torch_steps import TorchSteps
from poolbench.observe.monitor.types import Exporter
from poolbench.observe.monitor.watch import Watch

BLOCK = 5
"""Steps with the monitor, and as many without before and behind them: the shorter, the less the machine changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """What was found. ``overhead`` is the monitor's share of a step's CPU time, with its 95 % interval.

    It is the sum of what ``hooks`` cost in each step and of ``samples``, what a sampled step costs beyond, times the
    fraction. ``control`` is the same comparison between steps without the monitor, with its interval: what the test
    would say of nothing.

    ``growth_bytes`` is by how much the process grew, by its resident memory, over as many steps behind those that were
    timed, all with the monitor. ``threads_left``, ``hooks_left`` and ``files_left`` were not there before.
    """

    steps: int
    sampled: int
    fraction: float
    step_s: float
    overhead: float
    low: float
    high: float
    hooks: float
    samples: float
    sampled_step_s: float
    control: float
    control_low: float
    control_high: float
    own_share: float
    growth_bytes: float
    growth_low: float
    growth_high: float
    threads_left: int
    hooks_left: int
    files_left: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One block with the monitor between two without: CPU times of steps in nanoseconds.

    ``plain_ns`` are the means of the two blocks without; which of them came first changes from round to round.
    ``next_ns`` are steps behind a sampled one, which has pushed out of the caches what they read.
    """

    plain_ns: tuple[float, float]
    hooked_ns: list[int]
    sampled_ns: list[int]
    next_ns: list[int]


def self_test(
    steps: int = 10_000, fraction: float = FRACTION, exporter: Callable[[], Exporter] | None = None
) -> SelfTest:
    """Run ``steps`` steps of a small model with a monitor, and twice as many without. 10,000 take two minutes.

    ``exporter`` makes a further exporter beside JSON lines. PyTorch uses one thread meanwhile.
    """
    import torch

    before_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _run(steps, fraction, exporter)
    finally:
        torch.set_num_threads(before_threads)


def _run(steps: int, fraction: float, exporter: Callable[[], Exporter] | None) -> SelfTest:
    model, step = _model()
    for _ in range(20):
        step()
    threads, files = threading.active_count(), _open_files()
    with tempfile.TemporaryDirectory() as folder:
        exporters: list[Exporter] = [JsonLines(Path(folder) / "steps.jsonl")]
        if exporter is not None:
            exporters.append(exporter())
        watch = Watch("self-test", Sampler(fraction), MeasuredLimits(), exporters, detection=Detection())
        watched = TorchSteps(model, watch)
        watch.on_end = watched.detach
        watch.start()
        watched.attach()
        for _ in range(max(2 * round(1 / fraction), 200)):  # limits are measured when layers are first seen
            step()
        first = watch.status
        rounds = [_round(step, watched, watch, number) for number in range(math.ceil(steps / BLOCK))]
        status = watch.status
        watched.attach()
        growth, growth_half = growth_of(_sizes(step, steps))
        watch.stop()
    del watch, watched
    gc.collect()  # with them goes the file in which the system counts this thread's time
    plain_ns = statistics.fmean(statistics.fmean(each.plain_ns) for each in rounds)
    overhead, hooks, samples = _overhead(rounds, plain_ns, fraction)
    control = locate([math.log(each.plain_ns[0] / each.plain_ns[1]) for each in rounds])
    sampled, ran = status.sampled - first.sampled, status.steps - first.steps
    return SelfTest(
        steps=ran,
        sampled=sampled,
        fraction=fraction,
        step_s=plain_ns / 1e9,
        overhead=hooks + samples,
        low=hooks + samples - overhead,
        high=hooks + samples + overhead,
        hooks=hooks,
        samples=samples,
        sampled_step_s=samples / fraction * plain_ns / 1e9,
        control=math.expm1(control.centre),
        control_low=math.expm1(control.low),
        control_high=math.expm1(control.high),
        own_share=(status.own_s - first.own_s) * 1e9 / (plain_ns * max(ran, 1)),
        growth_bytes=growth,
        growth_low=growth - growth_half,
        growth_high=growth + growth_half,
        threads_left=threading.active_count() - threads,
        hooks_left=len(model._forward_hooks) + len(model._forward_pre_hooks),
        files_left=max(_open_files() - files, 0),
        problem=status.problem,
    )


def _round(step: Callable[[], object], watched: TorchSteps, watch: Watch, number: int) -> Round:
    """Time a block without the monitor, one with it, and one without.

    The first step of a block is not timed: it pays for what putting the hooks on or off has left in the caches.
    """
    plain: list[float] = []
    hooked: list[int] = []
    sampled: list[int] = []
    behind: list[int] = []
    for is_on in (False, True, False):
        watched.detach()
        if is_on:
            watched.attach()
        step()
        times: list[int] = []
        seen = watch.status.sampled
        kind = hooked
        for _ in range(BLOCK):
            begin = time.process_time_ns()
            step()
            times.append(time.process_time_ns() - begin)
            if is_on:
                now = watch.status.sampled
                kind = sampled if now > seen else behind if kind is sampled else hooked
                kind.append(times[-1])
                seen = now
        if not is_on:
            plain.append(statistics.fmean(times))
    return Round(
        plain_ns=(plain[0], plain[1]) if number % 2 else (plain[1], plain[0]),
        hooked_ns=hooked,
        sampled_ns=sampled,
        next_ns=behind,
    )


def _overhead(rounds: Sequence[Round], plain_ns: float, fraction: float) -> tuple[float, float, float]:
    """Return half the interval of the overhead, what hooks make of it, and what sampled steps do.

    The two are estimated apart. A location that bounds what lies far off would leave out sampled steps, which are few
    and far off, among the others. So what they and the steps behind them cost further is a plain mean, which leaves out
    nothing. Where every step is sampled, hooks count among the samples.
    """
    ratios = [
        math.log(statistics.fmean(each.hooked_ns) / statistics.fmean(each.plain_ns))
        for each in rounds
        if each.hooked_ns
    ]
    share, samples, errors = 0.0, 0.0, [0.0]
    if ratios:
        hooks = locate(ratios)
        share = math.expm1(hooks.centre)
        errors = [hooks.half_width * (1 + share)]
    for times in ("sampled_ns", "next_ns"):
        further = [
            time_ns - (1 + share) * statistics.fmean(each.plain_ns)
            for each in rounds
            for time_ns in getattr(each, times)
        ]
        if len(further) < 2 and times == "sampled_ns":
            return math.inf, share, math.nan
        if len(further) < 2:  # none stands behind a sampled one where every step is
            continue
        total, half = _total(further)
        samples += fraction * total / len(further) / plain_ns
        errors.append(fraction * half / len(further) / plain_ns)
    return math.hypot(*errors), share, samples


def _model() -> tuple[Any, Callable[[], object]]:
    """Return a small model, and a step of it that takes some milliseconds.

    None of its tensors has more than 64 KiB: larger ones come from the system anew in each step, whose pages cost
    more, and less evenly, than what is to be seen.
    """
    import torch
    from torch import nn

    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 64, 3, padding=1),
        nn.ReLU(),
        *(nn.Conv2d(64, 64, 3, padding=1) for _ in range(8)),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    ).eval()
    images = torch.rand(1, 3, 32, 32)

    def step() -> object:
        with torch.no_grad():
            return model(images)

    return model, step


def _sizes(step: Callable[[], object], steps: int) -> NDArray[np.int64]:
    """Return the resident memory behind each tenth step. The array is there before: a list would grow with them."""
    process = psutil.Process()
    sizes = np.ones(steps // 10, np.int64)
    for place in range(len(sizes)):
        for _ in range(10):
            step()
        sizes[place] = process.memory_info().rss
    return sizes


def growth_of(sizes: Sequence[int] | NDArray[np.int64]) -> tuple[float, float]:
    """Return by how much the sizes grew from the first to the last twentieth of them, and half its 95 % interval.

    What an allocator takes and gives back from round to round is evened out by medians.
    """
    parts = min(20, len(sizes))
    edges = [len(sizes) * place // parts for place in range(parts + 1)]
    levels = [float(np.median(sizes[low:high])) for low, high in pairwise(edges)]
    return _total([after - before for before, after in pairwise(levels)])


def _total(differences: Sequence[float]) -> tuple[float, float]:
    """Return the sum, and half its 95 % interval."""
    count = len(differences)
    mean = math.fsum(differences) / count
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in differences) / (count - 1))
    return mean * count, t_quantile(count - 1, 0.95) * deviation * math.sqrt(count)


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
