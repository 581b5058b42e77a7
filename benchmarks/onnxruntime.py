"""ONNX Runtime."""

from ._suite import benchmarks

Latency, Memory, Limit = benchmarks("onnxruntime", "onnxruntime")
