"""OpenVINO."""

from ._suite import benchmarks

Latency, Memory, Limit = benchmarks("openvino", "openvino", "openvino:out")
