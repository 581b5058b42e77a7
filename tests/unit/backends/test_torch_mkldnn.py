"""Where the tensors of ``torch:mkldnn`` lie, as oneDNN itself tells it."""

import os
import re
import subprocess
import sys

import pytest

from poolbench.backends import registry

SCRIPT = """
import sys
import numpy as np
from poolbench.backends import registry
from poolbench.backends.base import Source
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy

backend = registry.create("torch:mkldnn")
backend.load(threads=1)
workload = parse_id(sys.argv[1])
array = np.ones(workload.input_shape, np.float32)
gradient = np.ones(workload.output_shape, np.float32) if workload.pass_.is_training else None
prepared = backend.prepare(workload, Source(array=array, gradient=gradient, layout=LayoutPolicy(sys.argv[2])))
print("prepared", prepared.layout, flush=True)
prepared.run()
print("ran", flush=True)
"""

FORMATS = {"nchw": "abcd", "ncdhw": "abcde", "ndhwc": "acdeb", "nChw16c": "aBcd16b", "nChw8c": "aBcd8b"}


def told(text: str, layout: str) -> tuple[str, list[str]]:
    """Return the layout that is claimed, and what oneDNN says of each primitive of one timed call."""
    if not registry.describe("torch:mkldnn").installed:
        pytest.skip("torch is not installed")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, text, layout],
        env={**os.environ, "ONEDNN_VERBOSE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    claimed, timed = re.search(r"^prepared (\w+)$(.*)^ran$", done.stdout, re.M | re.S).groups()  # type: ignore[union-attr]
    return claimed, [line for line in timed.splitlines() if ",exec," in line]


@pytest.mark.parametrize("text", ["max2d-n1c5-h8w8-k2-f32-nchw", "avg3d-n1c5-d4h8w8-k2-f32-ncdhw"])
def test_the_timed_call_is_one_primitive_in_the_layout_that_is_named(text: str) -> None:
    claimed, primitives = told(text, "best")
    assert len(primitives) == 1
    assert ",pooling," in primitives[0]
    sides = re.findall(r"(?:src|dst):\w+:\w*:blocked:(\w+):", primitives[0])
    assert sides == [FORMATS[claimed]] * 2
    assert claimed not in ("nchw", "ncdhw")


def test_a_training_step_is_two_primitives_and_no_reorder() -> None:
    claimed, primitives = told("max2d-n1c5-h8w8-k2-f32-nchw.train", "best")
    assert [line.split(",")[5] for line in primitives] == ["pooling", "pooling"]
    assert all(FORMATS[claimed] in line for line in primitives)


def test_the_given_layout_pays_for_the_way_in_and_out() -> None:
    claimed, primitives = told("max2d-n1c5-h8w8-k2-f32-nhwc", "given")
    assert claimed == "nchw"
    assert [line.split(",")[5] for line in primitives] == ["reorder", "pooling", "reorder"]
