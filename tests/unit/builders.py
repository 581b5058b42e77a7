"""Synthetic runs: rows as a session would yield them, from given true times and given noise. No clock is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from poolbench.model.ids import parse_id
from poolbench.model.machine import Conditions, Hardware, MachineFingerprint
from poolbench.model.memory import Amount, Memory, least_bytes
from poolbench.model.method import Method
from poolbench.model.result import ResultRow, RunHeader, Status
from poolbench.model.sample import Sample
from poolbench.model.subject import parse_subject

RUN = "2026-03-01T12-00-00-abcd"
MAX2D = "max2d-n1c64-h112w112-k3s2p1-f32-nchw"
AVG2D = "avg2d-n1c192-h28w28-k3s1p1-f32-nchw"
MAX1D = "max1d-n8c64-w4096-k2-f32-ncw"
MAX3D = "max3d-n1c64-d16h56w56-k2-f32-ncdhw"
GLOBAL = "avg2d-n1c2048-h7w7-a1-f32-nchw"
WORKLOADS = (MAX2D, AVG2D, MAX1D, MAX3D, GLOBAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What disturbs a synthetic run; standard deviations are relative.

    ``launch_sd`` moves a subject's time for a whole launch, ``slot_sd`` each slot; ``drift`` is a linear slowdown of
    the machine per slot; ``disturbed`` the share of (launch, subject) that runs 10 % slower; ``contaminated`` the share
    of slots that waited for a core (and took twice as long).
    """

    launch_sd: float = 0.006
    slot_sd: float = 0.01
    drift: float = 0.0
    disturbed: float = 0.0
    contaminated: float = 0.0


QUIET = Noise(launch_sd=0.0, slot_sd=0.0)


@dataclass(slots=True, kw_only=True)
class RunBuilder:
    """Builds the rows of one launch after another.

    ``times`` gives the true nanoseconds per call by workload and subject (in the order of the blocks). ``failures``
    maps (workload, subject) to how and why it ended; such a pair gives one row, in the first launch, and no more.
    ``requests`` gives, by subject, the memory that a call requests; without it there is no account of memory.
    """

    times: Mapping[str, Mapping[str, float]]
    noise: Noise = Noise()
    seed: int = 1
    failures: Mapping[tuple[str, str], tuple[Status, str]] = field(default_factory=dict)
    contracts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    layouts: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, Amount] = field(default_factory=dict)
    slot_ns: int = 10_000_000
    _failed: set[tuple[str, str]] = field(default_factory=set, init=False)

    def launch(
        self, launch: int, *, blocks: int | Mapping[str, int] = 2, importer: int = 0, seconds: float = 0.1
    ) -> list[ResultRow]:
        """Return the rows of a launch; ``blocks`` may be given per workload, and then leaves the others out."""
        planned = dict.fromkeys(self.times, blocks) if isinstance(blocks, int) else blocks
        rows: list[ResultRow] = []
        for workload, count in planned.items():
            rows += self.group(workload, launch, blocks=count, importer=importer, seconds=seconds)
        return rows

    def group(
        self, workload: str, launch: int, *, blocks: int = 2, importer: int = 0, seconds: float = 0.1
    ) -> list[ResultRow]:
        """Return the rows of one workload in one launch. ``seconds`` is the wall time booked on each row."""
        number = list(self.times).index(workload)
        rng = np.random.default_rng((self.seed, launch, number))
        subjects = [s for s in self.times[workload] if (workload, s) not in self._failed]
        rows = []
        for place, subject in enumerate(subjects):
            failure = self.failures.get((workload, subject))
            if failure is not None:
                self._failed.add((workload, subject))
            status, note = failure or (Status.OK, "")
            samples = () if failure else self._samples(rng, workload, subject, place, len(subjects), blocks)
            rows.append(
                ResultRow(
                    run=RUN,
                    launch=launch,
                    importer=importer,
                    group=f"{launch}/{workload}",
                    revision="0123456789ab",
                    dirty=False,
                    started_at="2026-03-01T12:00:00.000000+00:00",
                    machine="test-2c-24g-00000000",
                    workload=workload,
                    subject=subject,
                    status=status,
                    note=note,
                    facts={"version": "1.0"},
                    contract=dict(self.contracts.get(subject, {})),
                    layout=self.layouts.get(subject, "nchw"),
                    memory=None if failure else self._memory(workload, subject),
                    loops=samples[0].loops if samples else 0,
                    samples=samples,
                    seconds=seconds,
                )
            )
        return rows

    def _memory(self, workload: str, subject: str) -> Memory | None:
        if subject not in self.requests:
            return None
        parsed = parse_id(workload)
        return Memory(
            output_bytes=parsed.output_bytes,
            least_bytes=least_bytes(parsed),
            requested=self.requests[subject],
            touched=Amount(bytes=4096),
        )

    def _samples(
        self, rng: np.random.Generator, workload: str, subject: str, place: int, subjects: int, blocks: int
    ) -> tuple[Sample, ...]:
        true_ns = self.times[workload][subject]
        loops = max(1, round(self.slot_ns / true_ns))
        level = rng.normal(0, self.noise.launch_sd) + 0.1 * (rng.random() < self.noise.disturbed)
        samples = []
        for block in range(blocks):
            for position in (place, 2 * subjects - 1 - place):
                drift = self.noise.drift * (block * 2 * subjects + position)
                hit = bool(rng.random() < self.noise.contaminated)
                call_ns = true_ns * np.exp(level + rng.normal(0, self.noise.slot_sd) + drift) * (2 if hit else 1)
                elapsed = round(call_ns * loops)
                samples.append(
                    Sample(
                        block=block,
                        position=position,
                        loops=loops,
                        elapsed_ns=elapsed,
                        cpu_ns=elapsed // 2 if hit else elapsed,
                        foreign_cpu_ns=elapsed // 2 if hit else 0,
                        page_faults=0,
                        context_switches=int(hit),
                    )
                )
        return tuple(samples)


