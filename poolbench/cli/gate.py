"""``poolbench gate``: base against head in the same blocks, a verdict for each workload, and an exit code."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.options import RESULTS, Gradients, Json, Passes, Quiet, Results, Workloads, chosen_workloads
from poolbench.cli.output import print_json, print_warning, print_warnings
from poolbench.cli.progress import budget_bar, teller
from poolbench.errors import ExitCode, StoreError, UsageError

if TYPE_CHECKING:
    from poolbench.model.calibration import Calibration
    from poolbench.model.gate import GateResult
    from poolbench.model.result import ResultRow, RunHeader


def gate(
    base: Annotated[str, typer.Option(help="What head is held to: a subject, or rev:NAME for the kernel there.")],
    head: Annotated[
        str, typer.Option(help="What is examined: a subject, rev:NAME, or . for the kernel of the working tree.")
    ] = ".",
    workloads: Workloads = None,
    passes: Passes = None,
    gradients: Gradients = None,
    tolerance: Annotated[
        float, typer.Option(min=0.001, max=1, help="The change from which a slowdown fails the gate.")
    ] = 0.03,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.9999, help="One less the chance of any false verdict in the whole set.")
    ] = 0.99,
    budget: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds to measure for.", show_default="10, and 5 a workload (4 without memory)"),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Undecided verdicts end with exit code 4.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads that each side may use.")] = 1,
    memory: Annotated[
        bool, typer.Option("--memory/--no-memory", help="Whether the memory of a call is compared too.")
    ] = True,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds after which a silent subject is ended.")
    ] = None,
    junit_file: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")] = None,
    markdown_file: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Write Markdown.", show_default="$GITHUB_STEP_SUMMARY"),
    ] = None,
    results: Results = RESULTS,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell whether head is slower than base, or takes more memory. Exit codes: docs/gate.md."""
    from poolbench.analyse.gate import gate as verdicts
    from poolbench.api.gate import GatePlan, default_gate_budget_s, gate_method, gate_subjects
    from poolbench.api.run import Request, default_limits, new_run
    from poolbench.measure.advice import thread_notes
    from poolbench.measure.machine import fingerprint
    from poolbench.model.gate import GatePolicy
    from poolbench.report.gate import exit_code

    _require_writable("--junit", junit_file)
    _require_writable("--markdown", markdown_file)
    entries = chosen_workloads(workloads, passes, gradients)
    subjects = gate_subjects(base, head)
    for note in thread_notes(threads, [subject.threads for subject in subjects]):
        print_warning(note)
    policy = GatePolicy(tolerance=tolerance, confidence=confidence)
    names = tuple(str(subject) for subject in subjects)
    limits = default_limits(fingerprint().hardware, request_s=timeout)
    request = Request(
        subjects=subjects,
        workloads=entries,
        method=gate_method(threads=threads, memory=memory, limits=limits, subjects=subjects),
        budget_s=default_gate_budget_s(len(entries), memory=memory) if budget is None else budget,
        results_dir=results,
        plan=GatePlan(base=names[0], head=names[1], policy=policy),
    )
    with (
        budget_bar(request.budget_s, quiet=quiet) as bar,
        new_run(request, observer=bar, tell=teller(quiet=quiet)) as run,
    ):
        print_warnings(run.warnings)
        known = _known_calibration(run.header.machine.key, results)
        rows: list[ResultRow] = []
        try:
            for group in run.measure():
                rows += group
        except KeyboardInterrupt:
            typer.echo(f"\npoolbench: interrupted; {run.kept()} finished rows are kept in {run.path}.", err=True)
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    result = verdicts(
        rows, base=names[0], head=names[1], policy=policy, method=run.header.method, workloads=run.header.workloads
    )
    code = exit_code(result, strict=strict)
    _report(result, run.header, known, code, run.path, junit_file, markdown_file, strict=strict, json=json)
    raise typer.Exit(code)


def _known_calibration(machine: str, results: Path) -> Calibration | None:
    """Return what is known of the machine. A file that cannot be read is told and costs no verdict."""
    from poolbench.store.calibration import read_calibration

    try:
        return read_calibration(machine, results)
    except StoreError as error:
        print_warning(str(error))
        return None


def _report(
    result: GateResult,
    header: RunHeader,
    known: Calibration | None,
    code: ExitCode,
    path: Path,
    junit_file: Path | None,
    markdown_file: Path | None,
    *,
    strict: bool,
    json: bool,
) -> None:
    from poolbench.report.gate import document, github_annotations, junit, markdown, terminal_lines

    names = header.names
    try:
        # First of all what others read: the verdict is printed even where one of these cannot be written.
        if junit_file is not None:
            _write(junit_file, junit(result, names, strict=strict))
        if markdown_file is not None:
            _write(markdown_file, markdown(result, names, known))
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            _write(Path(summary), markdown(result, names, known), mode="a")
    finally:
        if json:
            print_json({"results": str(path), **document(result, names, known, code)})
        else:
            for line in terminal_lines(result, names, known):
                typer.echo(line)
            typer.echo(f"\nresults  {path}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in github_annotations(result, names):
            typer.echo(line, err=json)  # GitHub reads both streams; with --json, stdout is one document


def _require_writable(option: str, path: Path | None) -> None:
    """Refuse a file that cannot be written before anything is measured: afterwards it costs no verdict."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(option, path, error.strerror or str(error)) from error
    if path.is_dir():
        raise _unwritable(option, path, "it is a folder")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise _unwritable(option, path, os.strerror(errno.EACCES))


def _unwritable(option: str, path: Path, reason: str) -> UsageError:
    return UsageError(f"{option} cannot be written to {path}: {reason}. Name a file in a folder that you may write to.")


def _write(path: Path, text: str, mode: str = "w") -> None:
    """Write a report. Where that fails it is told, and the exit code still says what was found."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        print_warning(
            f"the report is not written to {path}: {error.strerror or error}. The verdicts stand, and so does the "
            "exit code."
        )
