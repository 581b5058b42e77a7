"""``poolbench.strided.jax``: what JAX's transformations make of the library's functions."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from poolbench import strided
from poolbench.strided import training
from tests.unit.strided.operator_calls import CALLS, RANDOM, SHAPES, given, image

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
pooling = pytest.importorskip("poolbench.strided.jax")


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize(("name", "options"), CALLS)
def test_values_and_gradients(name: str, options: dict[str, Any], rank: int, layout: str) -> None:
    options, x = given(options, rank), image(rank, layout=layout)
    function = getattr(pooling, f"{name}{rank}d")
    output, pullback = getattr(training, f"{name}{rank}d")(x, **options, layout=layout)
    pooled, vjp = jax.vjp(lambda x: function(x, **options, layout=layout), x)
    assert isinstance(pooled, jax.Array)
    np.testing.assert_array_equal(pooled, output)
    grad = RANDOM.standard_normal(output.shape).astype(np.float32)
    np.testing.assert_array_equal(vjp(jnp.asarray(grad))[0], pullback(grad))
    np.testing.assert_array_equal(function(x[0], **options, layout=layout), output[0])


def test_indices_are_as_wide_as_jax_has_them() -> None:
    x = image(2)
    expected = strided.max_pool2d(x, 3, 2, 1, return_indices=True)
    for wide, dtype in ((False, jnp.int32), (True, jnp.int64)):
        with jax.enable_x64(wide):
            values, indices = pooling.max_pool2d(x, 3, 2, 1, return_indices=True)
            assert indices.dtype == dtype
            np.testing.assert_array_equal(values, expected[0])
            np.testing.assert_array_equal(indices, expected[1])
    gradient = jax.grad(lambda x: pooling.max_pool2d(x, 2, return_indices=True)[0].sum())(x)
    np.testing.assert_array_equal(gradient, training.max_pool2d(x, 2)[1](np.ones((2, 3, 4, 5), np.float32)))


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64"])
def test_types(dtype: str) -> None:
    with jax.enable_x64(True):
        x = jnp.asarray(image(2)).astype(dtype)
        assert pooling.max_pool2d(x, 2).dtype == dtype
        np.testing.assert_array_equal(pooling.max_pool2d(x, 2), strided.max_pool2d(np.asarray(x), 2))
        if "float" in dtype:
            np.testing.assert_array_equal(pooling.avg_pool2d(x, 2), strided.avg_pool2d(np.asarray(x), 2))
            assert jax.grad(lambda x: pooling.max_pool2d(x, 2).sum().astype(float))(x).dtype == dtype


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_transformations_within_each_other(name: str, layout: str) -> None:
    def pool(x: Any) -> Any:
        return getattr(pooling, name)(x, 3, 2, 1, layout=layout)

    def loss(x: Any) -> Any:
        return jnp.square(pool(x)).sum()

    xs = np.stack([image(2, layout=layout) for _ in range(3)])
    values = np.stack([getattr(strided, name)(x, 3, 2, 1, layout=layout) for x in xs])
    np.testing.assert_array_equal(jax.jit(jax.vmap(pool))(xs), values)
    np.testing.assert_array_equal(jax.vmap(jax.vmap(pool))(xs), values)
    np.testing.assert_array_equal(jax.vmap(pool, in_axes=2, out_axes=1)(np.moveaxis(xs, 0, 2)), values.swapaxes(0, 1))
    gradients = np.stack(
        [getattr(training, name)(x, 3, 2, 1, layout=layout)[1](2 * y) for x, y in zip(xs, values, strict=True)]
    )
    for transformed in (
        jax.vmap(jax.grad(loss)),
        jax.grad(lambda xs: jax.vmap(loss)(xs).sum()),
        jax.jit(jax.vmap(jax.grad(loss))),
    ):
        np.testing.assert_allclose(transformed(xs), gradients, rtol=1e-5, atol=1e-5)


def test_one_byte_is_kept_and_nothing_without_a_gradient() -> None:
    x = image(2)
    assert "pool_kept" not in str(jax.make_jaxpr(lambda x: pooling.max_pool2d(x, 2))(x))
    kept = [leaf for leaf in jax.tree.leaves(jax.vjp(lambda x: pooling.max_pool2d(x, 2), x)[1]) if leaf.size]
    assert [(leaf.dtype.name, leaf.shape) for leaf in kept] == [("uint8", (2, 3, 4, 5))]


def test_exported_for_any_batch() -> None:
    (batch,) = jax.export.symbolic_shape("b")
    checks = [jax.export.DisabledSafetyCheck.custom_call("poolbench_pool")]
    function = jax.export.export(jax.jit(lambda x: pooling.max_pool2d(x, 2)), disabled_checks=checks)
    exported = function(jax.ShapeDtypeStruct((batch, 3, 9, 11), jnp.float32))
    x = image(2)
    np.testing.assert_array_equal(exported.call(x), strided.max_pool2d(x, 2))


def twice(x: Any) -> Any:
    gradient = jax.grad(lambda x: jnp.square(pooling.max_pool2d(x, 2)).sum())
    return jax.grad(lambda x: gradient(x).sum())(x)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda x: pooling.max_pool2d(x, 12), ValueError, "kernel_size (12, 12) does not fit along h"),
        (lambda x: pooling.max_pool2d(x, 3, padding=2), ValueError, "padding is 2 along h"),
        (lambda x: pooling.max_pool2d(x, 2, stride=0), ValueError, "stride is 0: each entry must be at least 1"),
        (lambda x: pooling.max_pool2d(x, (2, 2, 2)), ValueError, "kernel_size is (2, 2, 2): give one number, or one"),
        (lambda x: pooling.max_pool2d(x, 2.0), TypeError, "kernel_size is 2.0: give an integer"),
        (lambda x: pooling.max_pool2d(x, 2, padding=((1, 1),)), ValueError, "give one number or pair for each"),
        (lambda x: pooling.avg_pool2d(x, 2, divisor_override=0), ValueError, "divisor_override is 0"),
        (lambda x: pooling.adaptive_avg_pool2d(x, -1), ValueError, "output_size is -1: each number is at least 1"),
        (lambda x: pooling.max_pool2d(x, 2, layout="HWC"), ValueError, "layout is 'HWC': it must be 'NCHW'"),
        (lambda x: pooling.max_pool3d(x[0], 2), ValueError, "has 3 axes"),
        (lambda x: pooling.avg_pool2d(x.astype(int), 2), TypeError, "average is taken of float64"),
        (lambda x: pooling.max_pool2d(x > 0, 2), TypeError, "max_pool2d: input has elements of bool"),
        (lambda x: pooling.max_pool2d(x.tolist(), 2), TypeError, "input is a list, not an array"),
        (lambda x: twice(x), RuntimeError, "no gradients of their own: use jax.lax.reduce_window"),
        (lambda x: jax.jvp(lambda x: pooling.max_pool2d(x, 2), (x,), (x,)), TypeError, "forward-mode"),
    ],
)
def test_errors_are_sentences(call: Callable[[Any], Any], kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=re.escape(sentence)):
        call(image(2))


def test_importing_the_library_loads_no_framework() -> None:
    code = "import sys; import poolbench.strided.request; assert not {'jax', 'tensorflow', 'torch'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
