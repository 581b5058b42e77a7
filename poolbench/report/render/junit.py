"""A gate's verdicts as JUnit XML, which test reports of CI services show."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from poolbench.model.gate import GateResult, GateVerdict
from poolbench.model.verdict import Outcome
from poolbench.report.gate import sentence


def junit(result: GateResult, names: Mapping[str, str], *, strict: bool = False) -> str:
    """Return JUnit XML: a failure for each regression, an error for what is invalid, "skipped" for what is open."""
    cases = []
    counts = {"failure": 0, "error": 0, "skipped": 0}
    for verdict in result.verdicts:
        kind = _junit_kind(verdict, strict=strict)
        inside = ""
        if kind:
            counts[kind] += 1
            text = sentence(verdict)
            inside = f"<{kind} message={quoteattr(text)}>{escape(verdict.workload)}</{kind}>"
        output = escape(f"{verdict.workload}\n{sentence(verdict)}")
        name = quoteattr(names.get(verdict.workload, verdict.workload))
        cases.append(
            f'  <testcase classname="poolbench.gate" name={name}>{inside}<system-out>{output}</system-out></testcase>'
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name="poolbench gate" tests="{len(result.verdicts)}" failures="{counts["failure"]}" '
        f'errors="{counts["error"]}" skipped="{counts["skipped"]}">\n' + "\n".join(cases) + "\n</testsuite>\n"
    )


def _junit_kind(verdict: GateVerdict, *, strict: bool) -> str:
    if verdict.outcome is Outcome.INVALID:
        return "error"
    if verdict.is_regression or verdict.is_memory_regression:
        return "failure"
    if verdict.outcome is Outcome.UNDECIDED:
        return "failure" if strict else "skipped"
    return ""
