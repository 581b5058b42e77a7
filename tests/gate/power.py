"""What a gate would find, by resampling stored launches: ``python -m tests.gate.power RUN.jsonl… [--gates N]``.

Each run holds equal copies (``strided`` and ``strided#2``). A simulated gate asks the gate's own rule what to measure
next, and is given whole stored launches, drawn importer by importer, until its budget is used. A slowdown multiplies
the times of one side. The gate's own code judges. Which stored side plays the base is drawn once for each gate and
workload, so that what an importer keeps through its launches stays. Copies are equal, so what the two of a pool differ
by on average is divided out. Bounds come from drawing the importers of the pool anew, since a pool of some forty
launches is itself a sample.

It is no part of the tests that run on each push.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from poolbench.analyse.estimate.ledger import Ledger, estimates
from poolbench.analyse.estimate.location import locate
from poolbench.analyse.gate.judge import gate
from poolbench.analyse.gate.stopping import GateRule
from poolbench.api.gate import SECONDS_PER_VERDICT
from poolbench.model.gate import GatePolicy
from poolbench.model.result import ResultRow, RunHeader, Status
from poolbench.model.sample import Sample
from poolbench.model.subject import parse_subject
from poolbench.model.verdict import Outcome
from poolbench.store.reading import read_run

IMPORT_SECONDS = 0.5
"""What a new generation of importers takes beside the rows, in which it is not."""

PLANTED = (1.0, 1.02, 1.05)
SIDES = ("strided", "strided#2")
BASE, HEAD = parse_subject(SIDES[0]), parse_subject(SIDES[1])

Pool = dict[str, list[list[tuple[ResultRow, ResultRow]]]]
"""By workload, importer by importer, the two rows of each launch."""


@dataclass(frozen=True)
class Found:
    """One simulated gate: the outcome on each workload, and how many seconds it took."""

    outcomes: dict[str, Outcome]
    seconds: float


def pool_of(rows: list[ResultRow] | tuple[ResultRow, ...]) -> Pool:
    """Return the launches of a run in which both sides are OK."""
    by_launch: dict[tuple[str, int, int], dict[str, ResultRow]] = defaultdict(dict)
    for row in rows:
        if row.status is Status.OK:
            by_launch[row.workload, row.importer, row.launch][row.subject] = row
    pool: dict[str, dict[int, list[tuple[ResultRow, ResultRow]]]] = defaultdict(lambda: defaultdict(list))
    for (workload, importer, _), both in sorted(by_launch.items()):
        if set(SIDES) <= both.keys():
            pool[workload][importer].append((both[SIDES[0]], both[SIDES[1]]))
    return {workload: list(importers.values()) for workload, importers in pool.items()}


def redrawn(pool: Pool, draw: random.Random) -> Pool:
    """Return a pool whose importers are drawn from ``pool`` with replacement."""
    return {workload: draw.choices(importers, k=len(importers)) for workload, importers in pool.items()}


def simulate(header: RunHeader, pool: Pool, planted: float, seconds: float, draw: random.Random) -> Found:
    """Return what a gate finds that is given launches of ``pool``, its head slowed by ``planted``."""
    workloads = list(pool)
    offsets = {workload: _offset(header, workload, importers) for workload, importers in pool.items()}
    swapped = {workload: draw.random() < 0.5 for workload in workloads}
    rule = GateRule(
        workloads=workloads,
        base=SIDES[0],
        head=SIDES[1],
        budget_s=seconds * len(workloads),
        policy=GatePolicy(),
        method=header.method,
    )
    rows: list[ResultRow] = []
    elapsed, importer = 0.0, -1
    waiting: dict[str, list[tuple[ResultRow, ResultRow]]] = {}
    while (plan := rule.next_launch(rows, elapsed)) is not None:
        if plan.importer != importer:
            importer, waiting = plan.importer, {}
            elapsed += IMPORT_SECONDS
        for workload in plan.blocks:
            if rule.time_is_up(elapsed, plan.launch):
                break
            if not waiting.get(workload):
                waiting[workload] = list(draw.choice(pool[workload]))
            pair = waiting[workload].pop(0)
            place = {"launch": plan.launch, "importer": plan.importer, "stage": plan.stage}
            offset = -offsets[workload] if swapped[workload] else offsets[workload]
            for side, row in zip(SIDES, reversed(pair) if swapped[workload] else pair, strict=True):
                slowed = _slowed(row, planted * math.exp(-offset)) if side == SIDES[1] else row
                rows.append(replace(slowed, subject=side, group=f"{plan.launch}/{workload}", **place))
                elapsed += row.seconds
    result = gate(rows, base=BASE, head=HEAD, policy=GatePolicy(), method=header.method, workloads=workloads)
    return Found(outcomes={v.workload: v.outcome for v in result.verdicts}, seconds=elapsed)


def _offset(header: RunHeader, workload: str, importers: list[list[tuple[ResultRow, ResultRow]]]) -> float:
    """Return by what log ratio the sides of a pool differ. They are equal, so that it is the pool's own chance."""
    rows = [
        replace(row, launch=number, group=str(number))
        for number, pair in enumerate(pair for launches in importers for pair in launches)
        for row in pair
    ]
    ledger = Ledger(rows, header.method.rejection, header.method.clock)
    return locate([value for _, value in estimates(ledger.pairs(workload, SIDES[1], SIDES[0]))]).centre


