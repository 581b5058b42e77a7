"""oneDNN's subjects: forms of arrays, outputs that are made anew or reused, and what is asked of the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench.backends import registry
from poolbench.backends.base import Source
from poolbench.backends.onednn_library import PACKAGE, Form
from poolbench.errors import MissingFrameworkError
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy

NAMES = ("onednn", "onednn:channels_last", "onednn:blocked")
REUSING = ("onednn:out", "onednn:channels_last_out", "onednn:blocked_out")


def prepare(
    name: str,
    text: str,
    layout: LayoutPolicy = LayoutPolicy.BEST,
    *,
    array: NDArray[Any] | None = None,
    gradient: NDArray[Any] | None = None,
) -> Any:
    backend = registry.create(name)
    try:
        registry.require(backend)
    except MissingFrameworkError as error:
        pytest.skip(str(error))
    backend.load(threads=1)
    workload = parse_id(text)
    generator = np.random.default_rng(3)
    if array is None:
        array = generator.random(workload.input_shape, np.float32)
    if gradient is None and workload.pass_.is_training:
        gradient = generator.random(workload.output_shape, np.float32)
    return backend.prepare(workload, Source(array=array, gradient=gradient, layout=layout))


@pytest.mark.parametrize("channels", [1, 5, 16, 19, 32])
def test_a_blocked_array_holds_the_same_and_zeros_behind(channels: int) -> None:
    form = Form("nchw", 16)
    x = np.arange(2 * channels * 3 * 4, dtype=np.float32).reshape(2, channels, 3, 4) + 1
    blocks = -(-channels // 16)
    packed = form.pack(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), "nhwc")
    assert packed.shape == form.shape(x.shape) == (2, blocks, 3, 4, 16)
    for c in range(blocks * 16):
        expected = x[:, c] if c < channels else np.zeros((2, 3, 4))
        assert np.array_equal(packed[:, c // 16, :, :, c % 16], expected)
    assert np.array_equal(form.unpack(packed, channels), x)


def test_forms_are_written_as_onednn_writes_them() -> None:
    assert [str(form) for form in (Form("nchw"), Form("nhwc"), Form("nchw", 16), Form("ncdhw", 8))] == [
        "nchw", "nhwc", "nChw16c", "nCdhw8c",
    ]  # fmt: skip


@pytest.mark.parametrize("layout", list(LayoutPolicy))
@pytest.mark.parametrize("name", [*NAMES, *REUSING])
def test_an_output_is_reused_where_the_name_says_so_and_nowhere_else(name: str, layout: LayoutPolicy) -> None:
    prepared = prepare(name, "max2d-n1c5-h8w8-k3s2p1-f32-chwn", layout)
    first, second = prepared.run(), prepared.run()
    assert np.shares_memory(first, second) == (name in REUSING)


@pytest.mark.parametrize("name", [*NAMES, *REUSING])
def test_a_training_step_reuses_both_results_or_neither(name: str) -> None:
    prepared = prepare(name, "max2d-n1c5-h8w8-k3s2p1-f32-nchw.train")
    first, second = prepared.run(), prepared.run()
    assert [np.shares_memory(*pair) for pair in zip(first, second, strict=True)] == [name in REUSING] * 2


def test_a_pullback_belongs_to_its_own_forward() -> None:
    """The place of a maximum is kept with the forward that found it, not with the primitive."""
    array = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    gradient = np.ones((1, 1, 2, 2), np.float32)
    prepared = prepare("onednn", "max2d-n1c1-h4w4-k2-f32-nchw.trainfwd", array=array, gradient=gradient)
    _, before = prepared.run()
    array *= -1  # oneDNN is given this very array
    _, after = prepared.run()
    at = [pullback().reshape(4, 4).nonzero() for pullback in (before, after)]
    assert [list(zip(*found, strict=True)) for found in at] == [
        [(1, 1), (1, 3), (3, 1), (3, 3)],
        [(0, 0), (0, 2), (2, 0), (2, 2)],
    ]


def test_the_row_says_which_implementation_computes_each_pass() -> None:
    assert set(prepare("onednn:blocked", "max2d-n1c16-h8w8-k2-f32-nchw").kernels) == {"pool"}
    assert set(prepare("onednn:blocked", "max2d-n1c16-h8w8-k2-f32-nchw.train").kernels) == {"keep", "gradient"}
    assert set(prepare("onednn:blocked", "max2d-n1c16-h8w8-k2-f32-nchw.trainbwd").kernels) == {"gradient"}
    assert prepare("onednn:blocked", "max2d-n1c16-h8w8-k3s1d2-f32-nchw").kernels == {"pool": "ref:any"}


def test_the_facts_name_the_release_and_whether_outputs_are_reused() -> None:
    prepare("onednn", "max2d-n1c5-h8w8-k2-f32-nchw")
    told = {name: registry.create(name).facts() for name in ("onednn:blocked", "onednn:blocked_out")}
    assert [facts["output"] for facts in told.values()] == ["new", "reused"]
    assert all(facts[PACKAGE] for facts in told.values())
