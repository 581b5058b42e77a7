"""Keeping the caller's process as it was while a framework is imported into it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def process_kept() -> Iterator[None]:
    """Put environment variables and the global random numbers of Python and NumPy back when the context ends.

    The imports of TensorFlow and JAX set variables, which child processes would inherit, and draw random numbers. What
    else an import leaves, such as warning filters, stays.
    """
    variables, numbers, legacy_numbers = dict(os.environ), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in variables.items() if os.environ.get(name) != value})
        random.setstate(numbers)
        np.random.set_state(legacy_numbers)
