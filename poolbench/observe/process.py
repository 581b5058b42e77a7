"""Running a user's model in a process of its own, within the limits of a subject's worker."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import NamedTemporaryFile

from poolbench.errors import CaptureError, UsageError
from poolbench.measure.client import Importer, WorkerFailure
from poolbench.measure.headroom import gibibytes
from poolbench.measure.worker import OUT_OF_MEMORY_WORDS
from poolbench.model.method import Limits
from poolbench.model.workload import Pass
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

    with (
        NamedTemporaryFile(prefix="poolbench-capture-") as diary,
        closing(
            Importer(backends=(), environment={}, threads=1, limits=limits, module="poolbench.observe.observer")
        ) as importer,
    ):
        try:
            importer.wait_ready()
            with closing(importer.fork(SERVER)) as worker:
                reply = worker.ask(
                    "capture",
                    deadline_s=limits.request_s,
                    target=str(target),
                    inputs=[str(spec) for spec in inputs],
                    framework=framework,
                    device=device,
                    diary=diary.name,
                    **{"pass": pass_.value},
                )
        except WorkerFailure as failure:
            problem = f"{target} did not come to its end. {failure.note}"
            seen = read_diary(Path(diary.name), problem)
            if seen is None:
                raise CaptureError(problem) from failure
            return seen
    if "usage" in reply:
        raise UsageError(reply["usage"])
    report = report_from(reply["report"])
    if any(words in report.problem for words in OUT_OF_MEMORY_WORDS):
        report.problem += f" It may take {gibibytes(limits.memory_bytes)}, a third of this machine's memory."
    return report
