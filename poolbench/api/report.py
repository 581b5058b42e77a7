"""Reports: a stored run as a page, with what lies beside it on its machine; and two runs as one page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from poolbench.analyse.gate.judge import judge_run
from poolbench.api.count import with_counts
from poolbench.api.export import ASV_FOLDER
from poolbench.api.gate import terms_to_judge
from poolbench.api.history import stored_histories
from poolbench.errors import PoolbenchError, StoreError
from poolbench.model.gate import GateTerms
from poolbench.report.content import Page
from poolbench.report.page.beside import Beside, JudgedGate, beside_sections
from poolbench.report.page.comparison import build_comparison
from poolbench.report.page.run import build_page, unreadable_page
from poolbench.store.asv import AsvResults, is_asv_folder, read_results
from poolbench.store.calibration import known_calibration
from poolbench.store.counts import read_counts
from poolbench.store.reading import StoredRun, read_run
from poolbench.store.runs import find_run

Warn: TypeAlias = Callable[[str], None]


def run_page(results: Path, name: str, *, gate: str | None, warn: Warn) -> tuple[Page, str]:
    """Return the page of the run ``name``; of one that cannot be read, a page that says so, and the problem.

    A gate's own run shows its verdicts; ``gate`` names another run whose verdicts stand beside this one.
    """
    path = find_run(results, name, warn=warn)
    try:
        stored = read_run(path)
    except StoreError as error:
        return unreadable_page(path.stem, str(error)), str(error)
    judged = None
    if gate is not None:
        judged = _judged_by_name(results, gate, warn)
    elif stored.header.gate is not None:
        judged = _judged(stored, stored.header.gate)
    sections = beside_sections(_beside(results, stored.header.machine.key, judged))
    return build_page(stored.header, stored.rows, warnings=stored.warnings, beside=sections), ""


def comparison_page(results: Path, first: str, second: str, *, warn: Warn) -> Page:
    """Return the page that holds two runs side by side."""
    one, other = (read_run(find_run(results, run, warn=warn)) for run in (first, second))
    return build_comparison(one.header, one.rows, other.header, other.rows, warnings=[*one.warnings, *other.warnings])


def _judged(stored: StoredRun, terms: GateTerms) -> JudgedGate:
    result = with_counts(judge_run(stored.header, stored.rows, terms), read_counts(stored.path))
    return JudgedGate(result=result, names=stored.header.names)


def _judged_by_name(results: Path, name: str, warn: Warn) -> JudgedGate:
    stored = read_run(find_run(results, name, warn=warn))
    for warning in stored.warnings:
        warn(warning)
    terms = terms_to_judge(stored.header, base=None, head=None, tolerance=None, confidence=None)
    return _judged(stored, terms)


def _beside(results: Path, machine: str, gate: JudgedGate | None) -> Beside:
    """Return what there is for ``machine``; what cannot be read is a sentence among the problems."""
    problems: list[str] = []
    histories, unread = stored_histories(results, machine)
    return Beside(
        histories=tuple(histories),
        gate=gate,
        calibration=known_calibration(machine, results, warn=problems.append),
        asv=_asv(results / ASV_FOLDER, problems),
        problems=(*unread, *problems),
    )


def _asv(folder: Path, problems: list[str]) -> tuple[AsvResults, ...]:
    if not is_asv_folder(folder):
        return ()
    try:
        return read_results(folder, warn=problems.append)
    except PoolbenchError as error:
        problems.append(str(error))
        return ()
