"""Which kernel does a call: what explain says is what runs, and what POOLBENCH_KERNELS leaves in."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from poolbench import strided
from poolbench.strided import _pool, training

X = np.random.default_rng(1).standard_normal((2, 16, 20, 20)).astype(np.float32)
INNERMOST = np.ascontiguousarray(X.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("x", [X, INNERMOST, X[:, :, ::-1, ::2]], ids=["channels first", "channels last", "view"])
def test_what_is_explained_is_what_runs(x: np.ndarray) -> None:
    explained = strided.explain(strided.max_pool2d, x, 3, 2, 1)
    _, ran = _pool.max_pool(2, x, 3, 2, 1, 1, False, False, None, 1, "NCHW", None, None)
    assert explained.kernels == {"pool": ran}
    explained = strided.explain(strided.avg_pool2d, x, 2, count_include_pad=False)
    _, ran = _pool.avg_pool(2, x, 2, None, 0, 1, False, False, None, None, 1, "NCHW", None, None)
    assert explained.kernels == {"pool": ran}


@pytest.mark.parametrize("x", [X, INNERMOST], ids=["channels first", "channels last"])
def test_training_explains_its_gradient_too(x: np.ndarray) -> None:
    explained = strided.explain(training.max_pool2d, x, 3, stride=2, padding=1)
    (y, ran), kept, *_ = _pool.train_max_pool(2, x, 3, 2, 1, 1, False, False, None, 1, "NCHW", None, None)
    _, ran_back = _pool.pull_back(kept, y, None, 1, None, None)
    assert explained.kernels == {"keep": ran, "gradient": ran_back}
    explained = strided.explain(training.avg_pool2d, x, 3, stride=2)
    assert list(explained.kernels) == ["pool", "gradient"]


def test_indices_of_floats_are_found_by_a_vector_kernel() -> None:
    name = strided.explain(strided.max_pool2d, X, 3, 2, return_indices=True).kernels["keep"]
    assert name.split("/")[0] == _pool.isa() and "scalar" not in name
    integers = strided.explain(strided.max_pool2d, X.astype(np.int32), 3, 2, return_indices=True)
    assert integers.kernels == {"keep": "baseline/keep/scalar/max/i32"}


def test_the_words_name_the_plan_and_who_else_could() -> None:
    (told,) = strided.explain(strided.max_pool2d, X, 3, 2, 1, threads=1).passes
    assert told.plan is not None
    assert (told.plan.h.positions, told.plan.h.windows, told.plan.w.padding) == (20, 10, 1)
    assert told.fitting[0] == told.kernel and told.fitting[-1] == "scalar"
    text = str(told)
    assert told.name in text and "20 to 10, window 3, stride 2, padding 1" in text and "on 1 thread," in text


def test_tiny_and_empty_inputs() -> None:
    (tiny,) = strided.explain(strided.max_pool2d, X[:1, :1, :4, :4], 2).passes
    assert tiny.plan is None and tiny.fitting == ("scalar",)
    assert strided.explain(strided.max_pool2d, X[:0], 2).passes == ()
    assert "nothing to do" in str(strided.explain(strided.max_pool2d, X[:0], 2))


def test_nothing_is_pooled() -> None:
    out = np.full((2, 16, 10, 10), 55, np.float32)
    strided.explain(strided.max_pool2d, X, 2, out=out)
    assert (out == 55).all()


def test_what_cannot_be_explained() -> None:
    with pytest.raises(ValueError, match="a pooling function of poolbench"):
        strided.explain(np.max, X)
    with pytest.raises(ValueError, match="kernel_size"):
        strided.explain(strided.max_pool2d, X, 50)


def kernels_under(setting: str) -> Any:
    code = (
        "import numpy as np; from poolbench import strided\n"
        "x = np.zeros((1, 16, 20, 20), np.float32)\n"
        "try:\n"
        "    strided.max_pool2d(x, 3, 2)\n"
        "    print(*sorted({'/'.join(name.split('/')[1:3]) for name in strided.variants()}))\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "POOLBENCH_KERNELS": setting},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_kernels_are_left_out_by_name() -> None:
    everything = kernels_under("").split()
    assert set(everything) - set(kernels_under("-rows").split()) == {"pool/rows", "keep/rows"}
    assert set(everything) - set(kernels_under("-keep/rows, -full").split()) == {"keep/rows", "pool/full", "keep/full"}
    scalar = {"pool/scalar", "keep/scalar", "gradient/scalar"}
    assert set(kernels_under("pool/rows").split()) == {"pool/rows", *scalar}


@pytest.mark.parametrize("setting", ["-rws", "planesx", "-scalar", "rows,-nothing"])
def test_a_wrong_kernel_name_is_an_error_in_every_call(setting: str) -> None:
    said = kernels_under(setting)
    assert f"POOLBENCH_KERNELS is '{setting}'" in said and "pool/rows" in said
