"""Reports of runs that are stored in the repository, and of planted ones, each written once per test session."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from poolbench.model.memory import Amount
from poolbench.model.result import ResultRow, RunHeader, Status
from tests.unit.builders import Noise, make_header, make_rows

ROOT = Path(__file__).parents[3]
SIZES = tuple(f"max2d-n1c64-h{size}w{size}-k2-f32-nchw" for size in (28, 56, 112, 224))
WINDOWS = tuple(f"max2d-n1c512-h12w16-k{size}s1p{size // 2}-f32-nchw" for size in (3, 5, 9))
TRAINED = "max2d-n1c64-h112w112-k3s2p1-f32-nchw.train"
SUBJECTS = ("strided", "strided+threads=2", "torch", "tensorflow:xla", "limit")


@lru_cache
def everything() -> tuple[RunHeader, tuple[ResultRow, ...]]:
    """Return a run that fills every section: sizes, windows, threads, memory, contracts, a failure, rejected slots."""
    times = {}
    for place, workload in enumerate((*SIZES, *WINDOWS, TRAINED)):
        base = 2e4 * 3.7**place if workload in SIZES else 3e5 * 1.4**place
        times[workload] = {
            "strided": base,
            "strided+threads=2": base / 1.7,
            "torch": base * 9,
            "tensorflow:xla": base * 1.8 / 1.5**place,
            "limit": base / 3,
        }
    rows = make_rows(
        times,
        launches=5,
        noise=Noise(launch_sd=0.01, slot_sd=0.02, contaminated=0.03),
        failures={(WINDOWS[0], "torch"): (Status.CRASHED, "killed by signal 11 while it was timed")},
        contracts={subject: {"ties": "first", "nan": "ignored" if "tensor" in subject else "propagates"}
                   for subject in SUBJECTS[:-1]},
        requests={"strided": Amount(bytes=802_816), "torch": Amount(bytes=9_634_384)},
    )  # fmt: skip
    header = make_header(SUBJECTS, tuple(times), names={SIZES[0]: "vgg16_pool1", SIZES[1]: "vgg16_pool2"})
    return header, tuple(replace(row, machine=header.machine.key) for row in rows)
