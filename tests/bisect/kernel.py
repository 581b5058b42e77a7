"""Copies of this repository in which commits change the kernel's sources, and one makes max pooling slower."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.bisect.repository import git
from tests.bisect.series import Series

TOP = Path(__file__).parents[2]

SUBJECT = "strided"
WORKLOAD = "max2d-n1c64-h56w56-k3s2p1-f32-nchw"
"""64 units of work, each a plane; with its output it lies in a cache, so that a unit takes as long the second time."""

DISPATCH = "poolbench/strided/run/dispatch.cpp"
DONE = "    done_by = position;\n"
AGAIN = "    kernel.run(plan, 0, (kernel.units(plan) * {per_mille} + 500) / 1000);\n"
"""What is planted: the first units of max pooling are done again, which changes no answer."""

HARMLESS = (
    ("poolbench/strided/run/thread_pool.cpp", "Explain the threads", "// Note {number}.\n"),
    ("poolbench/strided/run/processors.cpp", "Add a constant", "static const int unused_{number} = {number};\n"),
    ("poolbench/strided/functional.py", "Add a comment", "# Note {number}.\n"),
    ("poolbench/strided/run/selection.cpp", "Explain the selection", "// Note {number}.\n"),
    (DISPATCH, "Explain the dispatcher", "// Note {number}.\n"),
    ("README.md", "Write a note", "\n- Note {number}\n"),
)
"""Commits that change nothing that is executed, and compile little: a file, what the commit says, and what it adds at
the file's end. No header is among them, on which the vector code rests."""


def make(folder: Path, percent: float, *, commits: int, rng: random.Random) -> Series:
    """Clone this repository into ``folder`` and commit there; the first commit is what is checked out here."""
    shutil.rmtree(folder, ignore_errors=True)
    git(TOP, "clone", "--quiet", "--shared", "--no-tags", str(TOP), str(folder))
    made = [git(folder, "rev-parse", "HEAD")]
    slow = rng.randrange(1, commits)
    for place in range(1, commits):
        if place == slow:
            path, message = folder / DISPATCH, "Do units again"
            text = path.read_text(encoding="utf-8")
            assert text.count(DONE) == 1, f"{DISPATCH} has changed: plant elsewhere"
            path.write_text(text.replace(DONE, AGAIN.format(per_mille=round(10 * percent)) + DONE), encoding="utf-8")
        else:
            name, message, line = rng.choice(HARMLESS)
            with (folder / name).open("a", encoding="utf-8") as file:
                file.write(line.format(number=rng.randrange(10**6)))
        git(folder, "commit", "--quiet", "--all", "--no-verify", "--message", message)
        made.append(git(folder, "rev-parse", "HEAD"))
    return Series(commits=tuple(made), slow=slow)
