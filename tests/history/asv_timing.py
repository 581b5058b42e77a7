"""Whether asv times an operator of microseconds as a slot of poolbench does, or what it does around the calls too.

    python -m tests.history.asv_timing [--rounds 12] [WORKLOAD ...]

From the top of the repository, on a machine that does nothing else. In one process, on one prepared operator, asv's
own benchmark runner (which finds its number of calls a sample itself) and poolbench's slots take turns, so that
neither the machine nor a lucky place in memory decides.

Prints for each workload both medians and the median of their ratio over the rounds, with its quartiles, and ends with
1 where a ratio is off by more than a tenth.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from asv_runner.benchmarks.time import TimeBenchmark

from benchmarks import _suite, strided
from poolbench.measure.clock import Calls, calibrate, run_slot
from poolbench.model.method import Method

SUBJECT = "strided"
WORKLOADS = (
    "max2d-n1c88-h11w11-k3s2-f32-nchw",
    "max2d-n1c256-h8w25-k2s2x1p0x1-f32-nchw",
    "max3d-n1c512-d2h7w7-k2p0x1x1-f32-ncdhw",
)
"""The shortest calls of the set ``ci``, some 5 to 20 microseconds."""

ALLOWED = 0.1


def main() -> int:
    """Time what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=WORKLOADS, metavar="WORKLOAD", help="of the set ci")
    parser.add_argument("--rounds", type=int, default=12, help="asv and slots in turns so many times")
    options = parser.parse_args()
    return int(any([_is_off(workload, options.rounds) for workload in options.workloads]))


def _is_off(workload: str, rounds: int) -> bool:
    suite = strided.Latency()
    benchmark = TimeBenchmark("strided.Latency.time_call", suite.time_call, [suite])
    asv_ns: list[float] = []
    slot_ns: list[float] = []
    for _ in range(rounds):
        timed = benchmark.run(SUBJECT, workload)
        asv_ns.append(1e9 * statistics.median(timed["samples"]))
        calls = Calls([_suite._calls[SUBJECT, workload]])
        loops = calibrate(calls, Method().slot_ns)
        slots = [run_slot(calls, loops, loops // 10) for _ in range(len(timed["samples"]))]
        slot_ns.append(statistics.median(slot["elapsed_ns"] / slot["loops"] for slot in slots))
    ratios = [asv / slot for asv, slot in zip(asv_ns, slot_ns, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f"{workload}: asv {statistics.median(asv_ns) / 1e3:.2f} µs in samples of {timed['number']} calls, slots "
        f"{statistics.median(slot_ns) / 1e3:.2f} µs; asv over slots {middle:.3f} (quartiles {low:.3f} to {high:.3f})",
        flush=True,
    )
    return abs(middle - 1) > ALLOWED


if __name__ == "__main__":
    sys.exit(main())
