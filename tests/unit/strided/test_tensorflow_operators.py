"""``poolbench.strided.tensorflow``: the library's functions as operators of TensorFlow, eager and in graphs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from poolbench import strided
from poolbench.strided import training
from tests.unit.strided.operator_calls import CALLS, SHAPES, given, image

tf = pytest.importorskip("tensorflow")
pooling = pytest.importorskip("poolbench.strided.tensorflow")


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize(("name", "options"), CALLS)
def test_values_and_gradients(name: str, options: dict[str, Any], rank: int, layout: str) -> None:
    options, x = given(options, rank), image(rank, layout=layout)
    function = getattr(pooling, f"{name}{rank}d")
    output, pullback = getattr(training, f"{name}{rank}d")(x, **options, layout=layout)
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        pooled = function(tensor, **options, layout=layout)
        loss = tf.reduce_sum(tf.square(pooled))
    np.testing.assert_array_equal(pooled, output)
    np.testing.assert_allclose(tape.gradient(loss, tensor), pullback(2 * output), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(function(tensor[0], **options, layout=layout), output[0])


@pytest.mark.parametrize("sizes", [(2, 3, 9, 11), (None, 3, 9, 11), (None, None, None, None), (2, 3, None, 11)])
def test_graphs_know_what_can_be_known(sizes: tuple[int | None, ...]) -> None:
    seen: dict[str, Any] = {}

    @tf.function(input_signature=[tf.TensorSpec(sizes)])  # type: ignore[untyped-decorator]
    def both(x: Any) -> Any:
        output, indices = pooling.max_pool2d(x, 3, 2, 1, return_indices=True)
        means = pooling.adaptive_avg_pool2d(x, (4, None))
        (gradient,) = tf.gradients(tf.reduce_sum(tf.square(output)), x)
        seen.update(output=output.shape, indices=indices.shape, means=means.shape, gradient=gradient.shape)
        return output, indices, means, gradient

    x = image(2)
    values, places = strided.max_pool2d(x, 3, 2, 1, return_indices=True)
    expected = values, places, strided.adaptive_avg_pool2d(x, (4, None)), training.max_pool2d(x, 3, 2, 1)[1](2 * values)
    for ours, theirs in zip(both(tf.constant(x)), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)
    pooled = [None if size is None else (size + 1) // 2 for size in sizes[2:]]
    assert seen["output"].as_list() == seen["indices"].as_list() == [*sizes[:2], *pooled]
    assert seen["means"].as_list() == [*sizes[:2], 4, sizes[3]]
    assert seen["gradient"].as_list() == list(sizes)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64"])
def test_types(dtype: str) -> None:
    x = tf.cast(image(2), dtype)
    pooled = pooling.max_pool2d(x, 2)
    assert pooled.dtype == dtype
    np.testing.assert_array_equal(pooled, strided.max_pool2d(x.numpy(), 2))
    if "float" in dtype:
        np.testing.assert_array_equal(pooling.avg_pool2d(x, 2), strided.avg_pool2d(x.numpy(), 2))


def test_a_gradient_of_a_gradient_is_refused() -> None:
    x = tf.constant(image(2))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            loss = tf.reduce_sum(tf.square(pooling.avg_pool2d(x, 2)))
        gradient = inner.gradient(loss, x)
    with pytest.raises(RuntimeError, match=r"no gradients of their own: use tf\.nn\.pool"):
        outer.gradient(gradient, x)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda x: pooling.max_pool2d(x, 12), ValueError, "kernel_size (12, 12) does not fit along h"),
        (lambda x: tf.function(lambda x: pooling.max_pool2d(x, 12))(x), ValueError, "(12, 12) does not fit along h"),
        (lambda x: pooling.max_pool2d(x, 2.0), TypeError, "kernel_size is 2.0: give an integer"),
        (lambda x: pooling.max_pool2d(x, 2, layout="HWC"), ValueError, "layout is 'HWC': it must be 'NCHW'"),
        (lambda x: pooling.avg_pool2d(tf.cast(x, tf.int32), 2), TypeError, "average is taken of float64"),
        (lambda x: pooling.max_pool2d(x > 0, 2), TypeError, "max_pool2d: input has elements of bool"),
    ],
)
def test_errors_are_sentences(call: Callable[[Any], Any], kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=re.escape(sentence)):
        call(tf.constant(image(2)))


def test_what_a_graph_finds_out_when_it_runs_is_a_sentence() -> None:
    pool = tf.function(lambda x: pooling.max_pool2d(x, 5), input_signature=[tf.TensorSpec((1, 1, None, None))])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"kernel_size \(5, 5\) does not fit along h"):
        pool(tf.zeros((1, 1, 4, 4)))
