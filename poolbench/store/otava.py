"""Reading the CSV files of Apache Otava: a line for each point, with a time, attributes and metrics."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from poolbench.errors import StoreError

TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtavaSeries:
    """A file's points in its order. ``labels`` name them; ``metrics`` have a positive reading for each."""

    labels: tuple[str, ...]
    metrics: dict[str, tuple[float, ...]]


def read_otava(path: Path) -> OtavaSeries:
    """Read a CSV file with a header. Columns of numbers are metrics; ``commit``, else ``time``, names the points.

    Raises StoreError where it cannot be read, a line is too short or too long, or no column is a metric.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = [line for line in csv.reader(file) if line]
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror or error}): name a CSV file of Otava's.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path} cannot be read as CSV ({error}): name a CSV file in UTF-8.") from error
    if len(lines) < 2:
        raise StoreError(f"{path} has no points: it takes a line of names and then a line for each point.")
    names = [name.strip() for name in lines[0]]
    if len(set(names)) < len(names):
        raise StoreError(f"{path} has two columns of one name: rename one of {', '.join(names)}.")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(names):
            raise StoreError(f"{path}, record {number}: there are {len(line)} fields where the names are {len(names)}.")
    columns = dict(zip(names, zip(*lines[1:], strict=True), strict=True))
    label = next((name for name in ("commit", TIME) if name in columns), None)
    metrics = {
        name: numbers
        for name, texts in columns.items()
        if name not in (label, TIME) and (numbers := _numbers(texts)) is not None
    }
    if not metrics:
        raise StoreError(
            f"{path} has no metric: no column beside {TIME} and commit holds a positive number in each line. Fill or "
            "leave out the lines without one."
        )
    points = len(lines) - 1
    labels = columns[label] if label else tuple(str(number) for number in range(1, points + 1))
    return OtavaSeries(labels=labels, metrics=metrics)


def _numbers(texts: tuple[str, ...]) -> tuple[float, ...] | None:
    try:
        numbers = tuple(float(text) for text in texts)
    except ValueError:
        return None
    return numbers if all(number > 0 and math.isfinite(number) for number in numbers) else None
