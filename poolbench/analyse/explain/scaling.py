"""How the time grows with the size, where the winner changes, and what a second thread gains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from poolbench.analyse.estimate.findings import RunSummary, WorkloadSummary, estimate
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.estimate.paired import compare_pair
from poolbench.analyse.estimate.student import t_quantile
from poolbench.model.estimate import Estimate
from poolbench.model.subject import Subject
from poolbench.model.workload import Workload

LEAST_SIZES = 4
"""A line through fewer sizes leaves too little to judge it by."""

LEAST_SPAN = 4.0
"""The largest size over the smallest: below this an exponent says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponent:
    """The power with which a time grows with the bytes read and written: 1 is in proportion, 0 not at all.

    By least squares through the logarithms, with a t interval of the slope; ``intercept`` is at one byte, of log ns.
    """

    subject: Subject
    value: float
    low: float
    high: float
    intercept: float
    workloads: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossover:
    """Where ``small``, the fastest at the smallest size by the fitted lines, gives way to ``large``.

    ``size_bytes`` is None where the lines do not cross within the sizes measured, or where no interval can be given
    (by Fieller's rule: the slope of the ratio is not surely different from 0).
    """

    small: Subject
    large: Subject
    size_bytes: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSeries:
    """Workloads that differ in size: ``title`` says what they share, ``exact`` whether that is the whole spec."""

    title: str
    exact: bool
    workloads: tuple[str, ...]
    exponents: tuple[Exponent, ...]
    crossover: Crossover | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedUp:
    """A subject's time with ``base_threads`` over its time with ``threads``, from interleaved blocks."""

    workload: str
    base: Subject
    subject: Subject
    base_threads: int
    threads: int
    gain: Estimate


def moved_bytes(workload: Workload) -> int:
    """Return the bytes that the pass reads and writes, each once."""
    return workload.read_bytes + workload.written_bytes


def size_series(summary: RunSummary, ledger: Ledger, *, most: int = 3) -> list[SizeSeries]:
    """Return the series over which times can be held against sizes, the longest first; at most ``most``.

    Where no spec was measured at enough sizes, layers of one kind, rank and type take its place, whatever their spec.
    """
    parsed = {w.id: w.workload for w in summary.workloads}
    by_spec: dict[tuple[object, ...], list[str]] = {}
    by_kind: dict[tuple[object, ...], list[str]] = {}
    for identity, workload in parsed.items():
        common = (workload.dtype, workload.pass_, workload.gradient_view)
        by_spec.setdefault((workload.spec, workload.order, workload.view, *common), []).append(identity)
        by_kind.setdefault((workload.spec.kind, workload.spec.rank, *common), []).append(identity)
    series: list[SizeSeries] = []
    for exact, groups in ((True, by_spec), (False, by_kind)):
        for members in sorted(groups.values(), key=len, reverse=True):
            sizes = {moved_bytes(parsed[identity]) for identity in members}
            if len(sizes) < LEAST_SIZES or max(sizes) < LEAST_SPAN * min(sizes):
                continue
            if any(set(members) == set(known.workloads) for known in series):
                continue
            series.append(_series(summary, ledger, members, parsed, exact))
    least = min(2, sum(not subject.is_plain_limit for subject in summary.header.subjects))
    useful = [found for found in series if len(found.exponents) >= least]
    exact_ones = [found for found in useful if found.exact]
    return (exact_ones or useful)[:most]


def speed_ups(summary: RunSummary, ledger: Ledger) -> list[SpeedUp]:
    """Return what more threads gain, for the subjects that were measured with several counts, workload by workload."""
    base_threads = summary.header.method.threads
    variants: dict[Subject, dict[int, Subject]] = {}
    for subject in summary.header.subjects:
        variants.setdefault(replace(subject, threads=None), {})[subject.threads or base_threads] = subject
    found = []
    for workload in summary.workloads:
        for counts in variants.values():
            base = min(counts)
            for count in sorted(counts.keys() - {base}):
                pair = compare_pair(ledger, workload.id, str(counts[base]), str(counts[count]), summary.policy)
                if pair.launches:
                    found.append(
                        SpeedUp(
                            workload=workload.id,
                            base=counts[base],
                            subject=counts[count],
                            base_threads=base,
                            threads=count,
                            gain=estimate(pair),
                        )
                    )
    return found


