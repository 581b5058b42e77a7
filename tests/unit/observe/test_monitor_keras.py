"""A Keras model that is watched: its pooling layers where it computes at once, and nothing left behind."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

import poolbench  # noqa: E402
from poolbench.observe.monitor.types import LayerCall  # noqa: E402


def test_layers_are_timed_and_given_back(caplog):
    given = keras.Input((8, 8, 3))
    pooled = keras.layers.MaxPooling2D(2, name="pool")(given)
    model = keras.Model(given, keras.layers.GlobalAveragePooling2D(name="mean")(pooled))
    images = np.ones((2, 8, 8, 3), np.float32)
    expected = np.asarray(model(images))
    seen = []
    with poolbench.monitor(model, fraction=1, callback=seen.append) as monitor:
        assert np.array_equal(np.asarray(model(images)), expected)
        model.predict(images, verbose=0)
    calls = [each for each in seen if isinstance(each, LayerCall)]
    assert [(call.layer, call.function, call.order) for call in calls] == [
        ("pool", "MaxPooling2D", "nhwc"),
        ("mean", "GlobalAveragePooling2D", "nhwc"),
    ]
    assert calls[0].moved_bytes == 2 * 64 * 3 * 4 + 2 * 16 * 3 * 4 and monitor.status.problem == ""
    assert sum("in a graph" in record.message for record in caplog.records) == 1
    assert not any("call" in layer.__dict__ for layer in [model, *model.layers])
