"""Print how far a stored run's reused outputs are from the streaming limit: ``python docs/tables/limits.py RUN.jsonl``.

Per layer, as Markdown: the time of ``strided:out`` over the limit's, with its 95 % interval. Then the geometric mean of
all layers, and that of those whose windows do not overlap and whose input is larger than the last-level cache.
Everything is recomputed from the samples.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from strided import mean  # beside this file

from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.estimate.paired import compare_pair
from poolbench.model.verdict import Comparison, Policy
from poolbench.model.workload import Workload
from poolbench.store.reading import read_run

REUSING, LIMIT = "strided:out", "limit"


def main(path: Path) -> None:
    """Print the table of the run at ``path``."""
    run = read_run(path)
    ledger = Ledger(run.rows, run.header.method.rejection)
    cache_bytes = max(run.header.machine.hardware.cache_bytes.values())
    found: list[tuple[Workload, Comparison]] = []
    for workload in run.header.workloads:
        comparison = compare_pair(ledger, workload.id, REUSING, LIMIT, Policy())
        if not math.isnan(comparison.ratio):
            found.append((workload, comparison))
    print(f"Machine {run.header.machine.key}.\n\n| layer | strided:out × limit |\n|---|---:|")
    for workload, comparison in sorted(found, key=lambda each: each[1].ratio):
        print(f"| `{workload.id}` | {comparison.ratio:.2f} ({comparison.low:.2f} to {comparison.high:.2f}) |")
    large = [each for each in found if is_streamed(each[0], cache_bytes)]
    print(f"\n{len(found)} layers: geometric mean {mean(each.ratio for _, each in found):.2f}.")
    if large:
        ratios, names = [each.ratio for _, each in large], ", ".join(f"`{workload.id}`" for workload, _ in large)
        print(
            f"\nWindows that do not overlap, inputs beyond {cache_bytes >> 20} MiB: geometric mean "
            f"{mean(ratios):.2f}, at most {max(ratios):.2f} ({names})."
        )


def is_streamed(workload: Workload, cache_bytes: int) -> bool:
    """Tell whether each element is read once at most, and from memory."""
    if workload.input_bytes <= cache_bytes:
        return False
    spec = workload.spec.as_windowed(workload.spatial)
    return spec is not None and all(window <= stride for window, stride in zip(spec.window, spec.stride, strict=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