def _slowed(row: ResultRow, factor: float) -> ResultRow:
    def slower(sample: Sample) -> Sample:
        further_ns = round(sample.cpu_ns * (factor - 1))
        return sample._replace(cpu_ns=sample.cpu_ns + further_ns, elapsed_ns=sample.elapsed_ns + further_ns)

    return replace(row, samples=tuple(map(slower, row.samples)))


def main() -> None:
    """Print, for each run and planted factor, the shares of verdicts with their bounds, and those by workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--gates", type=int, default=60, help="for each planted factor")
    parser.add_argument("--seconds", type=float, default=SECONDS_PER_VERDICT, help="for each verdict")
    given = parser.parse_args()
    print("| run | planted | verdicts | slower or faster | same | undecided | 95 % of redrawn pools | seconds |")
    print("|---|---:|---:|---:|---:|---:|---|---:|")
    by_workload: dict[str, dict[tuple[str, float], Counter[Outcome]]] = defaultdict(dict)
    for path in given.runs:
        run = read_run(path)
        names = {
            workload.id: workload.origin.name if workload.origin else workload.id for workload in run.header.workloads
        }
        pool, draw = pool_of(run.rows), random.Random(path.stem)
        for planted in PLANTED:
            shares, total, seconds = [], Counter[Outcome](), 0.0
            for _ in range(given.gates):
                found = simulate(run.header, redrawn(pool, draw), planted, given.seconds, draw)
                mine = Counter(found.outcomes.values())
                total += mine
                seconds += found.seconds
                shares.append(mine[Outcome.SAME if planted == 1 else Outcome.SLOWER] / len(found.outcomes))
                for workload, outcome in found.outcomes.items():
                    by_workload[names[workload]].setdefault((path.stem, planted), Counter())[outcome] += 1
            low, high = _interval(shares, draw)
            count = sum(total.values())
            claimed = total[Outcome.SLOWER] + (total[Outcome.FASTER] if planted == 1 else 0)
            cells = [f"{part / count:.1%}" for part in (claimed, total[Outcome.SAME], total[Outcome.UNDECIDED])]
            print(
                f"| {path.stem} | {planted - 1:.0%} | {count} | {' | '.join(cells)} | {low:.0%} to {high:.0%} "
                f"| {seconds / given.gates / len(pool):.1f} |"
            )
    columns = [(path.stem, planted) for path in given.runs for planted in PLANTED]
    print("\n| workload |" + "".join(f" {stem}, {planted - 1:.0%} |" for stem, planted in columns))
    print("|---|" + "---:|" * len(columns))
    for name, found_by in by_workload.items():
        cells = [
            found_by[key][Outcome.SAME if key[1] == 1 else Outcome.SLOWER] / max(sum(found_by[key].values()), 1)
            for key in columns
        ]
        print(f"| `{name}` |" + "".join(f" {cell:.0%} |" for cell in cells))


def _interval(shares: list[float], draw: random.Random) -> tuple[float, float]:
    """Return a bootstrap interval of the mean of ``shares``, each of which is a gate on a pool of its own."""
    means = sorted(sum(draw.choices(shares, k=len(shares))) / len(shares) for _ in range(1000))
    return means[25], means[974]


if __name__ == "__main__":
    main()
