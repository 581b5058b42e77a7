"""``poolbench count``: the instructions of one call, exactly."""

from __future__ import annotations

from typing import Annotated

import typer

from poolbench.cli.options import Gradients, Json, Passes, Quiet, Repo, chosen_workloads
from poolbench.cli.progress import teller
from poolbench.errors import ExitCode, UsageError

METHODS = ("auto", "step", "counter")


def count(
    workload: Annotated[str, typer.Argument(help="An id, a layer's name, or a set, as of --workloads elsewhere.")],
    subjects: Annotated[list[str], typer.Argument(help="Backends, releases or revisions, as elsewhere.")],
    passes: Passes = None,
    gradients: Gradients = None,
    method: Annotated[
        str, typer.Option(help="step (ptrace), counter (the processor's), or auto: the counter where there is one.")
    ] = "auto",
    limit: Annotated[int, typer.Option(min=1000, help="The most instructions that a call may step through.")] = 200_000,
    taps: Annotated[
        int, typer.Option(min=1, help="The most elements under windows that the counted part of a layer may have.")
    ] = 16_384,
    repo: Repo = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Count the instructions of one call, from Python, on a part of the layer; a second opinion, never a time."""
    from poolbench.api.count import counts
    from poolbench.api.request import choose_subjects
    from poolbench.cli.output import print_json, print_table
    from poolbench.report.count import count_document, count_lines, count_rows

    if method not in METHODS:
        raise UsageError(f"--method takes {', '.join(METHODS)}, not '{method}'.")
    chosen, _ = choose_subjects(subjects)
    entries = chosen_workloads([workload], passes, gradients)
    found = list(counts(chosen, entries, limit=limit, most_taps=taps, counter=method, tell=teller(quiet=quiet)))
    if json:
        print_json({"counts": count_document(found)})
    else:
        header, rows = count_rows(found, {entry.id: entry.name for entry in entries})
        print_table(header, rows, right=9)
        for line in count_lines(found):
            typer.echo(line)
    if all(one.instructions is None for one in found):
        raise typer.Exit(ExitCode.MEASUREMENT_FAILED)
