"""What a bisection found, in sentences and as data."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from poolbench.analyse.bisect.choice import Answer, Finding
from poolbench.analyse.bisect.posterior import Reading, Size
from poolbench.model.history import Point
from poolbench.model.method import Method
from poolbench.quantities import counted, signed_percent

if TYPE_CHECKING:
    from pathlib import Path

    from poolbench.analyse.history.types import History


def bisection_lines(
    found: Finding, points: Sequence[Point], readings: Sequence[Reading], names: Mapping[str, str]
) -> list[str]:
    """Return the answer, what else is to be known of it, and what was measured, a line each."""
    lines = [_answer(found, points)]
    if found.answer is not Answer.NONE:
        lines += [f"  {_size(size, names)}" for size in touched(found)]
        untouched = len(found.belief.sizes) - len(touched(found))
        if untouched:
            lines.append(f"  {counted(untouched, 'other workload')} without a difference")
        if not found.is_one_step:
            lines.append("  The readings do not fit one change alone: bisect again on either side of it.")
    broken = [points[place].label for place in range(found.first, found.last)] if found.answer is Answer.RANGE else []
    if broken and found.is_sure:
        lines.append(f"  Between them nothing could be measured: {', '.join(broken)}.")
    lines.append("")
    for place in sorted({reading.place for reading in readings}):
        own = [reading for reading in readings if reading.place == place]
        mean = sum(reading.log_ratio for reading in own) / len(own)
        error = max(reading.error for reading in own)
        lines.append(
            f"  {points[place].label:12}  {signed_percent(math.expm1(mean)):>8} ± {100 * error:.1f}"
            f"  {counted(max(reading.runs for reading in own), 'probe')}  {points[place].detail}"
        )
    return lines


def touched(found: Finding) -> list[Size]:
    """Return the workloads that the change concerns, more likely than not."""
    return [size for size in found.belief.sizes if size.chance > 0.5]


def bisection_document(
    found: Finding, points: Sequence[Point], readings: Sequence[Reading], names: Mapping[str, str]
) -> dict[str, object]:
    """Return the same as data; ``docs/json.md`` has the keys."""
    is_none = found.answer is Answer.NONE
    return {
        "answer": found.answer.value,
        "sure": found.is_sure,
        "chance": found.chance,
        "one_step": found.is_one_step,
        "commits": [] if is_none else [_named(points[place]) for place in range(found.first, found.last + 1)],
        "sizes": []
        if is_none
        else [
            {
                "workload": size.workload,
                "name": names[size.workload],
                "ratio": size.ratio,
                "low": size.low,
                "high": size.high,
                "chance": size.chance,
            }
            for size in found.belief.sizes
        ],
        "readings": [
            {
                "point": points[reading.place].label,
                "workload": reading.workload,
                "ratio": math.exp(reading.log_ratio),
                "error": reading.error,
                "runs": reading.runs,
            }
            for reading in readings
        ],
    }


def bisect_commands(
    history: History, *, every: int = 1, repo: Path | None = None, results: Path | None = None
) -> list[str]:
    """Return a command for each change between two revisions that finds its commit, in order of the points.

    ``repo`` and ``results`` are what ``--repo`` and ``--results`` are to say, None where that is the usual. There is
    none for a change that is surely between neighbours of a history that left no revision out (``every`` is 1): its
    commit is known. Nor for a cache or layout policy that ``poolbench bisect`` does not measure by.
    """
    usual, commands = Method(), []
    for change, series in history.changes:
        good = history.points[history.last_of_build(change.earliest)]
        bad = history.points[change.latest]
        if not all(point.subject.environment.startswith("rev:") for point in (good, bad)):
            continue
        is_known = every == 1 and change.latest == history.last_of_build(change.earliest) + 1
        if is_known or (series.method.cache, series.method.layout) != (usual.cache, usual.layout):
            continue
        touched = [effect.workload for effect in change.effects] or list(series.mean_workloads)
        words = ["poolbench", "bisect", str(history.subject)]
        words += ["--good", good.subject.environment, "--bad", bad.subject.environment, "-w", ",".join(touched)]
        words += ["--threads", str(series.method.threads)] if series.method.threads != 1 else []
        words += ["--repo", str(repo)] if repo is not None else []
        words += ["--results", str(results)] if results is not None else []
        commands.append(shlex.join(words))
    return commands


def _named(point: Point) -> dict[str, str]:
    return {"label": point.label, "title": point.detail}


def _answer(found: Finding, points: Sequence[Point]) -> str:
    chance = f"{100 * math.floor(found.chance * 1000) / 1000:.1f} %"
    first, last = points[0].label, points[-1].label
    if found.answer is Answer.NONE:
        if found.is_sure:
            return f"no difference found between {first} and {last} (chance that there is none: {chance})"
        return f"no difference found between {first} and {last} yet; it is not sure that there is none ({chance})"
    if found.answer is Answer.COMMIT:
        commit = points[found.last]
        return f"this commit: {commit.label} {commit.detail}".rstrip() + f" (chance {chance})"
    within = f"{points[found.first].label} to {points[found.last].label}"
    count = counted(found.last - found.first + 1, "commit")
    open_ = "" if found.is_sure else "; the budget is used, and the same command goes on"
    return f"this range: {within}, {count} (chance {chance}{open_})"


def _size(size: Size, names: Mapping[str, str]) -> str:
    word = "slower" if size.ratio > 1 else "faster"
    low, high = (signed_percent(ratio - 1) for ratio in (size.low, size.high))
    return f"{word} by {signed_percent(size.ratio - 1)} ({low} to {high}) on {names[size.workload]}"
