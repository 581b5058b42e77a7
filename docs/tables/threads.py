"""Print what a second thread gains in a stored run, as Markdown: ``python docs/tables/threads.py RUN.jsonl``.

Per workload: the time of ``strided`` on one thread over that on two, with its 95 % interval, the same of the streaming
limit, and which of the two aims the first one meets; then the geometric mean of the first gain over the second.
Everything is recomputed from the samples.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from strided import mean  # beside this file

from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.estimate.paired import compare_pair
from poolbench.model.verdict import Policy
from poolbench.store.reading import read_run

ONE, TWO = "strided", "strided+threads=2"
LIMIT_ONE, LIMIT_TWO = "limit", "limit+threads=2"
GAIN = 1.6
OF_LIMIT = 0.9
"""A second thread should gain ``GAIN``, or this share of what the limit gains, whichever is less."""


def main(path: Path) -> None:
    """Print the table of the run at ``path`` and how many workloads meet the aim."""
    run = read_run(path)
    ledger = Ledger(run.rows, run.header.method.rejection)
    met = told = surely_missed = 0
    shares: list[float] = []
    print("| workload | gain of strided | gain of the limit | least aimed at |\n|---|---:|---:|---:|")
    for workload in ledger.workloads():
        ours = compare_pair(ledger, workload, ONE, TWO, Policy())
        limit = compare_pair(ledger, workload, LIMIT_ONE, LIMIT_TWO, Policy())
        if math.isnan(ours.ratio) or math.isnan(limit.ratio):
            print(f"| `{workload}` | – | – | – |")
            continue
        aim = min(GAIN, OF_LIMIT * limit.ratio)
        told += 1
        shares.append(ours.ratio / limit.ratio)
        met += ours.ratio >= aim
        surely_missed += ours.high < aim
        mark = "" if ours.ratio >= aim else " less, surely" if ours.high < aim else " less, not surely"
        gain = f"{ours.ratio:.2f} ({ours.low:.2f} to {ours.high:.2f})"
        print(f"| `{workload}` | {gain} | {limit.ratio:.2f} | {aim:.2f}{mark} |")
    print(
        f"\n{told} workloads: {met} gain what is aimed at, {surely_missed} surely less. Geometric mean of the kernel's "
        f"gain over the limit's: {mean(shares):.2f}."
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
