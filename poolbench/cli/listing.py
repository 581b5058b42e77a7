"""``poolbench list``: what there is to measure, to measure with, and to show."""

from __future__ import annotations

import typer

from poolbench.cli.options import RESULTS, Gradients, Json, Passes, Results, Workloads, chosen_workloads
from poolbench.cli.output import print_json, print_table

listing = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List workloads, backends or runs.")


@listing.command()
def workloads(
    selection: Workloads = None, passes: Passes = None, gradients: Gradients = None, json: Json = False
) -> None:
    """List workloads: those of the catalogue, or a selection of them."""
    from poolbench.catalogue.sets import entries

    everything = [workload.name for workload in entries()]
    chosen = chosen_workloads(selection or everything, passes, gradients)
    if json:
        print_json(
            [
                {
                    "id": workload.id,
                    "name": workload.name,
                    "model": workload.origin.model,
                    "layer": workload.origin.layer,
                    "source": workload.origin.source,
                    "source_batch": workload.origin.source_batch,
                    "weight": workload.weight,
                    "tags": list(workload.tags),
                    "pass": workload.pass_.value,
                    "input_bytes": workload.input_bytes,
                    "output_bytes": workload.output_bytes,
                }
                for workload in chosen
            ]
        )
        return
    print_table(
        ["name", "id", "model", "input MB"],
        [[w.name, w.id, w.origin.model, f"{w.input_bytes / 1e6:.1f}"] for w in chosen],
        right=1,
    )


@listing.command()
def backends(json: Json = False) -> None:
    """List backends, and whether their framework is installed here."""
    from poolbench.backends import registry

    infos = registry.describe_all()
    if json:
        print_json(
            [
                {
                    "name": info.name,
                    "framework": info.framework,
                    "installed": info.installed,
                    "version": info.version,
                    "for_tests": info.for_tests,
                }
                for info in infos
            ]
        )
        return
    print_table(
        ["backend", "framework", "version"],
        [
            [info.name, info.framework or "poolbench", info.version or ("" if info.installed else "not installed")]
            for info in infos
            if not info.for_tests
        ],
    )


@listing.command()
def runs(results: Results = RESULTS, json: Json = False) -> None:
    """List the runs of a results folder."""
    from poolbench.store.runs import list_runs

    found = list_runs(results)
    if json:
        print_json(
            [
                {
                    "run": run.run,
                    "path": str(run.path),
                    "started_at": run.started_at,
                    "machine": run.machine,
                    "subjects": list(map(str, run.subjects)),
                    "workloads": run.workloads,
                    "rows": run.rows,
                    "problem": run.problem,
                }
                for run in found
            ]
        )
    elif not found:
        typer.echo(f"There are no runs under {results}: 'poolbench compare' makes one.")
    else:
        print_table(
            ["run", "started", "machine", "subjects", "workloads", "rows"],
            [
                [
                    run.run,
                    run.started_at,
                    run.machine,
                    run.problem or " ".join(map(str, run.subjects)),
                    str(run.workloads),
                    str(run.rows),
                ]
                for run in found
            ],
            right=2,
        )
