"""A process that calls a subject a number of times, unmarked: what Valgrind counts of it grows by a call each.

python -m tests.count.plain BACKEND ID CALLS    (BACKEND "-" for the call that does nothing)
"""

from __future__ import annotations

import gc
import sys

import numpy as np

from poolbench.backends import registry
from poolbench.backends.base import Source
from poolbench.measure.count.marks import Empty, marked
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy
from poolbench.verify.fill import arrange


def main() -> int:
    """Prepare as the counted process does, without the check, and call."""
    name, text, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
    call = Empty().run
    if name != "-":
        workload = parse_id(text)
        backend = registry.create(name)
        backend.load(1)
        values = np.random.default_rng(1).random(workload.reference_input_shape, np.float32)
        prepared = backend.prepare(workload, Source(array=arrange(values, workload), layout=LayoutPolicy.GIVEN))
        call = prepared.run  # type: ignore[assignment]
    gc.freeze()
    # Silent: as the counted process does before it marks. A signal's number of 0 is sent to nobody.
    marked(call, repeats=0, warm=calls)
    return 0


if __name__ == "__main__":
    sys.exit(main())
