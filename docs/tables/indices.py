"""Print what vectors bring to ``return_indices=True``: ``python docs/tables/indices.py``.

Over the two-dimensional maxima of the set ``full``, in float32 on one thread, channels first: how many times as long
the scalar kernel takes, which did all indices once, as the kernel that the list chooses. The two take turns in one
process.
"""

from __future__ import annotations

import math
import statistics

import numpy as np
from ablation import array, ratio

from poolbench.catalogue.select import select
from poolbench.measure.machine import fingerprint
from poolbench.model.pooling import Kind
from poolbench.model.workload import Workload
from poolbench.strided import _pool


def main() -> None:
    """Measure, and print a line for each layer."""
    layers = [each for each in select(["full"]) if each.spec.kind is Kind.MAX and each.spec.rank == 2]
    found = {layer.id: gain(layer) for layer in layers}
    for name, times in sorted(found.items(), key=lambda item: item[1]):
        print(f"{times:6.1f}  {name}")
    mean = math.exp(statistics.fmean(map(math.log, found.values())))
    print(f"Machine {fingerprint().key}: {len(found)} layers, geometric mean {mean:.1f}.")


def gain(layer: Workload) -> float:
    """Return the scalar kernel's time over the chosen one's."""
    x, spec = array(layer, np.float32, "channels first"), layer.spec
    if spec.output is not None:
        family, own = "adaptive_max_pool", (spec.output, True)
    else:
        family, own = "max_pool", (spec.window, spec.stride, spec.padding, spec.dilation, spec.ceil_mode, True)
    pool = getattr(_pool, family)
    out = pool(2, x, *own, None, 1, "NCHW")
    return ratio(
        lambda: pool(2, x, *own, out, 1, "NCHW"),
        lambda: pool(2, x, *own, out, 1, "NCHW", "baseline", "scalar"),
    )


if __name__ == "__main__":
    main()
