"""How often intervals over launches cover the truth: the simulation behind docs/decisions/0003-interval.md.

``python -m tests.unit.analyse.estimate.simulation`` prints the page's table (about two minutes); the tests run a
reduced version. The generator is seeded, so that the figures come out the same anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import comb

import numpy as np
from numpy.typing import NDArray

from poolbench.analyse.estimate.location import huber, standard_error
from poolbench.analyse.estimate.student import t_quantile

Floats = NDArray[np.float64]
Bounds = tuple[Floats, Floats]
SEED = 20_260_301
LAUNCHES = (5, 6, 8, 10, 14, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Noise of log ratios whose true value is 0.

    ``launch_sd`` between launches, ``block_sd`` between blocks. ``bursts``: 5 % of the blocks are 5 to 20 % off, and in
    10 % of the launches one block holds a step of 2.5 %. ``disturbed``: 10 % of the launches are off by +10 % ("up"),
    or by 10 % to either side ("both").
    """

    launch_sd: float
    block_sd: float
    blocks: int
    bursts: bool = True
    disturbed: str = ""

    def estimates(self, rng: np.random.Generator, repetitions: int, launches: int) -> Floats:
        """Return launch estimates (the median over blocks), of shape (repetitions, launches)."""
        shape = (repetitions, launches, self.blocks)
        blocks = rng.normal(0, self.block_sd, shape)
        if self.bursts:
            size = rng.uniform(0.05, 0.2, shape) * rng.choice([-1, 1], shape)
            blocks += size * (rng.random(shape) < 0.05)
            stepped = rng.random(shape[:2]) < 0.1
            at = rng.integers(0, self.blocks, shape[:2])
            step = 0.025 * rng.choice([-1, 1], shape[:2])
            blocks += (stepped * step)[..., None] * (np.arange(self.blocks) == at[..., None])
        level = rng.normal(0, self.launch_sd, shape[:2])
        if self.disturbed:
            sign = rng.choice([-1, 1], shape[:2]) if self.disturbed == "both" else 1
            level += 0.1 * sign * (rng.random(shape[:2]) < 0.1)
        estimates: Floats = np.median(level[..., None] + blocks, axis=-1)
        return estimates


def scenarios(disturbed: str, *, bursts: bool = True) -> Iterator[Scenario]:
    """Yield the grid: launch sd 0.5 and 1.2 %, block sd 1 and 4 %, 1, 2 and 4 blocks."""
    for launch_sd, block_sd, blocks in product((0.005, 0.012), (0.01, 0.04), (1, 2, 4)):
        yield Scenario(launch_sd=launch_sd, block_sd=block_sd, blocks=blocks, bursts=bursts, disturbed=disturbed)


def ours(values: Floats) -> Bounds:
    """The interval that poolbench uses, as in ``location.locate``."""
    centre, influence, allowance, degrees = huber(values)
    half = _quantiles(degrees) * standard_error(influence) + allowance
    return centre - half, centre + half


def huber_alone(values: Floats) -> Bounds:
    """The same without the allowance."""
    centre, influence, _, degrees = huber(values)
    half = _quantiles(degrees) * standard_error(influence)
    return centre - half, centre + half


def plain_t(values: Floats) -> Bounds:
    """Mean ± t × standard error."""
    count = values.shape[-1]
    centre = values.mean(axis=-1)
    half = t_quantile(count - 1, 0.95) * values.std(axis=-1, ddof=1) / np.sqrt(count)
    return centre - half, centre + half


def trimmed_t(values: Floats) -> Bounds:
    """Tukey and McLaughlin's interval: 20 % trimmed mean, winsorised variance."""
    count = values.shape[-1]
    cut = count // 5
    ordered = np.sort(values, axis=-1)
    kept = ordered[:, cut : count - cut]
    winsorised = np.clip(ordered, kept[:, :1], kept[:, -1:])
    half = t_quantile(count - 2 * cut - 1, 0.95) * winsorised.std(axis=-1, ddof=1)
    half = half / ((1 - 2 * cut / count) * np.sqrt(count))
    return kept.mean(axis=-1) - half, kept.mean(axis=-1) + half


def wilcoxon(values: Floats) -> Bounds:
    """The interval around Hodges and Lehmann's estimate that inverts the exact signed-rank test."""
    count = values.shape[-1]
    first, second = np.triu_indices(count)
    walsh = np.sort((values[:, first] + values[:, second]) / 2, axis=-1)
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1
    for rank in range(1, count + 1):
        ways[rank:] = ways[rank:] + ways[:-rank].copy()
    cut = max(int(np.searchsorted(np.cumsum(ways) / 2**count, 0.025, side="right")), 0)
    cut = min(cut, walsh.shape[-1] // 2)
    return walsh[:, cut], walsh[:, walsh.shape[-1] - 1 - cut]


def order_statistics(values: Floats) -> Bounds:
    """The interval of the median that inverts the sign test."""
    count = values.shape[-1]
    tail, cut = 0.0, 0
    while cut < count // 2 and (tail + comb(count, cut) / 2**count) <= 0.025:
        tail += comb(count, cut) / 2**count
        cut += 1
    ordered = np.sort(values, axis=-1)
    cut = max(cut - 1, 0)
    return ordered[:, cut], ordered[:, count - 1 - cut]


METHODS: dict[str, Callable[[Floats], Bounds]] = {
    "plain t": plain_t,
    "20 % trimmed t": trimmed_t,
    "Wilcoxon": wilcoxon,
    "order statistics": order_statistics,
    "Huber t": huber_alone,
    "Huber t + allowance": ours,
}


def coverage(
    method: Callable[[Floats], Bounds], scenario: Scenario, launches: int, *, repetitions: int, seed: int = SEED
) -> tuple[float, float]:
    """Return the share of intervals that hold the truth, and their median half-width."""
    low, high = method(scenario.estimates(np.random.default_rng((seed, launches)), repetitions, launches))
    return float(((low <= 0) & (high >= 0)).mean()), float(np.median(high - low) / 2)


def _quantiles(degrees: Floats) -> Floats:
    table = {degree: t_quantile(float(degree), 0.95) for degree in np.unique(degrees)}
    quantiles: Floats = np.vectorize(table.__getitem__, otypes=[float])(degrees)
    return quantiles


def main() -> None:
    """Print, per kind of noise and number of launches, each method's least coverage and its mean half-width."""
    kinds = {
        "normal": list(scenarios("", bursts=False)),
        "bursts, steps": list(scenarios("")),
        "10 % of launches ±10 %": list(scenarios("both")),
        "10 % of launches +10 %": list(scenarios("up")),
    }
    print(f"| noise | launches | {' | '.join(METHODS)} |")
    print(f"| --- | ---: | {' | '.join('---:' for _ in METHODS)} |")
    for kind, cases in kinds.items():
        for launches in (*LAUNCHES, 40):
            cells = []
            for method in METHODS.values():
                results = [coverage(method, case, launches, repetitions=8000) for case in cases]
                least = min(covered for covered, _ in results)
                cells.append(f"{least:.3f}, ±{100 * np.mean([width for _, width in results]):.2f} %")
            print(f"| {kind} | {launches} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
