"""Tables as files for programs: CSV, and the data frames that Parquet and Python users get. Figures are unrounded."""

from __future__ import annotations

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

    columns: dict[str, Any] = {}
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
    return pd.DataFrame(columns)


def summary_frame(summary: RunSummary) -> pd.DataFrame:
    """Return one line per workload × subject of a run, in the order of its table; the limit is no subject.

    Times are nanoseconds, ratios plain numbers, sizes bytes; intervals are at the policy's confidence.
    """
    return frame(without_limits(results_table(summary)))


def filed(table: Table) -> pd.DataFrame:
    """Return ``frame`` with what a page filters rows by, and with the commands that measure them again."""
    found = frame(table)
    for facet in dict.fromkeys(name for row in table.rows for name in row.facets):
        if facet not in found:
            found[facet] = [row.facets.get(facet, "") for row in table.rows]
    if table.has_commands:
        found["command"] = [row.command for row in table.rows]
    return found


def write_csv(table: Table, path: Path) -> None:
    """Write ``frame`` to ``path``."""
    frame(table).to_csv(path, index=False)


def _numbers(numbers: list[Any], column: Column) -> Any:
    import pandas as pd

    if column.unit is Unit.YES_OR_NO:
        return [bool(number) for number in numbers]
    if column.unit in WHOLE:
        return pd.array(numbers, dtype="Int64")
    return [math.nan if number is None else number for number in numbers]
