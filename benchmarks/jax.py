"""JAX."""

from ._suite import benchmarks

Latency, Memory, Limit = benchmarks("jax", "jax")
