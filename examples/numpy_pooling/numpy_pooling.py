"""Max pooling in NumPy, as a project that knows nothing of poolbench would write it."""

import numpy as np


def max_pool2d(x, window, stride, padding):
    """Pool ``x`` of shape (batch, channels, height, width); sizes are pairs, padding is the same on both sides."""
    if any(padding):
        pads = ((0, 0), (0, 0), *((p, p) for p in padding))
        x = np.pad(x, pads, constant_values=-np.inf)
    height, width = ((size - k) // s + 1 for size, k, s in zip(x.shape[2:], window, stride, strict=True))
    y = None
    for i in range(window[0]):
        rows = slice(i, i + stride[0] * (height - 1) + 1, stride[0])
        for j in range(window[1]):
            columns = slice(j, j + stride[1] * (width - 1) + 1, stride[1])
            tap = x[:, :, rows, columns]
            y = tap.copy() if y is None else np.maximum(y, tap, out=y)
    return y
