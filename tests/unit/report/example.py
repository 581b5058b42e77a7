"""A summary with one of everything: ties, a failure, a contract that differs, contamination."""

from __future__ import annotations

from functools import lru_cache

from poolbench.analyse.findings import RunSummary
from poolbench.analyse.summary import summarise
from poolbench.model.result import Status
from tests.unit.builders import AVG2D, MAX1D, MAX2D, Noise, make_header, make_rows

SUBJECTS = ("numpy", "torch", "torch:channels_last", "tensorflow", "limit")
REASON = "TensorFlow pools nothing of this kind: | ~ and a long tail of words that a narrow terminal has to wrap."


@lru_cache
def example() -> RunSummary:
    """Return the summary."""
    times = {
        workload: {"numpy": 9e5, "torch": 2e5, "torch:channels_last": 2e5, "tensorflow": 3e5, "limit": 1e5}
        for workload in (MAX2D, AVG2D, MAX1D)
    }
    counted = {"divisor_padded": "counted"}
    rows = make_rows(
        times,
        noise=Noise(launch_sd=0.004, slot_sd=0.004, contaminated=0.02),
        failures={(MAX1D, "tensorflow"): (Status.UNSUPPORTED, REASON)},
        contracts={"numpy": counted, "torch": counted, "torch:channels_last": counted,
                   "tensorflow": {"divisor_padded": "not counted"}},
        layouts={"tensorflow": "nhwc", "torch:channels_last": "nhwc"},
    )  # fmt: skip
    names = {MAX2D: "resnet_pool", AVG2D: "inception_pool", MAX1D: "wavenet_pool"}
    return summarise(make_header(SUBJECTS, tuple(times), names=names), rows)
