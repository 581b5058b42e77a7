"""Print what each kernel is worth, as Markdown: ``python docs/tables/ablation.py [--raw FILE] [--launches N]``.

Each kernel of each instruction set is measured on the layers of the set ``full`` for which the list names it, against
the kernel that would come next: the two take turns in one process, forth and back, and there are several launches. A
ratio is the next kernel's time over this one's, so above 1 the kernel earns its place. float32 is measured on all
layers, the other types on a sample of them, each on an array that lies channels first and on one channels last.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from poolbench.catalogue.select import select
from poolbench.measure.machine import fingerprint
from poolbench.model.pooling import Kind
from poolbench.model.workload import Workload
from poolbench.strided import _pool

ISAS = ("avx512", "avx2", "baseline", "neon")
TYPES: dict[str, Any] = {
    "f32": np.float32, "f64": np.float64, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i8": np.int8, "u8": np.uint8,
    "i16": np.int16, "i32": np.int32, "i64": np.int64,
}  # fmt: skip
SAMPLED = 6
"""So many layers, spread over the set, are measured for types other than float32."""

TURN_S = 0.002
"""What one kernel's turn takes at least, in calls that follow each other."""

TURNS = 6
"""Turns of each kernel in a launch."""

FEW_TURNS, LONG_S = 2, 0.02
"""Turns where a call takes so long, as those of scalar kernels on large layers do: their ratios are far from 1."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kernel on one layer, and who would come next."""

    pass_: str
    kernel: str
    following: str
    op: str
    type: str
    isa: str
    layout: str
    workload: str


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, help="write every ratio of every launch to this file, as JSON lines")
    parser.add_argument("--launches", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0, help="only so many layers, to try it out")
    options = parser.parse_args()
    workloads = select(["full"])[: options.limit or None]
    ratios: dict[Cell, list[float]] = defaultdict(list)
    for _ in range(options.launches):
        with multiprocessing.get_context("spawn").Pool(1) as process:
            for cell, ratio in process.apply(launch, (workloads,)):
                ratios[cell].append(ratio)
    if options.raw:
        lines = [json.dumps({**asdict(cell), "ratios": found}) for cell, found in ratios.items()]
        options.raw.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"Machine {fingerprint().key}, one thread, {options.launches} launches.\n")
    print_table({cell: statistics.median(found) for cell, found in ratios.items()})


def launch(workloads: list[Workload]) -> list[tuple[Cell, float]]:
    """Measure all cells once."""
    return list(measure_all(workloads))


