"""Print how a subject stands against another: ``python docs/tables/pair.py RUN.jsonl SUBJECT REFERENCE [CSV]``.

A ratio is the subject's time over the reference's, with its 95 % interval, from their paired launches. A layer is
surely slower where the lower bound lies above 1.03 at a confidence that is corrected for the number of layers
(Bonferroni). Each launch's ratio is appended to the file CSV.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from poolbench.analyse.estimate.ledger import Ledger, estimates
from poolbench.analyse.estimate.location import average, locate
from poolbench.analyse.estimate.paired import compare_pair
from poolbench.model.verdict import Policy
from poolbench.store.reading import read_run

TOLERANCE = 1.03
SHOWN = 8
"""So many layers of the largest ratios are listed."""


def main(path: Path, subject: str, reference: str, table: Path | None = None) -> None:
    """Print the geometric mean, how many layers are surely slower, and the largest ratios."""
    run = read_run(path)
    ledger = Ledger(run.rows, run.header.method.rejection)
    policy = Policy()
    workloads = [each for each in ledger.workloads() if estimates(ledger.pairs(each, subject, reference))]
    found = [compare_pair(ledger, each, subject, reference, policy) for each in workloads]
    strict = Policy(confidence=1 - (1 - policy.confidence) / max(len(workloads), 1))
    surely = [each for each in workloads if compare_pair(ledger, each, subject, reference, strict).low > TOLERANCE]
    launches_of = [dict(estimates(ledger.pairs(each, subject, reference))) for each in workloads]
    mean = average(
        [(locate(list(own.values()), policy.confidence), list(own)) for own in launches_of], policy.confidence
    )
    if table is not None:
        layout = run.header.method.layout
        with table.open("a", encoding="utf-8") as file:
            for workload, own in zip(workloads, launches_of, strict=True):
                for launch, value in own.items():
                    file.write(f"{run.header.run},{layout},{workload},{launch},{math.exp(value):.5f}\n")
    low, centre, high = (math.exp(value) for value in (mean.low, mean.centre, mean.high))
    launches = sorted(each.launches for each in found)
    print(
        f"{run.header.run}, machine {run.header.machine.key}, layout {run.header.method.layout}: {subject} over "
        f"{reference}\n{len(found)} layers, {launches[0]} to {launches[-1]} launches: geometric mean {centre:.4f} "
        f"({low:.4f} to {high:.4f}); lower end above 1: {sum(each.low > 1 for each in found)}, upper end below 1: "
        f"{sum(each.high < 1 for each in found)}; surely slower by more than 3 %: {len(surely)} {' '.join(surely)}"
    )
    for each in sorted(found, key=lambda each: -each.ratio)[:SHOWN]:
        print(f"  {each.ratio:.3f} ({each.low:.3f} to {each.high:.3f})  {each.workload}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], *map(Path, sys.argv[4:5]))
