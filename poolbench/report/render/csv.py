"""Tables as files for programs: CSV, and the data frames that Parquet and Python users get. Figures are unrounded."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

from poolbench.report.run_table import results_table, without_limits
from poolbench.report.table import Column, Table, Unit

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from poolbench.analyse.estimate.findings import RunSummary

WHOLE = (Unit.COUNT, Unit.BYTES)


def frame(table: Table) -> pd.DataFrame:
    """Return a table unrounded: figures as numbers with their interval's ends beside them, words as text.

    Counts and bytes are whole numbers, missing (``pandas.NA``) where there are none; other figures are floats, NaN
    there.
    """
    import pandas as pd

    whole = {column.key for column in table.columns if column.is_figure and column.unit in WHOLE}
    return pd.DataFrame(
        {key: pd.array(values, dtype="Int64") if key in whole else values for key, values in _columns(table).items()}
    )


def summary_frame(summary: RunSummary) -> pd.DataFrame:
    """Return one line per workload × subject of a run, in the order of its table; the limit is no subject.

    Times are nanoseconds, ratios plain numbers, sizes bytes; intervals are at the policy's confidence.
    """
    return frame(summary_table(summary))


def summary_table(summary: RunSummary) -> Table:
    """Return the table that ``summary_frame`` is the frame of."""
    return without_limits(results_table(summary))


def filed(table: Table) -> pd.DataFrame:
    """Return ``frame`` with what a page filters rows by, and with the commands that measure them again."""
    found = frame(table)
    for facet in dict.fromkeys(name for row in table.rows for name in row.facets):
        if facet not in found:
            found[facet] = [row.facets.get(facet, "") for row in table.rows]
    if table.has_commands:
        found["command"] = [row.command for row in table.rows]
    return found


def csv_text(table: Table) -> str:
    """Return ``frame`` as CSV, as pandas writes it, without pandas: a comparison's files need no extra."""
    columns = _columns(table)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(_alike(values) for values in columns.values()), strict=True))
    return text.getvalue()


def write_csv(table: Table, path: Path) -> None:
    """Write ``csv_text`` to ``path``."""
    path.write_text(csv_text(table), encoding="utf-8")


def _columns(table: Table) -> dict[str, list[Any]]:
    """Return a file's columns; a whole number that is missing is None, another figure NaN."""
    columns: dict[str, list[Any]] = {}
    for column in table.columns:
        values = [row[column.key] for row in table.rows]
        if not (column.is_figure or column.unit is Unit.YES_OR_NO):
            columns[column.key] = [value.text for value in values]
            continue
        columns[column.key] = _numbers([value.number for value in values], column)
        if column.has_interval:
            low, high = column.interval_keys
            columns[low] = [math.nan if value.low is None else value.low for value in values]
            columns[high] = [math.nan if value.high is None else value.high for value in values]
    return columns


def _numbers(numbers: list[Any], column: Column) -> list[Any]:
    if column.unit is Unit.YES_OR_NO:
        return [bool(number) for number in numbers]
    if column.unit in WHOLE:
        return numbers
    return [math.nan if number is None else number for number in numbers]


def _alike(values: list[Any]) -> list[Any]:
    """Return a column's values as its file has them: all floats where one is, and nothing for what is missing."""
    if any(isinstance(value, float) for value in values):
        values = [value if isinstance(value, str) else float(value) for value in values]
    return ["" if isinstance(value, float) and math.isnan(value) else value for value in values]
