"""``poolbench capture``: which pooling a model of the user's own does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poolbench.cli.options import Json
from poolbench.cli.output import print_json, print_warning
from poolbench.errors import ExitCode


def capture(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="MODULE:CALLABLE or FILE.py:CALLABLE, a model, a function that makes one or a function of arrays; or "
            "an .onnx file.",
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="[NAME=]SHAPE[:TYPE]",
            help="An input's shape, such as 8x3x224x224 or mask=8x128:int64. Repeat it for several arguments. For an "
            "ONNX file NAME may be a free dimension: batch=8.",
        ),
    ] = None,
    pass_: Annotated[str, typer.Option("--pass", help="What is run: forward, or training (and the gradients).")] = (
        "forward"
    ),
    output: Annotated[Path | None, typer.Option("--output", help="Write a file of workloads, for -w.")] = None,
    framework: Annotated[
        str, typer.Option("--framework", help="torch, tensorflow or jax, where a function does not tell.")
    ] = "",
    device: Annotated[str, typer.Option("--device", help="Where a PyTorch model runs: cpu, meta, cuda …")] = "",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which the model is ended.")] = 300.0,
    json: Json = False,
) -> None:
    """Run a model for one step in a process of its own, and write down its pooling calls as workloads."""
    from poolbench.api.capture import capture_target
    from poolbench.catalogue.passes import parse_passes

    found = capture_target(
        target,
        inputs or (),
        pass_=parse_passes([pass_])[0],
        framework=framework,
        device=device,
        timeout_s=timeout,
    )
    if output is not None and found.workloads:
        from poolbench.observe.writing import write_catalogue

        write_catalogue(found, output)
    if json:
        from poolbench.report.render.json import capture_document

        print_json({**capture_document(found), "output": str(output) if output and found.workloads else None})
    else:
        from poolbench.report.render.terminal_capture import render_capture

        typer.echo(render_capture(found), nl=False)
        if output is not None and found.workloads:
            typer.echo(f"\nwrote {output}: poolbench compare -w {output}")
    if output is not None and not found.workloads:
        print_warning(f"'{output}' is not written: there is no workload to measure.")
    if found.problem:
        print_warning(f"{found.problem} The calls before that are told.")
        raise typer.Exit(ExitCode.MEASUREMENT_FAILED)
