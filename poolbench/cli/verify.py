"""``poolbench verify``: check outputs against the reference and probe the semantics."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.options import Gradients, Json, Passes, Quiet, Repo, Subjects, Workloads, chosen_workloads
from poolbench.cli.progress import teller
from poolbench.errors import ExitCode

if TYPE_CHECKING:
    from poolbench.api.verification import Case


def verify(
    subjects: Subjects = None,
    workloads: Workloads = None,
    passes: Passes = None,
    gradients: Gradients = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which a silent subject is ended.")] = 300.0,
    repo: Repo = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare subjects with the reference, without timing them, and print what each does where frameworks differ."""
    from poolbench.api.request import choose_subjects, default_limits, installed_subjects
    from poolbench.api.verification import Verifier
    from poolbench.environments.provide import provide
    from poolbench.measure.inputs import InputStore
    from poolbench.measure.launcher import ProcessLauncher
    from poolbench.measure.machine import fingerprint
    from poolbench.model.method import Method

    chosen, _ = choose_subjects(subjects) if subjects else (installed_subjects(), ())
    entries = chosen_workloads(workloads, passes, gradients)
    method = Method(limits=default_limits(fingerprint().hardware, request_s=timeout))
    places = provide(chosen, tell=teller(quiet=quiet))
    with InputStore(seed=method.seed) as inputs, ProcessLauncher(chosen, method, places) as launcher:
        launcher.renew()
        verifier = Verifier(chosen, method, launcher, inputs)
        with contextlib.closing(verifier):
            contracts = verifier.contracts(training=any(workload.pass_.is_training for workload in entries))
            cases = []
            for case in verifier.cases(entries):
                cases.append(case)
                if not quiet and sys.stderr.isatty():
                    typer.echo(
                        f"\r\x1b[K{len(cases)} of {len(entries) * len(chosen)}  {case.workload.name}",
                        nl=False,
                        err=True,
                    )
    if not quiet and sys.stderr.isatty():
        typer.echo("\r\x1b[K", nl=False, err=True)
    if json:
        _print_json(cases, contracts)
    else:
        _print_text(cases, contracts)
    if any(case.status.failed for case in cases):
        raise typer.Exit(ExitCode.REGRESSION)


def _print_text(cases: list[Case], contracts: dict[str, dict[str, str]]) -> None:
    from poolbench.cli.output import print_table
    from poolbench.model.result import Status

    names = list(contracts)
    counts = {name: Counter(case.status for case in cases if case.subject == name) for name in names}
    seen = {case.status for case in cases}
    statuses = [status for status in Status if status in seen]
    print_table(
        ["subject", *(status.value.lower().replace("_", " ") for status in statuses)],
        [[name, *(str(counts[name][status]) for status in statuses)] for name in names],
        right=len(statuses),
    )
    clauses = list(dict.fromkeys(clause for answers in contracts.values() for clause in answers))
    if clauses:
        typer.echo("\nHow each answers where frameworks differ:")
        for clause in clauses:
            typer.echo(f"  {clause.replace('_', ' ')}")
            groups: dict[str, list[str]] = {}
            for name in names:
                groups.setdefault(contracts[name].get(clause, "not probed"), []).append(name)
            for answer, who in groups.items():
                typer.echo(f"    {answer}: {', '.join(who)}")
    refused: dict[tuple[str, str], int] = Counter((c.subject, c.note) for c in cases if not c.status.failed and c.note)
    if refused:
        typer.echo("\nRefused:")
        for (name, note), count in refused.items():
            typer.echo(f"  {name} ({count}): {note}")
    failed = [case for case in cases if case.status.failed]
    if failed:
        typer.echo("\nFailed:")
        for case in failed:
            typer.echo(f"  {case.status.value} {case.subject} on {case.workload.id}: {case.note}")


def _print_json(cases: list[Case], contracts: dict[str, dict[str, str]]) -> None:
    from dataclasses import asdict

    from poolbench.cli.output import print_json

    print_json(
        {
            "contracts": contracts,
            "cases": [
                {
                    "subject": case.subject,
                    "workload": case.workload.id,
                    "name": case.workload.name,
                    "status": case.status.value,
                    "note": case.note,
                    **asdict(case.verification),
                }
                for case in cases
            ],
        }
    )