def make_rows(
    times: Mapping[str, Mapping[str, float]],
    *,
    launches: int = 6,
    blocks: int = 2,
    noise: Noise = Noise(),
    seed: int = 1,
    failures: Mapping[tuple[str, str], tuple[Status, str]] | None = None,
    contracts: Mapping[str, Mapping[str, str]] | None = None,
    layouts: Mapping[str, str] | None = None,
    requests: Mapping[str, Amount] | None = None,
) -> list[ResultRow]:
    """Return the rows of a whole run; the second half of the launches is forked from importer 1."""
    builder = RunBuilder(
        times=times,
        noise=noise,
        seed=seed,
        failures=failures or {},
        contracts=contracts or {},
        layouts=layouts or {},
        requests=requests or {},
    )
    rows: list[ResultRow] = []
    for launch in range(launches):
        rows += builder.launch(launch, blocks=blocks, importer=int(2 * launch >= launches))
    return rows


def make_header(
    subjects: Sequence[str],
    workloads: Sequence[str] = WORKLOADS,
    *,
    names: Mapping[str, str] | None = None,
    budget_s: float = 90.0,
    method: Method | None = None,
) -> RunHeader:
    """Return the header of a synthetic run."""
    return RunHeader(
        run=RUN,
        started_at="2026-03-01T12:00:00+00:00",
        revision="0123456789ab",
        dirty=False,
        machine=MachineFingerprint(
            hardware=Hardware(
                processor="Test Processor 9000",
                architecture="x86_64",
                cores=2,
                cache_bytes={"L1d": 32 << 10, "L2": 1 << 20, "L3": 32 << 20},
                flags=("avx2", "avx512f"),
                memory_gib=24,
                virtualisation="kvm",
            ),
            conditions=Conditions(load_1min=0.2, steal_share=0.01),
            software={"python": "3.11.7", "numpy": "2.4.0", "torch": "2.13.0"},
        ),
        method=method or Method(),
        budget_s=budget_s,
        subjects=tuple(map(parse_subject, subjects)),
        workloads=tuple(parse_id(text).named(names or {}) for text in workloads),
    )
