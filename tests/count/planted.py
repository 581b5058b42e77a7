"""A process that pools a layer by the vector kernel beside this file, between marks.

python -m tests.count.planted LIBRARY ID    (the kernel compiled, as ``build`` does it)
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np

from poolbench.measure.count.marks import marked
from poolbench.model.ids import parse_id
from poolbench.model.workload import Workload

SOURCE = Path(__file__).with_name("vector_kernel.cpp")


def build(folder: Path, *, planted: bool) -> Path:
    """Compile the kernel into ``folder``, with an instruction more for each vector where ``planted``."""
    # Names of one length: where Python's strings lie moves its allocator by some instructions.
    library = folder / ("extra.so" if planted else "plain.so")
    more = ["-DPLANTED"] if planted else []
    subprocess.run(["g++", "-O2", "-shared", "-fPIC", *more, "-o", str(library), str(SOURCE)], check=True)
    return library


def numbers(workload: Workload) -> list[int]:
    """Return the sizes that the kernel takes."""
    spec, rank = workload.spec, workload.spec.rank
    spare = 3 - rank
    window = spec.window or workload.spatial  # adaptive: global, in the layers that are counted here
    stride = spec.stride or window
    begin = [low for low, _ in spec.padding]
    ones, zeros = [1] * spare, [0] * spare
    return [
        *(*ones, *workload.spatial, workload.channels),
        *(*ones, *workload.output_spatial),
        *(*ones, *window),
        *(*ones, *stride),
        *(*zeros, *begin),
    ]


def vectors(workload: Workload) -> int:
    """Return how many vectors the kernel reads: those under windows, within the input, eight channels each."""
    size = numbers(workload)
    total = workload.channels // 8
    for axis in range(3):
        have, out = size[axis], size[4 + axis]
        window, stride, pad = size[7 + axis], size[10 + axis], size[13 + axis]
        total *= sum(0 <= o * stride + k - pad < have for o in range(out) for k in range(window))
    return total


def main() -> int:
    """Pool three times between marks."""
    library, workload = ctypes.CDLL(sys.argv[1]), parse_id(sys.argv[2])
    x = np.random.default_rng(1).random(int(np.prod(workload.input_shape)), np.float32)
    y = np.empty(int(np.prod(workload.output_shape)), np.float32)
    sizes = np.array(numbers(workload), np.int64)
    call = partial(library.pool, *(ctypes.c_void_p(array.ctypes.data) for array in (x, y, sizes)))
    marked(call, repeats=3, warm=300)
    return 0


if __name__ == "__main__":
    sys.exit(main())
