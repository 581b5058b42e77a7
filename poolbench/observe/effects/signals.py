"""The signals that information is measured on: random fields that are alike at every scale, as images are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.model.pooling import Ints

Array = NDArray[np.float64]

SEED = 20_240_229


def fields(count: int, shape: Ints, *, seed: int = SEED) -> Array:
    """Return ``count`` Gaussian random fields of ``shape``, with mean 0 and variance 1 over all of them.

    Their power falls with the frequency f as 1/f to the number of axes, so that each octave has the same: in two
    dimensions that is the spectrum of natural images (D. J. Field, "Relations between the statistics of natural images
    and the response properties of cortical cells", J. Opt. Soc. Am. A 4(12), 1987). They are cut out of periodic fields
    of twice the size, so that opposite edges are strangers to each other.
    """
    size = tuple(2 * length for length in shape)
    rank = len(shape)
    squares = sum(
        np.square(np.fft.fftfreq(length)).reshape([-1 if axis == place else 1 for axis in range(rank)])
        for place, length in enumerate(size)
    )
    frequency = np.sqrt(np.asarray(squares, dtype=np.float64))
    frequency.flat[0] = np.inf  # no power at frequency 0: the mean
    axes = tuple(range(1, rank + 1))
    noise = np.random.default_rng(seed).standard_normal((count, *size))
    spectrum = np.fft.fftn(noise, axes=axes) * frequency ** (-rank / 2)
    whole: Array = np.fft.ifftn(spectrum, axes=axes).real
    cut: tuple[Any, ...] = (slice(None), *(slice(length) for length in shape))
    found = whole[cut]
    scaled: Array = (found - found.mean()) / found.std()
    return scaled