def measure_all(workloads: list[Workload]) -> Iterator[tuple[Cell, float]]:
    """Yield the ratio of each cell that there is."""
    here = {row["isa"] for row in _pool.kernels()}
    step = max(len(workloads) // SAMPLED, 1)
    for number, workload in enumerate(workloads):
        for type_, dtype in TYPES.items():
            if type_ != "f32" and number % step:
                continue
            if workload.spec.kind is Kind.AVG and type_[0] in "iu":
                continue
            for layout in ("channels first", "channels last"):
                x = array(workload, dtype, layout)
                for isa in [isa for isa in ISAS if isa in here]:
                    yield from measure(workload, x, isa, type_, layout)


def array(workload: Workload, dtype: Any, layout: str) -> np.ndarray:
    """Return an (N, C, *spatial) input that lies as ``layout`` says."""
    shape = (workload.batch, workload.channels, *workload.spatial)
    values = np.random.default_rng(1).integers(-90, 90, shape).astype(dtype)
    if layout == "channels first":
        return values
    last = (0, *range(2, values.ndim), 1)
    return np.moveaxis(np.ascontiguousarray(values.transpose(last)), -1, 1)


def measure(workload: Workload, x: np.ndarray, isa: str, type_: str, layout: str) -> Iterator[tuple[Cell, float]]:
    """Yield the ratios of the passes that the type has."""
    spec, rank = workload.spec, workload.spec.rank
    prefix = "" if spec.output is None else "adaptive_"
    family = f"{prefix}{spec.kind}_pool"
    own: tuple[Any, ...]
    if spec.output is not None:
        own = (spec.output, False) if spec.kind is Kind.MAX else (spec.output,)
    elif spec.kind is Kind.MAX:
        own = (spec.window, spec.stride, spec.padding, spec.dilation, spec.ceil_mode, False)
    else:
        own = (
            spec.window, spec.stride, spec.padding, spec.dilation, spec.ceil_mode, spec.include_padding, spec.divisor,
        )  # fmt: skip

    def call(name: str, out: Any, *asked: Any) -> Any:
        return getattr(_pool, name)(rank, x, *own, out, 1, "NCHW", isa, *asked)

    def cell(told: dict[str, Any]) -> Cell:
        first, following = told["fitting"][:2]
        return Cell(
            pass_=told["pass"], kernel=first, following=following, op=str(spec.kind), type=type_, isa=told["isa"],
            layout=layout, workload=workload.id,
        )  # fmt: skip

    (told,) = call(family, None, None, None)
    if len(told["fitting"]) > 1:
        out = call(family, None, told["kernel"])[0]
        subject = cell(told)
        yield subject, ratio(lambda: call(family, out, subject.kernel), lambda: call(family, out, subject.following))
    if type_[0] in "iu":
        return
    train = f"train_{family}"
    kept, told = call(train, None, None, None)
    (out, _), pullback, *_ = call(train, None, kept["kernel"])
    if spec.kind is Kind.MAX and len(kept["fitting"]) > 1:
        keeper = cell(kept)
        yield keeper, ratio(lambda: call(train, out, keeper.kernel), lambda: call(train, out, keeper.following))
    if len(told["fitting"]) > 1:
        teller = cell(told)
        gradient = _pool.pull_back(pullback, out, None, 1, isa, teller.kernel)[0]
        yield (
            teller,
            ratio(
                lambda: _pool.pull_back(pullback, out, gradient, 1, isa, teller.kernel),
                lambda: _pool.pull_back(pullback, out, gradient, 1, isa, teller.following),
            ),
        )


def ratio(first: Callable[[], Any], following: Callable[[], Any]) -> float:
    """Return how many times as long ``following`` takes, by turns A B B A."""
    calls, longest = [], 0.0
    for run in (first, following):
        run()
        begin = time.perf_counter()
        run()
        took = max(time.perf_counter() - begin, 1e-7)
        calls.append(max(1, math.ceil(TURN_S / took)))
        longest = max(longest, took)
    found: list[list[float]] = [[], []]
    for turn in range(FEW_TURNS if longest > LONG_S else TURNS):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            run = (first, following)[side]
            begin = time.perf_counter()
            for _ in range(calls[side]):
                run()
            found[side].append((time.perf_counter() - begin) / calls[side])
    return statistics.median(found[1]) / statistics.median(found[0])


def print_table(ratios: dict[Cell, float]) -> None:
    """Print a line for each kernel, in the list's order."""
    order: dict[tuple[str, str, str], None] = {}
    for row in _pool.kernels():
        order.setdefault((row["pass"], row["kernel"], row["op"]))
    print("| kernel | instruction set | layers, float32 | next / it, float32 | best | other types | brings 10 % on |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for pass_, kernel, op in order:
        for isa in ISAS:
            own = {c: r for c, r in ratios.items() if (c.pass_, c.kernel, c.op, c.isa) == (pass_, kernel, op, isa)}
            if not own:
                continue
            floats = [r for c, r in own.items() if c.type == "f32"]
            others = [r for c, r in own.items() if c.type != "f32"]
            worth = sum(r >= 1.1 for r in own.values())
            print(
                f"| {pass_}/{kernel} {op} | {isa} | {len(floats)} | {mean(floats)} | {best(floats)} | {mean(others)} "
                f"| {worth} of {len(own)} |"
            )


def mean(ratios: list[float]) -> str:
    """Return the geometric mean as text, a dash of nothing."""
    return f"{math.exp(statistics.fmean(map(math.log, ratios))):.2f}" if ratios else "–"


def best(ratios: list[float]) -> str:
    """Return the largest ratio as text, a dash of nothing."""
    return f"{max(ratios):.2f}" if ratios else "–"


if __name__ == "__main__":
    main()
