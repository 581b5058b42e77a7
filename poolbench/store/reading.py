"""Reading result files, torn and damaged ones included: whatever can be read is, and the rest is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poolbench.errors import StoreError
from poolbench.model.result import ResultRow, RunHeader
from poolbench.store.codec import decode_line, unknown_subject, unknown_workload


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run as its file has it, rows in the order in which they were stored, with distinct keys.

    ``warnings`` say, each as ``file:line: …``, what could not be read or was stored twice.
    """

    path: Path
    header: RunHeader
    rows: tuple[ResultRow, ...]
    warnings: tuple[str, ...] = ()


def read_run(path: Path) -> StoredRun:
    """Return the run stored at ``path``.

    A line that is torn or damaged, or that belongs to another run, is left out with a warning, and so are the rows of a
    workload or subject that the header does not name or this version does not know. Of rows with one key
    the last counts: it was measured when the earlier one was found wanting. Raises StoreError where the file or its
    header cannot be read.
    """
    rows: dict[tuple[int, str, str], tuple[int, ResultRow]] = {}
    warnings: list[str] = []
    try:
        with path.open("rb") as file:
            header = decode_header(file.readline(), path)
            machine = header.machine.key  # it is computed each time that it is asked for
            known = {workload.id for workload in header.workloads}, set(map(str, header.subjects))
            strange: set[str] = set()
            for number, line in enumerate(file, start=2):
                if not line.strip():
                    continue
                try:
                    row = _row_of(line, header, machine)
                except StoreError as error:
                    torn = "" if line.endswith(b"\n") else " The line is the last and has no end: it was being written."
                    warnings.append(f"{path}:{number}: this line is left out: {error}{torn}")
                    continue
                if problem := _strange(row, *known):
                    if problem not in strange:  # once for all the rows that have it
                        warnings.append(problem)
                    strange.add(problem)
                    continue
                if row.key in rows:
                    warnings.append(
                        f"{path}:{number}: launch {row.launch} of {row.subject} on {row.workload} is already in line "
                        f"{rows.pop(row.key)[0]}: the later line counts."
                    )
                rows[row.key] = (number, row)
    except OSError as error:
        raise unreadable(path, error) from error
    return StoredRun(path=path, header=header, rows=tuple(row for _, row in rows.values()), warnings=tuple(warnings))


def read_header(path: Path) -> RunHeader:
    """Return the header of the run at ``path``, reading no further. Raises StoreError where there is none."""
    try:
        with path.open("rb") as file:
            return decode_header(file.readline(), path)
    except OSError as error:
        raise unreadable(path, error) from error


def decode_header(line: bytes, path: Path) -> RunHeader:
    """Return the header that ``line``, the first of ``path``, holds. Raises StoreError where it holds none."""
    advice = "Without its first line the file is not a run's; 'poolbench list runs' shows those that can be read."
    if not line:
        raise StoreError(f"{path} is empty. {advice}")
    try:
        header = decode_line(line)
    except StoreError as error:
        raise StoreError(f"{path}:1: the run's header cannot be read: {error} {advice}") from error
    if not isinstance(header, RunHeader):
        raise StoreError(f"{path}:1: a row stands where the run's header should. {advice}")
    return header


def unreadable(path: Path, error: OSError) -> StoreError:
    """Return the error that says why ``path`` cannot be opened or read."""
    return StoreError(f"The results in {path} cannot be read: {error.strerror or error}.")


def _row_of(line: bytes, header: RunHeader, machine: str) -> ResultRow:
    row = decode_line(line)
    if isinstance(row, RunHeader):
        raise StoreError(f"it is the header of run {row.run}; a run has one, in its first line.")
    if row.run != header.run or row.machine != machine:
        raise StoreError(
            f"its row belongs to run {row.run} on machine {row.machine}, and this file to run {header.run} on "
            f"{machine}: runs are never mixed."
        )
    return row


def _strange(row: ResultRow, workloads: set[str], subjects: set[str]) -> str:
    """Return why a row cannot be used though it can be read; "" where it can."""
    if row.workload not in workloads:
        reason = unknown_workload(row.workload) or "it is none of the run's workloads."
        return f"The rows of '{row.workload}' are left out: {reason}"
    if row.subject not in subjects:
        reason = unknown_subject(row.subject) or "it is none of the run's subjects."
        return f"The rows of '{row.subject}' are left out: {reason}"
    return ""
