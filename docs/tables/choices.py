"""Print where the list does not choose the fastest kernel: ``python docs/tables/choices.py [--seconds S] [--seed N]``.

Random problems are drawn: maxima and averages of float32, 2D and 1D, channels first, forward, one thread. On each one
every kernel that can do it is timed, by turns in one process. What is printed is how many times as long the chosen one
takes as the fastest, which kernels should have been chosen instead, and the worst problems. ``--raw`` keeps each time.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poolbench.measure.machine import fingerprint
from poolbench.strided import _pool

WIDTHS = (7, 8, 13, 14, 16, 17, 20, 27, 28, 32, 35, 40, 55, 56, 64, 80, 112, 128, 160, 224)
OTHER_HEIGHTS = (1, 4, 8, 20, 60, 100)
WINDOWS = (1, 2, 2, 3, 3, 3, 4, 5, 5, 6, 7, 9, 11)
ADAPTIVE = (1, 2, 3, 4, 6, 7, 8, 14)
BYTES = (40_000, 600_000, 600_000, 6_000_000, 16_000_000)
"""What inputs have, roughly: they stay in the nearest cache, in a core's own, and in none."""

LEAST_CHANNELS = 16
TURNS = 5
TURN_S = 0.0004
"""What a kernel's turn takes at least, in calls that follow each other."""

SLOW = 1.15
SHORT_S = 6e-6
"""Problems below this are left out: most of their time is the call's."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One call: adaptive where ``stride`` is None, and ``window`` is its output then."""

    kind: str
    shape: tuple[int, int, int, int]
    window: tuple[int, int]
    stride: tuple[int, int] | None = None
    padding: tuple[int, int] = (0, 0)

    @property
    def function(self) -> str:
        """The name of the compiled function."""
        return f"{'adaptive_' if self.stride is None else ''}{self.kind}_pool"

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What it takes after the array."""
        if self.stride is None:
            return (self.window, False) if self.kind == "max" else (self.window,)
        last = (False,) if self.kind == "max" else (True, None)
        return (self.window, self.stride, self.padding, (1, 1), False, *last)

    def __str__(self) -> str:
        c, h, w = self.shape[1:]
        how = "adaptive" if self.stride is None else f"stride {self.stride}, padding {self.padding}"
        return f"{self.kind} {c} × {h} × {w}, {self.window}, {how}"


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A problem, the kernel that the list chooses, and what each one takes in seconds."""

    problem: Problem
    isa: str
    chosen: str
    seconds: dict[str, float]

    @property
    def fastest(self) -> str:
        """The kernel that takes least."""
        return min(self.seconds, key=self.seconds.__getitem__)

    @property
    def ratio(self) -> float:
        """How many times as long the chosen one takes as the fastest."""
        return self.seconds[self.chosen] / self.seconds[self.fastest]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long to draw problems")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--isa", help="the instruction set; without it the widest one")
    parser.add_argument("--worst", type=int, default=20, help="how many problems to print")
    parser.add_argument("--raw", type=Path, help="write all times to this file, as JSON lines")
    options = parser.parse_args()
    found: dict[Problem, Timed] = {}
    end = time.monotonic() + options.seconds
    for problem in draw(random.Random(options.seed)):
        if time.monotonic() > end:
            break
        timed = None if problem in found else measure(problem, options.isa)
        if timed is not None and min(timed.seconds.values()) >= SHORT_S:
            found[problem] = timed
    if options.raw:
        options.raw.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found.values()), encoding="utf-8")
    print_summary(list(found.values()), options.worst)


def draw(rng: random.Random) -> Iterator[Problem]:
    """Yield problems without end."""
    while True:
        kind, w = rng.choice(("max", "avg")), rng.choice(WIDTHS)
        h = w if rng.random() < 0.8 else rng.choice(OTHER_HEIGHTS)
        total = rng.choice(BYTES)
        channels = max(LEAST_CHANNELS, total // (4 * h * w))
        shape = (1, channels, h, w)
        if 4 * h * w * channels > 3 * total:
            continue
        if rng.random() < 0.12:
            k = rng.choice(ADAPTIVE)
            if k <= w:
                yield Problem(kind=kind, shape=shape, window=(min(k, h), k))
            continue
        k = rng.choice(WINDOWS)
        s, padding = rng.choice((1, 2, 2, 3, k)), rng.choice((0, k // 2))
        if k > w:
            continue
        high = min(k, h)
        stride, around = (s if h > 1 else 1, s), (min(padding, high // 2), padding)
        yield Problem(kind=kind, shape=shape, window=(high, k), stride=stride, padding=around)


def measure(problem: Problem, isa: str | None) -> Timed | None:
    """Return what each kernel takes; None where the call has but one, or is refused."""
    x = np.random.default_rng(1).standard_normal(problem.shape, dtype=np.float32)

    def call(out: Any, *asked: Any) -> Any:
        return getattr(_pool, problem.function)(2, x, *problem.arguments, out, 1, "NCHW", isa, *asked)

    (told,) = call(None, None, None)
    kernels = [name for name in told["fitting"] if name != "scalar"]
    if len(kernels) < 2:
        return None
    outs = {name: call(None, name)[0] for name in kernels}
    begin = time.perf_counter()
    call(outs[kernels[0]], kernels[0])
    calls = max(1, math.ceil(TURN_S / (time.perf_counter() - begin)))
    seconds = dict.fromkeys(kernels, math.inf)
    for _ in range(TURNS):
        for name in kernels:
            begin = time.perf_counter()
            for _ in range(calls):
                call(outs[name], name)
            seconds[name] = min(seconds[name], (time.perf_counter() - begin) / calls)
    return Timed(problem=problem, isa=told["isa"], chosen=told["kernel"], seconds=seconds)


def print_summary(found: list[Timed], worst: int) -> None:
    """Print the mean, who should have been chosen, and the worst."""
    if not found:
        print("No problem had two kernels that can do it.")
        return
    mean = math.exp(sum(math.log(one.ratio) for one in found) / len(found))
    slow = [one for one in found if one.ratio > SLOW]
    print(
        f"Machine {fingerprint().key}, {found[0].isa}, one thread, {len(found)} problems. The chosen kernel takes "
        f"{mean:.3f} of the fastest one's time in the geometric mean, and more than {SLOW} on "
        f"{len(slow) / len(found):.1%}.\n"
    )
    print("| chosen | fastest | problems |\n|---|---|---:|")
    for (chosen, fastest), count in Counter((one.chosen, one.fastest) for one in slow).most_common():
        print(f"| {chosen} | {fastest} | {count} |")
    print("\n| problem | chosen | fastest | it / fastest |\n|---|---|---|---:|")
    for one in sorted(slow, key=lambda one: -one.ratio)[:worst]:
        print(f"| {one.problem} | {one.chosen} | {one.fastest} | {one.ratio:.2f} |")


if __name__ == "__main__":
    main()
