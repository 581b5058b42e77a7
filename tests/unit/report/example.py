"""A summary with one of everything: ties, a failure, a contract that differs, contamination."""

from __future__ import annotations

from functools import lru_cache

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.findings import RunSummary
from poolbench.model.memory import Amount, not_measured
from poolbench.model.result import Status
from poolbench.model.verdict import Ranking
from tests.unit.builders import AVG2D, MAX1D, MAX2D, Noise, make_header, make_rows

SUBJECTS = ("numpy", "torch", "torch:channels_last", "tensorflow", "limit")
REASON = "TensorFlow pools nothing of this kind: | ~ and a long tail of words that a narrow terminal has to wrap."


REQUESTS = {
    "numpy": Amount(bytes=3_277_872),
    "torch": Amount(bytes=9_634_384),
    "torch:channels_last": not_measured("memray is not installed."),
    "tensorflow": Amount(bytes=784),
}


@lru_cache
def example(*, memory: bool = False, ranking: Ranking = Ranking.TIME) -> RunSummary:
    """Return the summary, with an account of memory if that is asked for."""
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
        requests=REQUESTS if memory else {},
    )  # fmt: skip
    names = {MAX2D: "resnet_pool", AVG2D: "inception_pool", MAX1D: "wavenet_pool"}
    return summarise(make_header(SUBJECTS, tuple(times), names=names), rows, ranking=ranking)
