"""ONNX Runtime."""

from .suite import benchmarks

Latency, Memory, Limit = benchmarks("onnxruntime", "onnxruntime")
