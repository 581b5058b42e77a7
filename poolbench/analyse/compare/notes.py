"""The sentences below a table: what was left out, and why; what must not be trusted; how much was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from poolbench.analyse.estimate.findings import LEAST_TIMES_LIMIT, Note, NoteKind, WorkloadSummary
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.model.memory import flat
from poolbench.model.result import ResultRow, RunHeader
from poolbench.model.subject import LIMIT, Subject
from poolbench.model.verdict import Outcome
from poolbench.quantities import counted, listed, percent

WORTH_A_NOTE = 0.2
"""From this share of contaminated slots on, a workload × subject is named."""


def notes(
    header: RunHeader,
    ledger: Ledger,
    workloads: Sequence[WorkloadSummary],
    mean_workloads: Sequence[str],
    left_out: Mapping[Subject, int],
) -> tuple[Note, ...]:
    """Return the notes, what concerns trust first."""
    return tuple(
        Note(kind=kind, text=text)
        for kind, texts in (
            (NoteKind.BELOW_LIMIT, _below_limit(header, workloads)),
            (NoteKind.INVALID, _invalid(workloads)),
            (NoteKind.FAILED, _failed(ledger, workloads)),
            (NoteKind.CONTRACT, _contracts(workloads)),
            (NoteKind.MISSING, _missing(header, ledger, workloads)),
            (NoteKind.MEMORY, _memory(workloads)),
            (NoteKind.MEAN, _mean(workloads, mean_workloads, left_out)),
            (NoteKind.REJECTED, _rejected(ledger, workloads)),
            (NoteKind.LAUNCHES, _launches(ledger, workloads)),
        )
        for text in texts
    )


def _below_limit(header: RunHeader, workloads: Sequence[WorkloadSummary]) -> Iterator[str]:
    for workload in workloads:
        for cell in workload.cells:
            if (cell.subject.threads or 0) > header.method.threads:
                continue  # the limit is that of fewer threads
            if cell.is_below_limit and cell.times_limit is not None:
                sure = cell.times_limit.high < LEAST_TIMES_LIMIT
                yield (
                    f"{cell.subject} on {workload.name} takes {cell.times_limit.value:.2f} × the limit, below "
                    f"{LEAST_TIMES_LIMIT}: the probe or the subject is wrong"
                    f"{'' if sure else ', or chance has it so (the interval reaches higher)'}."
                )


def _invalid(workloads: Sequence[WorkloadSummary]) -> Iterator[str]:
    for workload in workloads:
        for cell in workload.cells:
            if cell.verdict is not None and cell.verdict.outcome is Outcome.INVALID:
                yield f"{cell.subject} on {workload.name} is not compared: {cell.verdict.reason}"


def _failed(ledger: Ledger, workloads: Sequence[WorkloadSummary]) -> Iterator[str]:
    """Yield one sentence per subject, status and reason, with the workloads that share it."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for workload in workloads:
        for subject in (*(str(cell.subject) for cell in workload.cells), LIMIT):
            row = ledger.failure(workload.id, subject)
            if row is not None:
                groups.setdefault((subject, row.status, one_line(row)), []).append(workload.name)
    for (subject, status, reason), names in groups.items():
        yield f"{subject} ended {status} on {listed(names, 4)}: {reason}"


def _contracts(workloads: Sequence[WorkloadSummary]) -> Iterator[str]:
    groups: dict[tuple[Subject, str], list[str]] = {}
    for workload in workloads:
        for cell in workload.cells:
            if cell.differs:
                words = listed([f"{d.clause} is “{d.answer}”, not “{d.expected}”" for d in cell.differs])
                groups.setdefault((cell.subject, words), []).append(workload.name)
    for (subject, words), names in groups.items():
        yield f"{subject} computes something else on {listed(names, 4)} and is not compared there: its {words}."


def _missing(header: RunHeader, ledger: Ledger, workloads: Sequence[WorkloadSummary]) -> Iterator[str]:
    done = {workload.id for workload in workloads}
    never = [workload.name for workload in header.workloads if workload.id not in done]
    if never:
        yield f"Not measured at all, as time was up: {listed(never)}."
    for subject in header.subjects:
        names = [w.name for w in workloads if not ledger.rows(w.id, str(subject))]
        if names:
            yield f"{subject} was not measured on {listed(names, 4)}."


def _memory(workloads: Sequence[WorkloadSummary]) -> Iterator[str]:
    """Yield one sentence per kind of memory and reason, with the subjects and workloads that share it."""
    groups: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}
    for workload in workloads:
        for cell in workload.cells:
            notes = {} if cell.memory is None else flat(cell.memory)
            for part in ("requested", "touched", "saved"):
                if note := notes.get(f"{part}_note"):
                    subjects, names = groups.setdefault((part, str(note)), ({}, {}))
                    subjects[str(cell.subject)] = names[workload.name] = None
    for (part, note), (subjects, names) in groups.items():
        yield f"{part.capitalize()} memory of {listed(list(subjects), 4)} on {listed(list(names), 4)}: {note}"


def _mean(
    workloads: Sequence[WorkloadSummary], mean_workloads: Sequence[str], left_out: Mapping[Subject, int]
) -> Iterator[str]:
    if not mean_workloads:
        yield "There is no geometric mean: no workload is one on which the subjects can be compared."
    elif len(mean_workloads) < len(workloads):
        names = [w.name for w in workloads if w.id not in mean_workloads]
        yield (
            f"The geometric mean covers {len(mean_workloads)} of {len(workloads)} workloads, those on which all of "
            f"its subjects were compared; it leaves out {listed(names, 4)}."
        )
    if left_out:
        yield (
            "The geometric mean leaves out "
            + listed([f"{s} (compared on {count} of {len(workloads)})" for s, count in left_out.items()])
            + ", so that the others have enough workloads in common."
        )


def _rejected(ledger: Ledger, workloads: Sequence[WorkloadSummary]) -> Iterator[str]:
    slots = rejected = 0
    worst: list[tuple[float, str]] = []
    for workload in workloads:
        for subject in ledger.subjects(workload.id):
            rows = ledger.rows(workload.id, subject)
            mine, lost = sum(sum(row.slots.values()) for row in rows), sum(row.rejected for row in rows)
            slots, rejected = slots + mine, rejected + lost
            if mine and lost / mine >= WORTH_A_NOTE:
                worst.append((lost / mine, f"{subject} on {workload.name} ({percent(lost / mine)})"))
    if rejected:
        text = f"{percent(rejected / slots)} of {slots} slots went without a core for a while and do not count"
        named = listed([words for _, words in sorted(worst, reverse=True)], 3)
        yield f"{text}; most of all {named}." if worst else f"{text}."


def _launches(ledger: Ledger, workloads: Sequence[WorkloadSummary]) -> Iterator[str]:
    if not workloads:
        return
    counts = [workload.launches for workload in workloads]
    importers = {
        reduced.row.importer for w in workloads for cell in w.cells for reduced in ledger.rows(w.id, str(cell.subject))
    }
    span = (
        counted(counts[0], "launch", "launches")
        if min(counts) == max(counts)
        else (f"{min(counts)} to {max(counts)} launches")
    )
    yield f"Each workload was measured in {span}, from {counted(len(importers), 'freshly started importer')} in all."


def one_line(row: ResultRow, length: int = 160) -> str:
    """Return a row's note as one line, cut to ``length`` characters."""
    text = " ".join(row.note.split()) or "no reason was given."
    return text if len(text) <= length else f"{text[: length - 1]}…"
