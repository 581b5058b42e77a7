"""How well a workload is known so far, as far as a stopping rule needs it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from poolbench.analyse.estimate.ledger import LaunchPair, Ledger, block_noise, estimates
from poolbench.analyse.estimate.location import LEAST_LAUNCHES, locate
from poolbench.analyse.estimate.student import t_quantile
from poolbench.model.subject import LIMIT
from poolbench.model.verdict import Policy

MOST_BLOCKS = 4
"""A launch gets at most this many times the usual blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """What is known of a workload.

    ``failed``: no subject is left to be measured. ``worst`` is the widest half-width (log scale) among the ratios of
    each sound subject to the fastest and to the limit; ``doubtful`` whether a difference shows that is not sure enough
    to be claimed in the whole table. ``launch_sd`` is of the log ratio that varies most, and ``launches`` have an
    estimate of it, of ``blocks`` blocks on average. ``block_share`` is the part of the variance between launches that
    comes from noise between blocks: the median over the ratios, since of one it is known badly; None if unknown.
    """

    failed: bool = False
    worst: float = math.inf
    doubtful: bool = False
    launch_sd: float = math.inf
    block_share: float | None = None
    launches: int = 0
    blocks: float = 0.0

    def is_enough(self, target: float) -> bool:
        """Whether every ratio is known within ``target`` and what differs may be claimed."""
        return self.worst <= target and not self.doubtful

    def will_be_enough(self, target: float, launches: int) -> bool:
        """Whether the ratios will be known within ``target`` after ``launches`` launches, if noise stays as it is."""
        if self.failed:
            return True
        if self.launches < LEAST_LAUNCHES or self.doubtful:
            return False
        count = max(launches, self.launches)
        return t_quantile(count - 1, 0.95) * self.launch_sd / math.sqrt(count) <= target

    def block_factor(self, base: int) -> int:
        """Return by how much to multiply ``base`` blocks, so that noise between blocks no longer dominates."""
        if self.block_share is None or self.launches < LEAST_LAUNCHES:
            return 1
        factor = 1
        while factor < MOST_BLOCKS and self.block_share * self.blocks / (factor * base) > 1 - self.block_share:
            factor *= 2
        return factor


def workload_precision(ledger: Ledger, workload: str, policy: Policy, family: int) -> Precision:
    """Return what ``ledger`` tells of a workload. Subjects with a row that is not OK no longer count."""
    known = ledger.subjects(workload)
    if not known:
        return Precision()
    sound = [subject for subject in known if ledger.failure(workload, subject) is None]
    contenders = [subject for subject in sound if subject != LIMIT]
    if not contenders:
        return Precision(failed=True)
    pairs = _ratios(ledger, workload, contenders, has_limit=LIMIT in sound)
    if not pairs:
        return Precision(worst=0.0, launch_sd=0.0)  # one subject alone: there is no ratio to know
    worst, doubtful, largest_sd = 0.0, False, -1.0
    noisiest: list[LaunchPair] = []
    shares: list[float] = []
    for launches, is_claim in pairs:
        values = [value for _, value in estimates(launches)]
        if len(values) < LEAST_LAUNCHES:
            return Precision(launches=len(values))
        location = locate(values, policy.confidence)
        worst = max(worst, location.half_width)
        if is_claim and (location.low > 0 or location.high < 0):
            is_small = max(abs(location.low), abs(location.high)) <= policy.relevant_change
            doubtful |= location.p_value * family >= policy.family_error and not is_small
        spread = float(np.std(values, ddof=1))
        noise = block_noise(launches)
        if noise is not None and spread > 0:
            shares.append(min(noise**2 / _blocks(launches) / spread**2, 1.0))
        if spread > largest_sd:
            largest_sd, noisiest = spread, launches
    return Precision(
        worst=worst,
        doubtful=doubtful,
        launch_sd=largest_sd,
        block_share=median(shares) if shares else None,
        launches=sum(bool(launch.pairings) for launch in noisiest),
        blocks=_blocks(noisiest),
    )


def _blocks(launches: Sequence[LaunchPair]) -> float:
    """Return how many clean blocks a launch has on average."""
    return fmean(len(launch.pairings) for launch in launches if launch.pairings)


def _ratios(
    ledger: Ledger, workload: str, contenders: list[str], *, has_limit: bool
) -> list[tuple[list[LaunchPair], bool]]:
    """Return the launches of each ratio to the fastest, and to the limit; the flag says whether it may be claimed."""
    levels = {
        subject: [reduced.level for reduced in ledger.rows(workload, subject) if reduced.level is not None]
        for subject in contenders
    }
    measured = [subject for subject in contenders if levels[subject]]
    if not measured:
        return [([], True)]
    fastest = min(measured, key=lambda subject: float(np.median(levels[subject])))
    ratios = [(ledger.pairs(workload, subject, fastest), True) for subject in contenders if subject != fastest]
    if has_limit:
        ratios += [(ledger.pairs(workload, subject, LIMIT), False) for subject in contenders]
    return ratios
