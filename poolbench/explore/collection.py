"""All runs of a store as the documents that the explorer loads: an index, the cells, rows in full, pairs, changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from poolbench.analyse.explain.across import SideBySide, differences, side_by_side
from poolbench.analyse.history.over_runs import OverLimit
from poolbench.explore.columns import coded, document, packed
from poolbench.explore.history import change_entries, history_entry
from poolbench.model.method import Method, timing_method
from poolbench.report.across import across_answer, across_table
from poolbench.report.method import command, machine_lines, method_paragraphs
from poolbench.report.run_table import results_table, without_limits
from poolbench.report.table import Table

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary
    from poolbench.analyse.history.types import History

SCHEMA = 1
"""The version of the documents' form (docs/explorer.md)."""

Series: TypeAlias = tuple[str, Method, str, str]
"""What a cell's history over runs is of: machine, method, workload, subject."""

SHOWN = ("name", "subject", "median_ns", "ratio_to_fastest", "times_limit", "requested_bytes", "verdict")
"""The columns of a run's table that a row of the explorer has; the others stand in the row in full."""

FACETS = ("workload", "pass", "dtype", "op", "model")
"""The facets of a run's table that come along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysedRun:
    """A stored run with what it found. ``over_limit`` are its cells as a history needs them."""

    summary: RunSummary
    models: Mapping[str, str] = field(default_factory=dict)
    over_limit: tuple[OverLimit, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, Method]:
        """What the runs share whose cells stand in one history: the machine, and how times were taken."""
        header = self.summary.header
        return header.machine.key, timing_method(header.method)


@dataclass(frozen=True, kw_only=True)
class Collection:
    """The runs, the earliest first, with the releases' and revisions' histories by machine.

    ``problems`` say what could not be read. ``index``, ``cells``, ``rows``, ``pair`` and ``history`` return the bytes
    of a document (docs/explorer.md), the same for the same runs.
    """

    runs: tuple[AnalysedRun, ...]
    histories: tuple[tuple[str, History], ...] = ()
    problems: tuple[str, ...] = ()

    def index(self, pairs: Sequence[tuple[int, int]] | None = None) -> bytes:
        """Return what there is: the runs and the histories. ``pairs`` are those that can be had; None for all.

        ``usual`` is the pair that is shown first: the last run, with the run before it that has cells in common.
        """
        return document(
            {
                "schema": SCHEMA,
                "runs": [
                    _run_entry(run, key, table)
                    for run, key, table in zip(self.runs, self.keys, self._tables, strict=True)
                ],
                "pairs": None if pairs is None else [list(pair) for pair in pairs],
                "usual": list(self._usual()),
                "problems": list(self.problems),
            }
        )

    def cells(self) -> bytes:
        """Return a row for every workload and subject of every run, as columns."""
        rows = [row for table in self._tables for row in table.rows]
        columns = [column for table in self._tables[:1] for column in table.columns if column.key in SHOWN]
        found = packed(columns, rows, ends=("times_limit",))
        counts = [len(table.rows) for table in self._tables]
        found["run"] = [place for place, count in enumerate(counts) for _ in range(count)]
        found["facets"] = {name: coded([row.facets.get(name, "") for row in rows]) for name in FACETS}
        found["facets"]["machine"] = coded(
            [run.summary.header.machine.key for run, n in zip(self.runs, counts, strict=True) for _ in range(n)]
        )
        found["facets"]["role"] = coded([row.role for row in rows])
        found["series"] = self._series[0]
        return document({"schema": SCHEMA, **found})

    def rows(self, run: int) -> bytes:
        """Return the rows of a run in full: every figure's text, how to measure it again, and why the verdict."""
        table = self._tables[run]
        shown = [column for column in table.shown if column.key != "name"]
        return document(
            {
                "schema": SCHEMA,
                "titles": [column.title for column in shown],
                "rows": [
                    {
                        "values": [row[column.key].full for column in shown],
                        "command": row.command,
                        "reason": row.reason,
                    }
                    for row in table.rows
                ],
            }
        )

    def pair(self, first: int, second: int) -> bytes:
        """Return two runs side by side, as columns, with what differs between their environments."""
        one, other = self.runs[first].summary, self.runs[second].summary
        pairs: list[SideBySide] = side_by_side(one, other)
        table = across_table(one.header, pairs)
        columns = [column for column in table.columns if column.title or column.key == "apart"]
        return document(
            {
                "schema": SCHEMA,
                **packed(columns, table.rows, ends=("change",)),
                "workload": coded([row.facets["workload"] for row in table.rows]),
                "command": [row.command for row in table.rows],
                "answer": list(across_answer(pairs)),
                "differences": list(differences(one.header, other.header)),
            }
        )

    def history(self) -> bytes:
        """Return the changes of all cells over runs, and the histories of releases and revisions."""
        return document(
            {
                "schema": SCHEMA,
                "changes": list(self._changes()),
                "histories": [history_entry(machine, history) for machine, history in self.histories],
            }
        )

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """What each run is called in an address: its name, with the machine where two machines have that name."""
        names = [run.summary.header.run for run in self.runs]
        machines = [run.summary.header.machine.key for run in self.runs]
        return tuple(
            name if names.count(name) == 1 else f"{name}@{machine}"
            for name, machine in zip(names, machines, strict=True)
        )

    def related(self, earlier: int) -> list[tuple[int, int]]:
        """Return the pairs of runs with cells in common: each run with up to so many of those before it."""
        return [pair for second in range(len(self.runs)) for pair in sorted(islice(self._before(second), earlier))]

    def _before(self, second: int) -> Iterator[tuple[int, int]]:
        """Yield the pairs of a run with those before it that have cells in common with it, the nearest first."""
        for first in range(second - 1, -1, -1):
            if not self._known[first].isdisjoint(self._known[second]):
                yield first, second

    def _usual(self) -> tuple[int, int]:
        """Return the last run that has cells in common with one before it, with that one; (-1, -1) where none has."""
        pairs = (pair for second in range(len(self.runs) - 1, 0, -1) for pair in self._before(second))
        return next(pairs, (-1, -1))

    @cached_property
    def _known(self) -> tuple[frozenset[tuple[str, str]], ...]:
        """The workloads and subjects that each run has a time of."""
        return tuple(
            frozenset((cell.workload, str(cell.subject)) for cell in run.summary.cells if cell.timing is not None)
            for run in self.runs
        )

    @cached_property
    def _tables(self) -> tuple[Table, ...]:
        return tuple(without_limits(results_table(run.summary, run.models)) for run in self.runs)

    @cached_property
    def _series(self) -> tuple[list[int], dict[Series, int]]:
        """Return for each row the number of its series, and these numbers by what the series are of."""
        numbers: dict[Series, int] = {}
        codes = [
            numbers.setdefault((*run.series, row.facets["workload"], row.facets["subject"]), len(numbers))
            for run, table in zip(self.runs, self._tables, strict=True)
            for row in table.rows
        ]
        return codes, numbers

    def _changes(self) -> Iterator[dict[str, Any]]:
        times: dict[str, dict[tuple[int, str], str]] = {}
        for place, table in enumerate(self._tables):
            for row in table.rows:
                times.setdefault(row.facets["subject"], {})[place, row.facets["workload"]] = row["median_ns"].full
        of_series: dict[tuple[str, Method], list[int]] = {}
        for place, run in enumerate(self.runs):
            of_series.setdefault(run.series, []).append(place)
        for series, places in of_series.items():
            cells = [self.runs[place].over_limit for place in places]
            for subject in dict.fromkeys(cell.subject for part in cells for cell in part):
                of_subject = [[cell for cell in part if cell.subject == subject] for part in cells]
                workloads = {cell.workload for part in of_subject for cell in part}
                yield from change_entries(
                    of_subject,
                    places=places,
                    keys=[self.keys[place] for place in places],
                    numbers={workload: self._series[1][(*series, workload, subject)] for workload in workloads},
                    times=times[subject],
                )


def _run_entry(run: AnalysedRun, key: str, table: Table) -> dict[str, Any]:
    header = run.summary.header
    return {
        "key": key,
        "started_at": header.started_at,
        "machine": header.machine.key,
        "verb": header.verb,
        "revision": header.revision,
        "subjects": [str(subject) for subject in header.subjects],
        "workloads": len(run.summary.workloads),
        "cells": len(table.rows),
        "about": [
            *machine_lines(header),
            ", ".join(f"{name} {version}" for name, version in sorted(header.machine.software.items())),
        ],
        "method": next(method_paragraphs(run.summary)),
        "notes": [note.text for note in run.summary.notes] + list(run.warnings),
        "command": command(header),
    }
