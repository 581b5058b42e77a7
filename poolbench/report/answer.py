"""The answer in words: which backend is fastest here, by how much, and is that sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolbench.model.verdict import Outcome
from poolbench.quantities import counted, listed, percent, ratio_text
from poolbench.report.means import covered_text

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import Lead, RunSummary
    from poolbench.model.subject import Subject


def answer(summary: RunSummary) -> tuple[str, ...]:
    """Return two or three sentences. They claim no difference that the verdicts do not."""
    if not any(workload.fastest for workload in summary.workloads):
        return ("Nothing can be said of which backend is fastest here: no workload was measured soundly.",)
    sentences = [_overall(summary, summary.lead)] if summary.lead is not None else []
    if summary.lead is None and summary.means:
        sentences.append(f"Only {summary.means[0].subject} ran, so there is nothing to compare it with.")
    wins, ties = _standings(summary)
    if wins:
        words = listed([f"{subject} on {len(names)}" for subject, names in wins.items()])
        sentences.append(f"Of {counted(len(summary.workloads), 'workload')}, surely fastest is {words}.")
    if ties:
        sentences.append(f"On {ties} no single one can be told to be the fastest.")
    return tuple(sentences)


def _overall(summary: RunSummary, lead: Lead) -> str:
    by = (
        f"{lead.runner_up} takes {ratio_text(lead.ratio)} times as long, in the geometric mean over "
        f"{covered_text(summary)}"
    )
    if lead.is_sure:
        return (
            f"{lead.subject} is the fastest here: {by}. "
            f"Were the two equal, less than {percent(summary.policy.family_error)} of runs would show such a lead."
        )
    return f"{lead.subject} looks fastest here, but that is not sure: {by}."


def _standings(summary: RunSummary) -> tuple[dict[Subject, list[str]], int]:
    """Return, per subject, the workloads on which all others compared are slower for sure; and how many are tied."""
    wins: dict[Subject, list[str]] = {}
    ties = 0
    for workload in summary.workloads:
        rivals = [cell for cell in workload.cells if cell.is_compared and not cell.is_fastest]
        if workload.fastest is None or not rivals:
            continue
        if all(cell.verdict is not None and cell.verdict.outcome is Outcome.SLOWER for cell in rivals):
            wins.setdefault(workload.fastest, []).append(workload.name)
        else:
            ties += 1
    return dict(sorted(wins.items(), key=lambda item: -len(item[1]))), ties
