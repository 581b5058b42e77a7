"""What JAX and TensorFlow trace, each in a process of its own."""

from __future__ import annotations

import pytest

from poolbench.api.capture import capture_target
from poolbench.errors import CaptureError
from poolbench.model.workload import Pass

JAX = """
import jax
import jax.numpy as jnp
from jax import lax

def windows(x):
    y = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
    mean = lax.reduce_window(y, 0.0, lax.add, (1, 2, 2, 1), (1, 1, 1, 1), "VALID") / 4
    count = lax.reduce_window(jnp.ones_like(mean), 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
    z = lax.reduce_window(mean, 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME") / count
    with jax.named_scope("tail"):
        total = lax.reduce_window(z, 0.0, lax.add, (1, 2, 2, 1), (1, 1, 1, 1), "VALID")
    return jnp.mean(z, axis=(1, 2)), jnp.max(z, axis=(1, 2)), total, jnp.sum(z, axis=(1, 2)), jnp.mean(z, axis=3)

jitted = jax.jit(windows)

def step(weight, x):
    return jax.grad(lambda w: sum(jnp.sum(part) for part in jitted(x * w)))(weight)

def line(x):
    y = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2), (1, 1, 2), "VALID")
    return y.mean(axis=1)

def loop(x):
    once = lambda i, x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
    return lax.fori_loop(0, 3, once, x)

def least(x):
    return lax.reduce_window(x, jnp.inf, lax.min, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")

def wrong(x):
    return x @ x
"""

WINDOWS = {
    "max2d-n2c4-h8w8-k3s2p0_1-f32-nhwc": 1,
    "avg2d-n2c4-h4w4-k2s1-f32-nhwc": 1,
    "avg2d-n2c4-h3w3-k3s1p1-xpad-f32-nhwc": 1,
    "avg2d-n2c4-h3w3-k2s1-div1-f32-nhwc": 1,
    "avg2d-n2c4-h3w3-a1-f32-nhwc": 1,
    "max2d-n2c4-h3w3-a1-f32-nhwc": 1,
}

TENSORFLOW = """
import tensorflow as tf
from tensorflow import keras

def net():
    layers = keras.layers
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, padding="same", name="stem")(images)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool")(x)
    x = layers.AveragePooling2D(2)(x)
    x = x * layers.GlobalAveragePooling2D(keepdims=True, name="gate")(x)
    planes = layers.GlobalMaxPooling2D()(x)
    line = layers.MaxPooling1D(2)(layers.Reshape((-1, 4))(x))
    line = layers.GlobalMaxPooling1D(name="global_max_pooling1d")(line)
    tokens = keras.ops.mean(layers.Reshape((-1, 4))(x), axis=1)
    return keras.Model(images, layers.Dense(2)(layers.Concatenate()([planes, line, tokens])), name="net")

def early():
    images = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 1)(keras.layers.MaxPooling2D(2)(images))
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(keras.layers.AveragePooling2D(2)(x)))

@tf.function
def explicit(x):
    return tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 1], [1, 1], [0, 0]])

def around(x):
    return explicit(x)

@tf.function
def indices(x):
    return tf.nn.max_pool_with_argmax(x, 2, 2, "VALID")[0]

def wrong(x):
    return tf.nn.max_pool2d(x, 99, 1, "VALID")
"""

NET = {
    "max2d-n2c4-h16w16-k3s2p0_1-f32-nhwc": 1,
    "avg2d-n2c4-h8w8-k2-f32-nhwc": 1,
    "avg2d-n2c4-h4w4-a1-f32-nhwc": 1,
    "max2d-n2c4-h4w4-a1-f32-nhwc": 1,
    "max1d-n2c4-w16-k2-f32-nwc": 1,
    "max1d-n2c4-w8-a1-f32-nwc": 1,
}


@pytest.fixture
def seen(tmp_path):
    """Returns the ids, or reasons, of what one of the functions above pools, with their counts."""

    def see(text, name, *inputs, pass_=Pass.FORWARD):
        path = tmp_path / "planted.py"
        path.write_text(text)
        found = capture_target(f"{path}:{name}", inputs, pass_=pass_)
        assert found.problem == ""
        see.capture = found
        return {call.workload.id if call.workload else call.reason: call.count for call in found.calls}

    pytest.importorskip("jax")
    pytest.importorskip("tensorflow")
    return see