def _series(
    summary: RunSummary, ledger: Ledger, members: Sequence[str], parsed: dict[str, Workload], exact: bool
) -> SizeSeries:
    workloads = [w for w in summary.workloads if w.id in members]
    workloads.sort(key=lambda w: moved_bytes(parsed[w.id]))
    confidence = summary.policy.confidence
    exponents = []
    for subject in summary.header.subjects:
        points = _points(workloads, parsed, subject)
        if len({size for size, _ in points.values()}) >= LEAST_SIZES:
            sizes, times = np.log(np.array(list(points.values()))).T
            line = _Line(sizes, times)
            half = t_quantile(line.degrees, confidence) * math.sqrt(line.variance(0, 1))
            exponents.append(
                Exponent(
                    subject=subject,
                    value=line.slope,
                    low=line.slope - half,
                    high=line.slope + half,
                    intercept=line.intercept,
                    workloads=tuple(points),
                )
            )
    return SizeSeries(
        title=_shared(parsed[members[0]], exact),
        exact=exact,
        workloads=tuple(w.id for w in workloads),
        exponents=tuple(exponents),
        crossover=_crossover(summary, ledger, workloads, parsed, exponents),
    )


def _points(
    workloads: Sequence[WorkloadSummary], parsed: dict[str, Workload], subject: Subject
) -> dict[str, tuple[float, float]]:
    """Return bytes and nanoseconds by workload, of those on which the subject takes part in the comparison."""
    points = {}
    for workload in workloads:
        cell = workload.cell(subject)
        if cell is not None and cell.is_compared and cell.timing is not None:
            points[workload.id] = (float(moved_bytes(parsed[workload.id])), cell.timing.median_ns)
    return points


def _crossover(
    summary: RunSummary,
    ledger: Ledger,
    workloads: Sequence[WorkloadSummary],
    parsed: dict[str, Workload],
    exponents: Sequence[Exponent],
) -> Crossover | None:
    """Return where the winner changes among the subjects that have all points; None where fewer than two have."""
    complete = [found for found in exponents if len(found.workloads) == len(workloads)]
    if len(complete) < 2:
        return None
    ends = [math.log(moved_bytes(parsed[w.id])) for w in (workloads[0], workloads[-1])]
    small, large = (min(complete, key=lambda e: e.intercept + e.value * end).subject for end in ends)
    if small == large:
        return Crossover(small=small, large=large, size_bytes=None)
    pairs = {w.id: compare_pair(ledger, w.id, str(small), str(large), summary.policy) for w in workloads}
    known = {w: pair.ratio for w, pair in pairs.items() if pair.launches}
    size = None
    if len(known) >= LEAST_SIZES:
        sizes = np.log(np.array([float(moved_bytes(parsed[w])) for w in known]))
        root = _Line(sizes, np.log(np.array(list(known.values())))).root(summary.policy.confidence)
        if root is not None and ends[0] <= root[0] <= ends[1]:
            size = Estimate(value=math.exp(root[0]), low=math.exp(root[1]), high=math.exp(root[2]))
    return Crossover(small=small, large=large, size_bytes=size)


class _Line:
    """A line by least squares, with the variances of what is read off it."""

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        self.degrees = float(len(x) - 2)
        self._mean = float(x.mean())
        self._scatter = float(((x - self._mean) ** 2).sum())
        self.slope = float(((x - self._mean) * (y - y.mean())).sum()) / self._scatter
        self.intercept = float(y.mean()) - self.slope * self._mean
        residual = y - self.intercept - self.slope * x
        self._noise = float((residual**2).sum()) / self.degrees
        self._count = len(x)

    def variance(self, constant: float, factor: float) -> float:
        """Return the variance of ``constant`` × the intercept + ``factor`` × the slope."""
        return self._noise * (constant**2 / self._count + (constant * self._mean - factor) ** 2 / self._scatter)

    def root(self, confidence: float) -> tuple[float, float, float] | None:
        """Return where the line crosses 0, with Fieller's interval; None where that has no bounds.

        The interval holds each x for which (a + b x)² ≤ t² Var(a + b x), a quadratic inequality in x.
        """
        squared = t_quantile(self.degrees, confidence) ** 2
        middle = self.intercept + self.slope * self._mean  # in u = x − mean, a and b are uncorrelated
        leading = self.slope**2 - squared * self._noise / self._scatter
        half = middle * self.slope
        last = middle**2 - squared * self._noise / self._count
        inside = half**2 - leading * last
        if leading <= 0 or inside < 0:
            return None
        ends = sorted((-half + sign * math.sqrt(inside)) / leading for sign in (-1, 1))
        return self._mean - middle / self.slope, self._mean + ends[0], self._mean + ends[1]


def _shared(workload: Workload, exact: bool) -> str:
    """Return what the workloads of a series share, in the words of an id: "max2d k3s2p1 f32" or "max2d f32"."""
    kind = f"{workload.spec.kind.value}{workload.spec.rank}d"
    parts = workload.id.split("-")
    spec = " ".join(parts[3:-2]) if exact else ""
    suffix = workload.id.partition(".")[2]
    return " ".join(filter(None, (kind, spec, workload.dtype.value, suffix)))
