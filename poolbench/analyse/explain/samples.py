"""The samples themselves: how they scatter around what they estimate, and how many were rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poolbench.model.result import ResultRow, RunHeader
from poolbench.model.sample import RejectionRule
from poolbench.model.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleScatter:
    """A subject's slots over all workloads.

    ``relative`` holds each slot's time per call over the median of the clean slots of its workload × subject (of all
    slots where none is clean), ``rejected`` whether the slot was rejected; ``quartiles`` are of the clean ones.
    """

    subject: Subject
    relative: NDArray[np.float64]
    rejected: NDArray[np.bool_]
    quartiles: tuple[float, float]


def sample_scatters(header: RunHeader, rows: Sequence[ResultRow]) -> list[SampleScatter]:
    """Return one scatter per subject that has samples, in the order of the run."""
    rule = header.method.rejection
    groups: dict[str, dict[str, list[ResultRow]]] = {}
    for row in rows:
        if row.samples:
            groups.setdefault(row.subject, {}).setdefault(row.workload, []).append(row)
    scatters = []
    for subject in header.subjects:
        by_workload = groups.get(str(subject), {})
        if not by_workload:
            continue
        parts = [_relative(members, rule) for members in by_workload.values()]
        relative = np.concatenate([part for part, _ in parts])
        rejected = np.concatenate([flags for _, flags in parts])
        clean = relative[~rejected] if not rejected.all() else relative
        low, high = np.quantile(clean, (0.25, 0.75))
        scatters.append(
            SampleScatter(subject=subject, relative=relative, rejected=rejected, quartiles=(float(low), float(high)))
        )
    return scatters


def _relative(rows: Sequence[ResultRow], rule: RejectionRule) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    samples = [sample for row in rows for sample in row.samples]
    rejected = np.fromiter((s.elapsed_ns <= 0 or rule.rejects(s) for s in samples), dtype=bool, count=len(samples))
    calls = np.fromiter((sample.elapsed_ns / sample.loops for sample in samples), dtype=np.float64, count=len(samples))
    clean = calls[~rejected] if not rejected.all() else calls
    return calls / max(float(np.median(clean)), 1e-9), rejected
