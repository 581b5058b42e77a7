"""``poolbench gate``: base against head in the same blocks, a verdict for each workload, and an exit code."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.measuring import measured_rows, resuming
from poolbench.cli.options import RESULTS, Gradients, Json, Passes, Quiet, Repo, Results, Workloads, chosen_workloads
from poolbench.cli.output import print_json, print_warning, print_warnings
from poolbench.cli.progress import budget_bar, teller
from poolbench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from poolbench.api.request import Request
    from poolbench.api.run import Run
    from poolbench.model.calibration import Calibration
    from poolbench.model.gate import GateResult, GateTerms
    from poolbench.model.result import ResultRow, RunHeader

    Finished: TypeAlias = tuple[RunHeader, Sequence[ResultRow], Path, GateTerms]


ALWAYS = frozenset({"counts", "strict", "junit_file", "markdown_file", "results", "json", "quiet", "repo"})
"""What tells how a gate is shown, whatever its rows come from."""

TERMS = frozenset({"base", "head", "tolerance", "confidence"})


def gate(
    context: typer.Context,
    base: Annotated[
        str | None,
        typer.Option(
            help="What head is compared with: a subject, or rev:NAME for a revision. A stored run has its own."
        ),
    ] = None,
    head: Annotated[str, typer.Option(help="What is examined: a subject, rev:NAME, or . for the working tree.")] = ".",
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
    counts: Annotated[
        bool,
        typer.Option("--counts", help="Count the instructions of one call, too (docs/counts.md): some seconds each."),
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds after which a silent subject is ended.")
    ] = None,
    junit_file: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")] = None,
    markdown_file: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Write Markdown.", show_default="$GITHUB_STEP_SUMMARY"),
    ] = None,
    results: Results = RESULTS,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with this gate (or 'latest') that was interrupted.")
    ] = None,
    again: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Judge this run's rows anew, measuring nothing; takes --tolerance, too."),
    ] = None,
    repo: Repo = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell whether head is slower than base, or takes more memory. Exit codes: docs/gate.md."""
    _require_writable("--junit", junit_file)
    _require_writable("--markdown", markdown_file)
    if again is not None:
        given = _given(context, "again", ALWAYS | TERMS)
        header, rows, path, terms = _stored(
            results,
            again,
            base=base,
            head=head if "head" in given else None,
            tolerance=tolerance if "tolerance" in given else None,
            confidence=confidence if "confidence" in given else None,
        )
    elif resume is not None:
        _given(context, "resume", ALWAYS)
        header, rows, path, terms = _resumed(results, resume, quiet=quiet)
    else:
        from poolbench.api.gate import gate_policy, gate_request

        if base is None:
            raise UsageError(
                "Say with --base what head is held to, such as 'poolbench gate --base rev:main'; or name a stored run "
                "with --resume or --again."
            )
        request = gate_request(
            base,
            head,
            chosen_workloads(workloads, passes, gradients),
            policy=gate_policy(tolerance=tolerance, confidence=confidence),
            budget_s=budget,
            threads=threads,
            memory=memory,
            timeout_s=timeout,
            results=results,
        )
        header, rows, path, terms = _measured(request, threads=threads, quiet=quiet)

    from poolbench.analyse.gate.judge import judge_run
    from poolbench.store.calibration import known_calibration

    result = _with_counts(judge_run(header, rows, terms), header, path, wanted=counts, quiet=quiet)
    code = exit_code(result, strict=strict)
    known = known_calibration(header.machine.key, results, warn=print_warning)
    _report(result, header, known, code, path, junit_file, markdown_file, strict=strict, json=json)
    raise typer.Exit(code)


def _with_counts(result: GateResult, header: RunHeader, path: Path, *, wanted: bool, quiet: bool) -> GateResult:
    """Return ``result`` with the counts that lie beside its run, taken now where they are wanted and are not there."""
    from poolbench.api.count import count_gate, with_counts
    from poolbench.errors import PoolbenchError
    from poolbench.store.counts import read_counts, write_counts

    try:
        found = read_counts(path)
        if wanted and not found:
            found = count_gate(result, header.workloads, tell=teller(quiet=quiet))
            write_counts(path, found)
    except PoolbenchError as error:  # a second opinion: without it the verdicts and the exit code stand
        print_warning(f"Nothing is counted. {error}")
        return result
    return with_counts(result, found)


