"""Compare the kernel with the fastest peer of each layer, in two stages, so that many peers take minutes and not hours.

First a short run of all peers, or a few runs that share the layers (``poolbench compare PEER… -w full --budget 400``).
Then ``python docs/tables/peers.py choose RUN.jsonl… --folder FOLDER [--budget 500]`` picks the three fastest of each
layer, writes the layers into a few files, each with its peers, and prints the commands of the precise runs, so that the
choice is made before they begin. ``python docs/tables/peers.py table RUN.jsonl…`` prints what the precise runs say, as
Markdown.
"""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from strided import duration, mean  # beside this file

from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.estimate.paired import compare_pair
from poolbench.analyse.estimate.timing import timing
from poolbench.model.subject import parse_subject
from poolbench.model.verdict import Comparison, Policy
from poolbench.store.reading import read_run

GIVEN, BEST = "strided+layout=given", "strided"
CHOSEN = 3
GROUPS = 5
"""At most so many precise runs: each begins with loading its frameworks."""

TOLERANCE = 1.03
"""A layer is surely slower where the lower end of the ratio's interval lies above this."""


def main() -> None:
    """Choose peers, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    stages = parser.add_subparsers(required=True, dest="stage")
    choosing = stages.add_parser("choose")
    choosing.add_argument("runs", type=Path, nargs="+")
    choosing.add_argument("--folder", type=Path, required=True, help="where the lists of layers go")
    choosing.add_argument("--budget", type=float, default=500.0, help="seconds of the precise runs together")
    telling = stages.add_parser("table")
    telling.add_argument("runs", type=Path, nargs="+")
    options = parser.parse_args()
    if options.stage == "choose":
        choose(options.runs, options.folder, options.budget)
    else:
        table(options.runs)


def peers_of(ledger: Ledger, workload: str) -> list[str]:
    """Return the subjects of a layer that are not the kernel's and gave right outputs."""
    return [
        name
        for name in ledger.subjects(workload)
        if not name.startswith("strided")
        and not parse_subject(name).is_limit
        and ledger.failure(workload, name) is None
    ]


def choose(paths: Sequence[Path], folder: Path, budget_s: float) -> None:
    """Write the layers, grouped by their three fastest peers, and print a command for each group."""
    groups: dict[frozenset[str], list[str]] = {}
    for path in paths:
        run = read_run(path)
        ledger = Ledger(run.rows, run.header.method.rejection)
        for known in run.header.workloads:
            measured = {name: timing(ledger, known, name) for name in peers_of(ledger, known.id)}
            times = {name: each.median_ns for name, each in measured.items() if each}
            if fastest := sorted(times, key=lambda name: times[name])[:CHOSEN]:
                groups.setdefault(frozenset(fastest), []).append(known.id)
    merged = merge(groups)
    cells = sum((len(peers) + 2) * len(layers) for peers, layers in merged.items())
    folder.mkdir(parents=True, exist_ok=True)
    for number, (peers, layers) in enumerate(sorted(merged.items(), key=lambda each: sorted(each[0]))):
        file = folder / f"{paths[0].stem}-{number}.txt"
        file.write_text("\n".join(layers) + "\n", encoding="utf-8")
        share = budget_s * (len(peers) + 2) * len(layers) / cells
        names = " ".join(sorted(peers))
        print(f"poolbench compare {GIVEN} {BEST} {names} -w {shlex.quote(str(file))} --no-memory --budget {share:.0f}")


def merge(groups: dict[frozenset[str], list[str]]) -> dict[frozenset[str], list[str]]:
    """Return at most ``GROUPS`` groups: again and again the two whose union adds the fewest cells become one."""
    left = dict(groups)
    while len(left) > GROUPS:
        pairs = ((one, other) for one in left for other in left if one != other)
        one, other = min(
            pairs, key=lambda pair: sum(len(left[each]) * len((pair[0] | pair[1]) - each) for each in pair)
        )
        layers = left.pop(one) + left.pop(other)
        left.setdefault(one | other, []).extend(layers)
    return left


def table(paths: Iterable[Path]) -> None:
    """Print each layer's ratios to the peer that the kernel looks worst against, and what they come to."""
    found: dict[str, list[Comparison]] = {GIVEN: [], BEST: []}
    lines: list[tuple[float, str]] = []
    machines: set[str] = set()
    for path in paths:
        run = read_run(path)
        machines.add(run.header.machine.key)
        ledger = Ledger(run.rows, run.header.method.rejection)
        for known in run.header.workloads:
            worst = {ours: worst_of(ledger, known.id, ours) for ours in found}
            own = timing(ledger, known, GIVEN)
            if own is None or any(each is None for each in worst.values()):
                continue
            cells = []
            for ours, each in worst.items():
                assert each is not None
                found[ours].append(each)
                cells.append(f"{each.reference} | {each.ratio:.2f} ({interval(each)}){mark(each)}")
            given = worst[GIVEN]
            assert given is not None
            name = (known.origin.name if known.origin else None) or known.id
            lines.append((given.ratio, f"| `{name}` | {duration(own.median_ns)} | {' | '.join(cells)} |"))
    print(f"Machine {', '.join(sorted(machines))}.\n")
    print(f"| layer | {GIVEN} | its fastest peer | it / peer | the better layout's | it / peer |")
    print("|---|---:|---|---:|---|---:|")
    for _, line in sorted(lines):
        print(line)
    for ours, each in found.items():
        ratio = mean(one.ratio for one in each)
        slower, faster = sum(one.low > TOLERANCE for one in each), sum(one.high < 1 for one in each)
        print(
            f"\n{ours}, {len(each)} layers: geometric mean {ratio:.3f} (1 / {1 / ratio:.2f}); surely slower by more "
            f"than 3 % on {slower}, surely faster on {faster}; without an interval, for two launches and fewer: "
            f"{sum(math.isinf(one.high) for one in each)}."
        )


def worst_of(ledger: Ledger, workload: str, ours: str) -> Comparison | None:
    """Return the comparison with the peer that ``ours`` looks worst against."""
    if ledger.failure(workload, ours) is not None:
        return None
    pairs = [compare_pair(ledger, workload, ours, name, Policy()) for name in peers_of(ledger, workload)]
    return max((pair for pair in pairs if not math.isnan(pair.ratio)), key=lambda pair: pair.ratio, default=None)


def interval(comparison: Comparison) -> str:
    """Return the ends of the interval."""
    return "–" if math.isinf(comparison.high) else f"{comparison.low:.2f} to {comparison.high:.2f}"


def mark(comparison: Comparison) -> str:
    """Return a word where the kernel is surely slower."""
    return " slower" if comparison.low > TOLERANCE else ""


if __name__ == "__main__":
    main()
