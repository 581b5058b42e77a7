"""Print the README's first table from a stored run: ``poolbench show RUN --json | python docs/tables/core.py``.

One line a workload: the time of the fastest subject in bold, the others as multiples of it with half their 95 %
interval, and a tilde before those that cannot be told from it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from strided import duration  # beside this file

SUBJECTS = (
    "strided+layout=given",
    "strided",
    "onednn:channels_last",
    "onnxruntime",
    "tensorflow",
    "torch:channels_last",
    "torch",
)


def main(summary: dict[str, Any]) -> None:
    """Print the table of what ``poolbench show --json`` printed."""
    cells = {(cell["workload"], cell["subject"]): cell for cell in summary["cells"]}
    print(f"| layer | {' | '.join(SUBJECTS)} | reading and writing alone |\n|---|{'---:|' * (len(SUBJECTS) + 1)}")
    for workload in summary["workloads"]:
        row = [told(cells[workload["workload"], subject]) for subject in SUBJECTS]
        print(f"| `{workload['name']}` | {' | '.join(row)} | {duration(workload['limit_ns'])} |")
    means = {mean["subject"]: mean for mean in summary["geometric_means"]}
    row = [multiple(means[subject]["ratio"]) for subject in SUBJECTS]
    print(f"| geometric mean of {means[SUBJECTS[0]]['workloads']} | {' | '.join(row)} | |")


def told(cell: dict[str, Any]) -> str:
    """Return a cell of the table."""
    if cell["status"] != "OK":
        return "–"
    if cell["is_fastest"]:
        return f"**{duration(cell['median_ns'])}**"
    return f"{'~ ' if cell['is_tie'] else ''}{multiple(cell['ratio'])}"


def multiple(ratio: dict[str, float]) -> str:
    """Return a ratio to the fastest with half its interval; of the fastest itself, 1."""
    if ratio["low"] == ratio["high"]:
        return "1"
    return f"× {ratio['value']:.3g} ±{(ratio['high'] - ratio['low']) / 2:.1g}"


if __name__ == "__main__":
    main(json.load(sys.stdin))
