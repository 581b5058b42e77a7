"""Counts of instructions: subjects on parts of workloads, one call each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from poolbench.api.run import Tell, silent
from poolbench.environments.interpreter import PRESENT
from poolbench.environments.provide import provide
from poolbench.errors import UsageError
from poolbench.measure.count.counting import LIMIT, count
from poolbench.measure.count.shapes import MOST_TAPS
from poolbench.measure.count.tracing import AUTO
from poolbench.model.count import Count, CountChange
from poolbench.model.gate import GateResult
from poolbench.model.method import LayoutPolicy
from poolbench.model.subject import Subject
from poolbench.model.workload import Workload


def counts(
    subjects: Sequence[Subject],
    workloads: Sequence[Workload],
    *,
    layout: LayoutPolicy = LayoutPolicy.BEST,
    limit: int = LIMIT,
    most_taps: int = MOST_TAPS,
    counter: str = AUTO,
    tell: Tell = silent,
) -> Iterator[Count]:
    """Yield the count of each subject on each workload, workload by workload.

    ``counter`` is "step", "counter" or "auto". Raises UsageError for the limit, and TracingError where nothing
    can be counted on this system.
    """
    for subject in subjects:
        if subject.is_limit:
            raise UsageError("The streaming limit is no implementation: count a subject, such as strided.")
        if subject.slow != 1.0:
            raise UsageError(f"'{subject}' is slowed by waiting for more work, which no call holds: count it without.")
    places = provide(subjects, tell=tell)
    for workload in workloads:
        for subject in subjects:
            yield count(
                subject,
                workload,
                place=places.get(subject, PRESENT),
                layout=layout,
                limit=limit,
                most_taps=most_taps,
                counter=counter,
            )


def count_gate(result: GateResult, workloads: Sequence[Workload], *, tell: Tell = silent) -> tuple[Count, ...]:
    """Count base and head on the workloads that ``result`` judges, in the layout that they were measured in."""
    judged = {verdict.workload for verdict in result.verdicts}
    entries = [workload for workload in workloads if workload.id in judged]
    return tuple(counts((result.base, result.head), entries, layout=result.method.layout, tell=tell))


def with_counts(result: GateResult, found: Sequence[Count]) -> GateResult:
    """Return ``result`` with the counts of its two subjects beside each verdict that they were taken for."""
    by_key = {(one.workload, one.subject): one for one in found}
    verdicts = []
    for verdict in result.verdicts:
        base, head = (by_key.get((verdict.workload, str(subject))) for subject in (result.base, result.head))
        change = None if base is None or head is None else CountChange(base=base, head=head)
        verdicts.append(replace(verdict, count=change))
    return replace(result, verdicts=tuple(verdicts))
