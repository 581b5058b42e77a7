"""Print what a stored calibration shows, as Markdown: ``python docs/tables/calibration.py RUN.jsonl [TOLERANCE]``.

Once by what was planted, with the seconds that a verdict had and with twice and four times as many (consecutive pieces
joined: their surveys are one survey, their confirmations one confirmation), and once by workload. Everything is
recomputed from the samples, by the gate's own code.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from poolbench.analyse.gate.calibration import Trial, summarise_trials, trials
from poolbench.model.gate import GatePolicy
from poolbench.model.verdict import Outcome
from poolbench.store.reading import read_run

JOINED = (1, 2, 4)
SHOWN = (1.02, 1.05)
"""The planted factors of the table by workload."""


def main(path: Path, policy: GatePolicy) -> None:
    """Print both tables of the calibration at ``path``."""
    run = read_run(path)
    by_length = {n: trials(run.rows, run.header.subjects, policy, run.header.method, joined=n) for n in JOINED}
    print("| seconds a verdict | planted | verdicts | found | bounds (each at 95 %) | same | undecided | CPU time |")
    print("|---:|---:|---:|---:|---|---:|---:|---:|")
    for found in filter(None, by_length.values()):
        seconds = fmean(trial.seconds for trial in found)
        for rates in summarise_trials(found, policy):
            planted = "nothing" if rates.planted == 1 else f"{rates.planted - 1:.0%}"
            print(
                f"| {seconds:.1f} | {planted} | {rates.verdicts} | {rates.found} ({rates.found / rates.verdicts:.1%}) "
                f"| {rates.low:.1%} to {rates.high:.1%} | {rates.same} | {rates.undecided} | × {rates.cpu_ratio:.4f} |"
            )
    _print_workloads([workload.id for workload in run.header.workloads], by_length[1])


def _print_workloads(workloads: Sequence[str], found: Sequence[Trial]) -> None:
    print("\n| workload | seconds | equal: same | equal: alarms |", *(f"{f - 1:.0%} found |" for f in SHOWN))
    print("|---|---:|---:|---:|" + "---:|" * len(SHOWN))
    for workload in workloads:
        mine = [trial for trial in found if trial.workload == workload]
        if not mine:
            continue
        equal = [trial.outcome for trial in mine if trial.planted == 1]
        alarms = sum(outcome in (Outcome.SLOWER, Outcome.FASTER) for outcome in equal)
        cells = []
        for planted in SHOWN:
            outcomes = [trial.outcome for trial in mine if trial.planted == planted]
            cells.append(f"{outcomes.count(Outcome.SLOWER)} of {len(outcomes)}")
        print(
            f"| `{workload}` | {fmean(t.seconds for t in mine):.1f} | {equal.count(Outcome.SAME)} of {len(equal)} "
            f"| {alarms} | {' | '.join(cells)} |"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), GatePolicy(tolerance=float(sys.argv[2])) if len(sys.argv) > 2 else GatePolicy())
