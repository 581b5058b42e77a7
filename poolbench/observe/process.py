"""Capturing a user's model in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from poolbench.errors import CaptureError
from poolbench.model.method import Limits
from poolbench.model.workload import Pass
from poolbench.observe.apart import origin, with_memory
from poolbench.observe.diary import read_diary
from poolbench.observe.inputs import InputSpec
from poolbench.observe.sighting import Report, report_from
from poolbench.observe.target import Target


def observe_apart(
    target: Target,
    inputs: Sequence[InputSpec],
    pass_: Pass,
    *,
    framework: str,
    device: str,
    limits: Limits,
) -> Report:
    """Return the pooling calls of what ``target`` names, run in a process of its own.

    Where the process ends, hangs or takes too much memory, the report has the calls before that, and its problem.
    Raises UsageError for what is wrong with the request, and CaptureError where there was no call before the end. What
    the model prints goes nowhere.
    """
    from poolbench.observe.observer import SERVER

    with NamedTemporaryFile(prefix="poolbench-capture-") as diary:
        try:
            with origin(str(target), limits) as source, source.process(SERVER) as process:
                reply = process.ask(
                    "capture",
                    target=str(target),
                    inputs=[str(spec) for spec in inputs],
                    framework=framework,
                    device=device,
                    diary=diary.name,
                    **{"pass": pass_.value},
                )
        except CaptureError as failure:
            seen = read_diary(Path(diary.name), str(failure))
            if seen is None:
                raise
            return seen
    report = report_from(reply["report"])
    report.problem = with_memory(report.problem, limits)
    return report
