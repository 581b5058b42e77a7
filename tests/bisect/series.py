"""Repositories made from ``examples/numpy_pooling``: commits that change nothing, and one that makes it slower."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from poolbench.catalogue.select import choose
from tests.bisect.repository import git

EXAMPLE = Path(__file__).parents[2] / "examples" / "numpy_pooling"
MODULE, PROJECT, NOTES = "numpy_pooling.py", "pyproject.toml", "NOTES.md"
SUBJECT = "numpy_pooling"

WORKLOAD = "max2d-n4c16-h56w56-k3s2p1-f32-nchw"

END = "    return y\n"
SLOWER = """    for count in {counts}:
        np.maximum(y[:, :, :count], tap[:, :, :count], out=y[:, :, :count])
"""
"""What is planted: the last tap is taken again on some rows of each plane, which changes no answer."""

_ROUNDS = 150
_CANDIDATES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Work that is planted: its lines, and by what factor the function took longer with them, measured in turns."""

    lines: str
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The commits of a repository, the oldest first, and the place of the one that is slower."""

    commits: tuple[str, ...]
    slow: int


def find_step(percent: float) -> Step:
    """Return the work that makes the example's function ``percent`` slower on WORKLOAD on this machine.

    Candidates are timed in turns with the function as it is. The work is linear in its rows, so that the size between
    them is read from the line through all, and timed once more.
    """
    (workload,) = choose([WORKLOAD]).workloads
    height = workload.output_spatial[0]
    tries = [max(1, round(height * share / _CANDIDATES)) for share in range(1, 2 * _CANDIDATES + 1)]
    ratios = _ratios([_lines(rows, height) for rows in tries])
    slope, base = np.polyfit(tries, ratios, 1)
    wanted = round((1 + percent / 100 - base) / slope)
    if wanted < 1:
        raise SystemExit(f"One row more takes longer than {percent:g} %: plant a larger step.")
    lines = _lines(wanted, height)
    return Step(lines=lines, ratio=_ratios([lines] * 3)[1])


def make(folder: Path, step: Step, *, commits: int, rng: random.Random) -> Series:
    """Make the repository in ``folder``. The first commit is the example as it is, and never the slow one."""
    folder.mkdir(parents=True)
    for name in (MODULE, PROJECT):
        shutil.copy(EXAMPLE / name, folder / name)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    slow = rng.randrange(1, commits)
    made = []
    for place in range(commits):
        if place == slow:
            plant(folder, step)
            message = "Take the border again"
        elif place:
            message = rng.choice(HARMLESS)(folder, place, rng)
        else:
            message = "Max pooling"
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", message)
        made.append(git(folder, "rev-parse", "HEAD"))
    return Series(commits=tuple(made), slow=slow)


def plant(folder: Path, step: Step) -> None:
    """Write the work of ``step`` before the function's end, in the names that it has by then."""
    path = folder / MODULE
    text = path.read_text(encoding="utf-8")
    tap = next(line.split()[0] for line in text.splitlines() if line.endswith("= x[:, :, rows, columns]"))
    assert text.count(END) == 1, text
    path.write_text(text.replace(END, step.lines.replace("tap[", f"{tap}[") + END), encoding="utf-8")


def _note(folder: Path, place: int, rng: random.Random) -> str:
    with (folder / NOTES).open("a", encoding="utf-8") as file:
        file.write(f"- Note {place}: {rng.randrange(10**6)}\n")
    return "Write a note"


def _comment(folder: Path, place: int, rng: random.Random) -> str:
    with (folder / MODULE).open("a", encoding="utf-8") as file:
        file.write(f"# {place}: {rng.randrange(10**6)}\n")
    return "Add a comment"


def _rename(folder: Path, place: int, rng: random.Random) -> str:
    path = folder / MODULE
    lines = path.read_text(encoding="utf-8").splitlines()
    old = next(line.split()[0] for line in lines if line.endswith("= x[:, :, rows, columns]"))
    new = f"tap_{place}"
    path.write_text("".join(line.replace(old, new) + "\n" for line in lines), encoding="utf-8")
    return "Rename a variable"


def _version(folder: Path, place: int, rng: random.Random) -> str:
    path = folder / PROJECT
    lines = path.read_text(encoding="utf-8").splitlines()
    new = [f'version = "0.1.{place}"' if line.startswith("version") else line for line in lines]
    path.write_text("\n".join(new) + "\n", encoding="utf-8")
    return "Raise the version"


def _helper(folder: Path, place: int, rng: random.Random) -> str:
    with (folder / MODULE).open("a", encoding="utf-8") as file:
        file.write(f"\n\ndef _unused_{place}():\n    return {rng.randrange(10**6)}\n")
    return "Add a function that nothing calls"


HARMLESS: Sequence[Callable[[Path, int, random.Random], str]] = (_note, _comment, _rename, _version, _helper)


def _lines(rows: int, height: int) -> str:
    whole, rest = divmod(rows, height)
    return SLOWER.format(counts=(height,) * whole + ((rest,) if rest else ()))


def _ratios(planted: Sequence[str]) -> list[float]:
    """Return by what factor each makes the function slower: the median over rounds that take all in turns."""
    source = (EXAMPLE / MODULE).read_text(encoding="utf-8")
    functions = [_function(source)] + [_function(source.replace(END, lines + END)) for lines in planted]
    (workload,) = choose([WORKLOAD]).workloads
    x = np.random.default_rng(1).random((workload.batch, workload.channels, *workload.spatial), dtype=np.float32)
    order = [*range(len(functions)), *reversed(range(len(functions)))]
    quotients: list[list[float]] = [[] for _ in planted]
    for _ in range(_ROUNDS):
        took = [0] * len(functions)
        for place in order:
            functions[place](x, (3, 3), (2, 2), (1, 1))  # warms what the others cooled
            begin = time.perf_counter_ns()
            for _ in range(3):
                functions[place](x, (3, 3), (2, 2), (1, 1))
            took[place] += time.perf_counter_ns() - begin
        for own, time_ns in zip(quotients, took[1:], strict=True):
            own.append(time_ns / took[0])
    return [median(own) for own in quotients]


def _function(source: str) -> Callable[..., object]:
    names: dict[str, Callable[..., object]] = {}
    exec(source, names)
    return names["max_pool2d"]