def test_windows_of_jax(seen):
    assert seen(JAX, "windows", "2x8x8x4") == WINDOWS
    (tail,) = [call for call in seen.capture.calls if "div1" in call.workload.id]
    assert tail.places[0].layer == "tail"


@pytest.mark.parametrize(("name", "inputs"), [("jitted", ["2x8x8x4"]), ("step", ["1", "2x8x8x4"])])
def test_gradients_of_jax(seen, name, inputs):
    expected = {f"{key}.train": count for key, count in WINDOWS.items()}
    assert seen(JAX, name, *inputs, pass_=Pass.TRAINING) == expected
    if name == "step":  # which takes its gradient itself
        assert seen(JAX, name, *inputs) == expected


def test_other_programs_of_jax(seen):
    assert seen(JAX, "line", "2x3x8") == {"max1d-n2c3-w8-k2-f32-ncw": 1}
    assert seen(JAX, "loop", "2x8x8x4") == {"max2d-n2c4-h8w8-k3s1p1-f32-nhwc": 3}
    (reason,) = seen(JAX, "least", "2x8x8x4")
    assert "minima" in reason


def test_a_keras_model(seen):
    assert seen(TENSORFLOW, "net", "2x16x16x3") == NET
    layers = {place.layer for call in seen.capture.calls for place in call.places}
    assert {"pool", "gate"} <= layers
    assert seen.capture.calls[0].workload.origin.model == "net"


def test_a_keras_model_in_training(seen):
    expected = {f"{key}.train": count for key, count in NET.items()}
    assert seen(TENSORFLOW, "net", "2x16x16x3", pass_=Pass.TRAINING) == expected


def test_what_comes_before_all_that_is_trained_has_no_gradient(seen):
    assert seen(TENSORFLOW, "early", "2x16x16x3", pass_=Pass.TRAINING) == {
        "max2d-n2c3-h16w16-k2-f32-nhwc": 1,
        "avg2d-n2c4-h8w8-k2-f32-nhwc.train": 1,
        "avg2d-n2c4-h4w4-a1-f32-nhwc.train": 1,
    }


def test_functions_of_tensorflow(seen):
    one = {"max2d-n2c3-h16w16-k3s2p1-f32-nhwc": 1}
    assert seen(TENSORFLOW, "explicit", "2x16x16x3") == one
    assert seen(TENSORFLOW, "around", "2x16x16x3") == one
    assert seen(TENSORFLOW, "around", "2x16x16x3", pass_=Pass.TRAINING) == {f"{key}.train": 1 for key in one}
    (reason,) = seen(TENSORFLOW, "indices", "2x16x16x3")
    assert "indices" in reason


@pytest.mark.parametrize(
    ("text", "said"),
    [(JAX, r"TypeError: dot_general.* \(planted.py, line \d+\)"), (TENSORFLOW, "ValueError: Negative dimension .*")],
)
def test_a_function_that_fails(seen, text, said):
    with pytest.raises(CaptureError, match=rf"wrong failed: {said}\.$"):
        seen(text, "wrong", "2x3x4x5")


KERAS = """
import os
os.environ["KERAS_BACKEND"] = "WHICH"
import keras

def net():
    images = keras.Input((16, 16, 3))
    return keras.Model(images, keras.layers.AveragePooling2D(2)(keras.layers.Conv2D(4, 1)(images)))
"""


@pytest.mark.parametrize(("backend", "order"), [("torch", "nchw"), ("jax", "nhwc")])
def test_a_keras_model_computes_with_the_backend_that_is_set(seen, backend, order):
    pytest.importorskip(backend)
    assert list(seen(KERAS.replace("WHICH", backend), "net", "2x16x16x3")) == [f"avg2d-n2c4-h16w16-k2-f32-{order}"]
    assert seen.capture.framework == backend
