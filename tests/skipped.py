"""The closing words of a test run: what was skipped, why, and how to have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable

import pytest

MISSING = "could not import"
"""How pytest begins the reason where a module is not installed."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Add a line for each reason behind pytest's own list; pytest's count stays the last line, which CI reads."""
    yield
    lines = closing_lines(terminalreporter.stats.get("skipped", []))
    if lines:
        terminalreporter.section("skipped, and how to have it")
        for line in lines:
            terminalreporter.write_line(line)


def closing_lines(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> list[str]:
    """Return a line for each reason, the one that most tests have first."""
    counts = Counter(_reason(report) for report in reports)
    return [f"{count} {'test' if count == 1 else 'tests'}: {reason}" for reason, count in counts.most_common()]


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr
    reason = str(where[2] if isinstance(where, tuple | list) else where).removeprefix("Skipped: ")
    if reason.startswith(MISSING):
        return f"{reason}; 'make ready' installs all that the tests use"
    return reason
