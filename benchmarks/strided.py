"""The strided kernel, on the widest instruction set that the processor has."""

from ._suite import benchmarks

Latency, Memory, Limit = benchmarks("strided", "strided", "strided:out")
