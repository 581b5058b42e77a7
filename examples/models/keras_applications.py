"""Two models of Keras with random weights, which needs no download.

poolbench capture examples/models/keras_applications.py:inception --input 1x299x299x3
poolbench capture examples/models/keras_applications.py:efficientnet --input 1x224x224x3 --pass training
"""

import tensorflow as tf


def inception() -> tf.keras.Model:
    """Return InceptionV3: averages and maxima beside convolutions."""
    return tf.keras.applications.InceptionV3(weights=None)


def efficientnet() -> tf.keras.Model:
    """Return EfficientNetB0: a mean over all places in each of its blocks."""
    return tf.keras.applications.EfficientNetB0(weights=None)
