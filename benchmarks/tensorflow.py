"""TensorFlow."""

from ._suite import benchmarks

Latency, Memory, Limit = benchmarks("tensorflow", "tensorflow", "tensorflow:graph", "tensorflow:xla")
