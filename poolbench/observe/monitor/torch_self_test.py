"""What a monitor costs here: a small model's steps with it and without it, in turn."""

from __future__ import annotations

import gc
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

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
"""Steps with the monitor, and as many without: the shorter, the less the machine changes in between."""

PAIRS = 40
"""So many pairs of blocks make one value of the overhead. Most blocks have no sampled step, and a location that bounds
what lies far off would leave out those that have one; over many pairs they are evened out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """What was found. ``overhead`` is the monitor's share of a step's CPU time, with its 95 % interval.

    ``growth_bytes`` is by how much more the process grew over all steps with the monitor than over those without, by
    its resident memory, with its interval. ``threads_left``, ``hooks_left`` and ``files_left`` are those
    that were not there before.
    """

    steps: int
    sampled: int
    fraction: float
    step_s: float
    overhead: float
    low: float
    high: float
    own_share: float
    growth_bytes: float
    growth_low: float
    growth_high: float
    threads_left: int
    hooks_left: int
    files_left: int
    problem: str


def self_test(
    steps: int = 10_000, fraction: float = FRACTION, exporter: Callable[[], Exporter] | None = None
) -> SelfTest:
    """Run ``steps`` steps of a small model with a monitor, and as many without. Takes about a minute.

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
        ratios, growths, off_ns = _blocks(steps, step, watched)
        status = watch.status
        watch.stop()
    del watch, watched
    gc.collect()  # with them goes the file in which the system counts this thread's time
    found = locate(ratios)
    growth, half = _total(growths)
    sampled, ran = status.sampled - first.sampled, status.steps - first.steps
    return SelfTest(
        steps=ran,
        sampled=sampled,
        fraction=fraction,
        step_s=off_ns / max(ran, 1) / 1e9,
        overhead=math.expm1(found.centre),
        low=math.expm1(found.low),
        high=math.expm1(found.high),
        own_share=(status.own_s - first.own_s) * 1e9 / max(off_ns, 1),
        growth_bytes=growth,
        growth_low=growth - half,
        growth_high=growth + half,
        threads_left=threading.active_count() - threads,
        hooks_left=len(model._forward_hooks) + len(model._forward_pre_hooks),
        files_left=max(_open_files() - files, 0),
        problem=status.problem,
    )


def _blocks(steps: int, step: Callable[[], object], watched: TorchSteps) -> tuple[list[float], list[int], int]:
    """Return the logarithms of time with / without, the growths with less those without by pair, the time without.

    The first step of a block is not timed: it pays for what putting the hooks on or off has left in the caches.
    """
    process = psutil.Process()
    ratios, growths, off_ns = [], [], 0
    group = {True: 0, False: 0}
    for pair in range(max(steps // BLOCK, 4 * PAIRS)):
        times, sizes = {}, {}
        for is_on in (True, False) if pair % 2 else (False, True):
            watched.detach()
            if is_on:
                watched.attach()
            step()
            before = process.memory_info().rss
            begin = time.process_time_ns()
            for _ in range(BLOCK):
                step()
            times[is_on] = time.process_time_ns() - begin
            sizes[is_on] = process.memory_info().rss - before
        group = {is_on: group[is_on] + times[is_on] for is_on in group}
        if pair % PAIRS == PAIRS - 1:
            ratios.append(math.log(group[True] / group[False]))
            group = {True: 0, False: 0}
        off_ns += times[False]
        growths.append(sizes[True] - sizes[False])
    return ratios, growths, off_ns


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


def _total(differences: list[int]) -> tuple[float, float]:
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
