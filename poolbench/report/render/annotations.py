"""A gate's verdicts as annotations beside the code that GitHub shows."""

from __future__ import annotations

from collections.abc import Mapping

from poolbench.model.gate import GateResult
from poolbench.model.verdict import Outcome
from poolbench.report.gate import disturbance_text, sentence


def github_annotations(result: GateResult, names: Mapping[str, str]) -> list[str]:
    """Return workflow commands that GitHub shows as annotations: errors, then warnings."""
    found = []
    for verdict in result.verdicts:
        name = names.get(verdict.workload, verdict.workload)
        if verdict.is_regression or verdict.is_memory_regression or verdict.outcome is Outcome.INVALID:
            found.append(("error", f"poolbench: {name}", sentence(verdict)))
        elif verdict.outcome in (Outcome.SLOWER, Outcome.UNDECIDED):
            found.append(("warning", f"poolbench: {name}", sentence(verdict)))
    if result.disturbance.causes:
        found.append(("notice", "poolbench: disturbed", disturbance_text(result.disturbance)))
    return [f"::{kind} title={_command_property(title)}::{_command_data(text)}" for kind, title, text in found]


def _command_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _command_property(text: str) -> str:
    return _command_data(text).replace(":", "%3A").replace(",", "%2C")
