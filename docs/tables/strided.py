"""Print how the strided kernel stands in a stored run, as Markdown: ``python docs/tables/strided.py RUN.jsonl``.

Per workload: its time, the fastest framework of that run, their ratio with its 95 % interval, and the multiple of the
streaming limit that the kernel takes (where it reuses its output, if the run has that). Everything is recomputed from
the samples.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from pathlib import Path

from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.estimate.paired import compare_pair
from poolbench.analyse.estimate.timing import timing
from poolbench.model.subject import parse_subject
from poolbench.model.verdict import Comparison, Policy
from poolbench.store.reading import read_run

OURS, REUSING, LIMIT = "strided", "strided:out", "limit"
TOLERANCE = 1.03
"""What the upper end of a ratio's interval must not exceed for "at least as fast"."""


def main(path: Path) -> None:
    """Print the table of the run at ``path`` and what it comes to."""
    run = read_run(path)
    ledger = Ledger(run.rows, run.header.method.rejection)
    lines: list[tuple[float, str]] = []
    ratios: list[Comparison] = []
    limits: list[tuple[str, float]] = []
    for known in run.header.workloads:
        workload = known.id
        best = fastest_framework(ledger, workload)
        nearest = REUSING if REUSING in ledger.subjects(workload) else OURS  # training has no output to reuse
        limit = compare_pair(ledger, workload, nearest, LIMIT, Policy())
        own = timing(ledger, known, OURS)
        if best is None or own is None:
            continue
        ratios.append(best)
        limits.append((workload, limit.ratio))
        mark = "" if best.high <= TOLERANCE else (" ?" if best.low <= 1 else " slower")
        spread = f"({best.low:.2f} to {best.high:.2f})" if math.isfinite(best.high) else "(too few clean launches)"
        lines.append(
            (
                best.ratio,
                f"| `{workload}` | {duration(own.median_ns)} | {best.reference} | {best.ratio:.2f} "
                f"{spread}{mark} | {limit.ratio:.2f} |",
            )
        )
    nearest = REUSING if REUSING in map(str, run.header.subjects) else OURS
    print(f"| workload | strided | fastest framework | strided / it | {nearest} × limit |\n|---|---:|---|---:|---:|")
    for _, line in sorted(lines):
        print(line)
    good = sum(best.high <= TOLERANCE for best in ratios)
    slower = sum(best.low > 1 for best in ratios)
    print(
        f"\n{len(ratios)} workloads: on {good} the interval's upper end is at most {TOLERANCE}, on {slower} its lower "
        f"end is above 1. Geometric mean of the fastest framework's time over strided's: "
        f"{1 / mean(best.ratio for best in ratios):.2f}. {nearest} over the limit: {mean(r for _, r in limits):.2f}."
    )


def fastest_framework(ledger: Ledger, workload: str) -> Comparison | None:
    """Return the comparison of the kernel with whatever framework it looks worst against."""
    others = [
        name
        for name in ledger.subjects(workload)
        if not name.startswith("strided") and not parse_subject(name).is_limit
    ]
    pairs = [
        compare_pair(ledger, workload, OURS, name, Policy())
        for name in others
        if ledger.failure(workload, name) is None
    ]
    return max((pair for pair in pairs if not math.isnan(pair.ratio)), key=lambda pair: pair.ratio, default=None)


def duration(ns: float) -> str:
    """Return a time with three significant digits."""
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def mean(values: Iterable[float]) -> float:
    """Return the geometric mean of what is known."""
    logs = [math.log(value) for value in values if not math.isnan(value)]
    return math.exp(sum(logs) / len(logs))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
