"""Ceil mode's windows at the edge of the smallest inputs, against PyTorch: also which of them PyTorch refuses."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from poolbench import strided
from poolbench.errors import InvalidIdError
from poolbench.model.ids import parse_id
from poolbench.strided import _pool, training

torch = pytest.importorskip("torch")
functional = torch.nn.functional


def answer(call: Any, x: Any, *arguments: Any, **options: Any) -> Any:
    """Return the result, or None where it is refused."""
    try:
        return call(x, *arguments, **options)
    except (ValueError, RuntimeError):
        return None


def axes(most: int) -> list[tuple[int, int, int, int, int]]:
    """Return every (length, window, stride, padding, dilation) up to ``most``, with a padding that PyTorch takes."""
    sizes = range(1, most + 1)
    return [
        (length, k, s, p, d)
        for length, k, s, d in itertools.product(sizes, sizes, sizes, range(1, 4))
        for p in range(k // 2 + 1)
    ]


def ramp(*shape: int) -> Any:
    return np.random.default_rng(7).permutation(int(np.prod(shape))).reshape(shape).astype(np.float32) + 1


def test_maxima_of_every_tiny_axis_are_pytorchs() -> None:
    compared = lone = 0
    for length, k, s, p, d in axes(5):
        x = ramp(1, 2, length)
        expected = answer(functional.max_pool1d, torch.from_numpy(x), k, s, p, d, True, return_indices=True)
        actual = answer(strided.max_pool1d, x, k, s, p, d, True, True)
        if expected is not None and bool(torch.isinf(expected[0]).any()):
            assert actual is None  # a window of padding alone: PyTorch has −∞ for it, where we refuse
            continue
        assert (actual is None) == (expected is None), (length, k, s, p, d)
        if expected is None:
            continue
        compared += 1
        lone += (k - 1) * d + 1 > length + 2 * p
        np.testing.assert_array_equal(actual[0], expected[0], str((length, k, s, p, d)))
        np.testing.assert_array_equal(actual[1], expected[1], str((length, k, s, p, d)))
    assert compared > 500
    assert lone > 50


@pytest.mark.parametrize("count_include_pad", [True, False])
def test_averages_of_every_tiny_axis_are_pytorchs(count_include_pad: bool) -> None:
    lone = 0
    for length, k, s, p, d in axes(5):
        if d > 1:
            continue
        x = ramp(1, 2, length)
        expected = answer(functional.avg_pool1d, torch.from_numpy(x), k, s, p, True, count_include_pad)
        actual = answer(strided.avg_pool1d, x, k, s, p, True, count_include_pad)
        assert (actual is None) == (expected is None), (length, k, s, p)
        if expected is None:
            continue
        lone += k > length + 2 * p
        np.testing.assert_allclose(actual, expected, 1e-6, err_msg=str((length, k, s, p)))
    assert lone > 10


LONE: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 1), {"kernel_size": 2}),
    ((1, 4), {"kernel_size": (2, 3), "stride": (2, 2)}),
    ((2, 1), {"kernel_size": 5, "stride": 4, "padding": (0, 1)}),
    ((3, 2), {"kernel_size": 4, "stride": 3}),
    ((1, 1, 1), {"kernel_size": 2}),
    ((2, 1, 3), {"kernel_size": (3, 2, 2), "stride": (2, 2, 1)}),
]


def average_of_volumes(x: Any, kernel_size: Any, **options: Any) -> Any:
    """Average as ``avg_pool3d`` would if it took inputs below the window: over zeros, divided by what is none."""
    spans = np.broadcast_to(kernel_size, 3).tolist()
    sides = [n for k, size in zip(spans[::-1], x.shape[:1:-1], strict=True) for n in (0, max(k - size, 0))]
    zeros, ones = (functional.pad(each, sides) for each in (x, torch.ones_like(x)))
    return functional.avg_pool3d(zeros, spans, **options) / functional.avg_pool3d(ones, spans, **options)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("channels", [1, 33])
@pytest.mark.parametrize(("spatial", "options"), LONE, ids=str)
def test_planes_and_volumes_and_their_gradients(
    spatial: tuple[int, ...], options: dict[str, Any], channels: int, channels_last: bool
) -> None:
    rank = len(spatial)
    x = ramp(2, channels, *spatial)
    if channels_last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    for kind in ("max", "avg"):
        tensor = torch.from_numpy(x.copy()).requires_grad_()
        pool = getattr(functional, f"{kind}_pool{rank}d")
        if kind == "avg" and rank == 3:
            pool = average_of_volumes
        expected = pool(tensor, **options, ceil_mode=True)
        np.testing.assert_allclose(
            getattr(strided, f"{kind}_pool{rank}d")(x, **options, ceil_mode=True), expected.detach(), 1e-6
        )
        output, pullback = getattr(training, f"{kind}_pool{rank}d")(x, **options, ceil_mode=True)
        np.testing.assert_allclose(output, expected.detach(), 1e-6)
        grad = ramp(*output.shape)
        expected.backward(torch.from_numpy(grad))
        for kernel in (None, "scalar"):
            actual = _pool.pull_back(pullback, grad, None, 2, None, kernel)[0]
            np.testing.assert_allclose(actual, tensor.grad, 1e-5)


def test_dilated_averages_count_what_lies_in_the_padded_input() -> None:
    x = np.array([[[2.0, 4.0]]])
    assert strided.avg_pool1d(x, 2, 3, dilation=2, ceil_mode=True).tolist() == [[[2.0]]]
    # Taps at -1, 1 and 3 of which the last lies beyond the padding of one.
    assert strided.avg_pool1d(x, 3, 2, 1, dilation=2, ceil_mode=True).tolist() == [[[2.0]]]


def test_a_stride_that_does_not_reach_leaves_no_window() -> None:
    with pytest.raises(ValueError, match=r"does not fit along w.* padding 0 and 0\), by as much as the stride or more"):
        strided.max_pool1d(np.ones((1, 1, 1)), 3, 2, ceil_mode=True)
    with pytest.raises(ValueError, match=r"kernel_size .* does not fit"):
        strided.max_pool1d(np.ones((1, 1, 1)), 2**62, 2**62, ceil_mode=True)


def test_ids_have_that_window() -> None:
    workload = parse_id("max2d-n1c1-h1w1-k2-ceil-f32-nchw")
    assert workload.reference_output_shape == (1, 1, 1, 1)
    assert workload.id == "max2d-n1c1-h1w1-k2-ceil-f32-nchw"
    with pytest.raises(InvalidIdError, match="by as much as the stride or more"):
        parse_id("max2d-n1c1-h1w1-k3s2-ceil-f32-nchw")