def exit_code(result: GateResult, *, strict: bool = False) -> ExitCode:
    """Return the exit code: what could not be measured first, then regressions, then, if ``strict``, what is open."""
    from poolbench.model.verdict import Outcome

    outcomes = {verdict.outcome for verdict in result.verdicts}
    if not result.verdicts or Outcome.INVALID in outcomes:
        return ExitCode.MEASUREMENT_FAILED
    if any(verdict.is_regression or verdict.is_memory_regression for verdict in result.verdicts):
        return ExitCode.REGRESSION
    if strict and Outcome.UNDECIDED in outcomes:
        return ExitCode.UNDECIDED
    return ExitCode.DONE


def _given(context: typer.Context, mode: str, allowed: frozenset[str]) -> frozenset[str]:
    """Return the options that stand on the command line. Raises UsageError for those that ``mode`` cannot take."""
    given = [
        parameter
        for parameter in context.command.params
        if parameter.name != mode
        and (source := context.get_parameter_source(parameter.name)) is not None
        and source.name == "COMMANDLINE"
    ]
    refused = [
        max(parameter.secondary_opts if context.params.get(parameter.name) is False else parameter.opts, key=len)
        for parameter in given
        if parameter.name not in allowed
    ]
    if refused:
        takes = [max(parameter.opts, key=len) for parameter in context.command.params if parameter.name in allowed]
        raise UsageError(
            f"--{mode} takes its run as it is stored, so it cannot stand beside {', '.join(refused)}: leave "
            f"{'it' if len(refused) == 1 else 'them'} out. It takes {', '.join(takes)}."
        )
    return frozenset(str(parameter.name) for parameter in given)


def _stored(
    results: Path,
    name: str,
    *,
    base: str | None,
    head: str | None,
    tolerance: float | None,
    confidence: float | None,
) -> Finished:
    """Return a stored run, and the terms that it is judged by now."""
    from poolbench.api.gate import terms_to_judge
    from poolbench.store.reading import read_run
    from poolbench.store.runs import find_run

    stored = read_run(find_run(results, name, warn=print_warning))
    terms = terms_to_judge(stored.header, base=base, head=head, tolerance=tolerance, confidence=confidence)
    print_warnings(stored.warnings)
    return stored.header, stored.rows, stored.path, terms


def _resumed(results: Path, name: str, *, quiet: bool) -> Finished:
    from poolbench.api.gate import resumed_gate
    from poolbench.store.reading import read_header
    from poolbench.store.runs import find_run

    path = find_run(results, name, warn=print_warning)
    with (
        budget_bar(read_header(path).budget_s, quiet=quiet) as bar,
        resumed_gate(path, observer=bar, tell=teller(quiet=quiet)) as run,
    ):
        return _finished(run)


def _measured(request: Request, *, threads: int, quiet: bool) -> Finished:
    from poolbench.api.run import new_run
    from poolbench.measure.advice import thread_notes

    for note in thread_notes(threads, [subject.threads for subject in request.subjects]):
        print_warning(note)
    with (
        budget_bar(request.budget_s, quiet=quiet) as bar,
        new_run(request, observer=bar, tell=teller(quiet=quiet)) as run,
    ):
        return _finished(run)


def _finished(run: Run) -> Finished:
    """Measure to the end and return what the verdicts need."""
    from poolbench.api.gate import stored_terms

    rows = measured_rows(run, go_on=f"go on with: {resuming(run)}")
    return run.header, rows, run.path, stored_terms(run.header)


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
    from poolbench.report.render.annotations import github_annotations
    from poolbench.report.render.json import gate_document
    from poolbench.report.render.junit import junit
    from poolbench.report.render.markdown import gate_markdown
    from poolbench.report.render.terminal import gate_lines

    names = header.names
    try:
        # First of all what others read: the verdict is printed even where one of these cannot be written.
        if junit_file is not None:
            _write(junit_file, junit(result, names, strict=strict))
        if markdown_file is not None:
            _write(markdown_file, gate_markdown(result, names, known))
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            _write(Path(summary), gate_markdown(result, names, known), mode="a")
    finally:
        if json:
            print_json({"results": str(path), **gate_document(result, names, known, code)})
        else:
            for line in gate_lines(result, names, known):
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
