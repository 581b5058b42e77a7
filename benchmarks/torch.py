"""PyTorch."""

from ._suite import benchmarks

Latency, Memory, Limit = benchmarks("torch", "torch", "torch:channels_last", "torch:compile")
