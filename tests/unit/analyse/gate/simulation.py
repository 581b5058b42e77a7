"""Error rates of the gate's verdict code on synthetic runs: ``python -m tests.unit.analyse.gate.simulation``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from poolbench.analyse.gate.judge import confirmed, is_suspected, judge, weigh
from poolbench.model.gate import GatePolicy, GateVerdict
from poolbench.model.method import Method
from poolbench.model.stage import Stage
from poolbench.model.verdict import Outcome
from tests.unit.builders import MAX2D, Noise, RunBuilder

POLICY = GatePolicy()


def verdict(
    ratio: float, seed: int, *, noise: Noise, survey: int = 8, confirmation: int = 8, policy: GatePolicy = POLICY
) -> GateVerdict:
    """Return what the gate says of a head that takes ``ratio`` times as long."""
    builder = RunBuilder(times={MAX2D: {"base": 100_000.0, "head": 100_000.0 * ratio}}, noise=noise, seed=seed)
    rows = [row for launch in range(survey) for row in builder.launch(launch)]
    surveyed = weigh(rows, MAX2D, "head", "base", policy, Method())
    if not is_suspected(surveyed, policy):
        rows += [row for launch in range(survey, survey + confirmation) for row in builder.launch(launch)]
        return judge(weigh(rows, MAX2D, "head", "base", policy, Method()), None, policy)
    for launch in range(survey, survey + confirmation):
        rows += [replace(row, stage=Stage.CONFIRMATION) for row in builder.launch(launch, importer=1)]
    found = {MAX2D: weigh(rows, MAX2D, "head", "base", policy, Method())}
    return judge(found[MAX2D], confirmed(found)[MAX2D], policy)


def rates(ratio: float, count: int, *, noise: Noise, survey: int = 8, confirmation: int = 8) -> Counter[str]:
    """Return how often each outcome came, and "regression"."""
    found: Counter[str] = Counter()
    for seed in range(count):
        result = verdict(ratio, seed, noise=noise, survey=survey, confirmation=confirmation)
        found[result.outcome.value] += 1
        found["regression"] += result.is_regression
        found["beyond"] += result.outcome is Outcome.SLOWER and result.comparison.low >= 1 + POLICY.tolerance
    return found


def main() -> None:
    """Print a table of rates."""
    count = 100
    print("| noise between launches | launches | planted | found | same | undecided | exit 1 | whole interval beyond |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for launch_sd in (0.015, 0.03):
        for launches in (8, 16):
            for ratio in (1.0, 1.02, 1.05):
                # Two subjects: the ratio's deviation is the root of two of each one's.
                noise = Noise(launch_sd=launch_sd / 2**0.5, slot_sd=0.01, disturbed=0.05)
                found = rates(ratio, count, noise=noise, survey=launches, confirmation=launches)
                cells = [
                    f"{100 * number / count:.1f} %"
                    for number in (
                        found["slower"] + (found["faster"] if ratio == 1 else 0),
                        found["same"], found["undecided"], found["regression"], found["beyond"],
                    )
                ]  # fmt: skip
                given = [f"{100 * launch_sd:g} %", f"{launches} + {launches}", f"{100 * (ratio - 1):.0f} %"]
                print(f"| {' | '.join([*given, *cells])} |")


if __name__ == "__main__":
    main()
