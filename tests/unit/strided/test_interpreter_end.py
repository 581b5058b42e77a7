"""A daemon thread inside a call when the interpreter ends: the process ends with the program's own exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
REPETITIONS = 3

PROGRAM = """
import sys, threading
import numpy as np
from poolbench import strided
from poolbench.measure.limit import _stream
from poolbench.strided import training

x = np.ones((2, 32, 112, 112), np.float32)
output, pullback = training.max_pool2d(x, 3, 2, threads=2)
_, average = training.avg_pool2d(x, 3, 2, threads=2)
large = np.ones(1 << 22, np.uint8)
written = np.empty((1 << 20) + 64, np.uint8)
written = written[-written.ctypes.data % 64 :][: 1 << 20]
plan = _stream.Plan(large, np.array([0]), np.array([large.size]), 1, 0, written)
plan.choose(0, 2)


class Exporter:  # whose methods are Python code, in which a thread may lose the lock
    array = np.ones((1, 4), np.float32)
    def __dlpack__(self, **options):
        return sum(range(99)) and self.array.__dlpack__()
    def __dlpack_device__(self):
        return sum(range(99)) and (1, 0)


calls = {
    "maximum": lambda: strided.max_pool2d(x, 3, 1, threads=2),
    "average": lambda: strided.avg_pool2d(x, 3, 1, threads=2),
    "training": lambda: training.max_pool2d(x, 3, 2, threads=2),
    "gradient of a maximum": lambda: pullback(output, threads=2),
    "gradient of an average": lambda: average(output, threads=2),
    "probe": plan.run,
    "exporter": lambda: strided.max_pool1d(Exporter(), 2),
}
call = calls[sys.argv[1]]
begun = threading.Event()


def loop():
    while True:
        call()
        begun.set()


for _ in range(2):
    threading.Thread(target=loop, daemon=True).start()
if not begun.wait(60):
    sys.exit(1)
sys.exit(7)
"""

CALLS = ["maximum", "average", "training", "gradient of a maximum", "gradient of an average", "probe", "exporter"]


@pytest.mark.parametrize("call", CALLS)
def test_the_exit_code_is_the_programs(call: str) -> None:
    for _ in range(REPETITIONS):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, call], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 7, done.stderr
        assert "terminate" not in done.stderr
