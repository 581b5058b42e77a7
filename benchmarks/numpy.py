"""NumPy. ``numpy:loops`` is left out: a call of it takes seconds."""

from ._suite import benchmarks

Latency, Memory, Limit = benchmarks("numpy", "numpy:shifted", "numpy:windows")
