"""``poolbench effects``: what pooling layers buy and cost, beside what could stand in their place."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from poolbench.cli.options import RESULTS, Json, Quiet, Results
from poolbench.cli.output import print_json
from poolbench.cli.progress import budget_bar, teller
from poolbench.cli.report import REPORTS
from poolbench.errors import UsageError


def effects(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="ID|MODULE:CALLABLE…",
            help="Layers by id, name or set as -w takes them; or one model: MODULE:CALLABLE, FILE.py:CALLABLE, an "
            ".onnx file.",
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="[NAME=]SHAPE[:TYPE]", help="A model's input, such as 8x3x224x224."),
    ] = None,
    subject: Annotated[str, typer.Option(help="What computes maxima and averages.")] = "torch",
    budget: Annotated[
        float | None, typer.Option(min=1, help="Seconds to measure for.", show_default="3 a call, at least 40")
    ] = None,
    framework: Annotated[
        str, typer.Option("--framework", help="torch, tensorflow or jax, where a function does not tell.")
    ] = "",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which a model is ended.")] = 300.0,
    results: Results = RESULTS,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder that reports are kept in.")] = REPORTS,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell what pooling layers buy and cost, beside a maximum, an average, a strided convolution, a blur and none."""
    from poolbench.api import effects as api
    from poolbench.report.page.effects import build_effects
    from poolbench.report.page.site import write_report

    models = [target for target in targets if is_model(target)]
    if models and len(targets) > 1:
        raise UsageError(f"One model at a time: name '{models[0]}' alone, or layers without it.")
    if inputs and not models:
        raise UsageError("--input is a model's, and an id says its shape itself: leave it out.")
    notes: tuple[str, ...] = ()
    if models:
        places, notes = api.places_in(models[0], inputs or (), framework=framework, timeout_s=timeout)
    else:
        places = api.places_of(targets)
    seconds = api.budget_s(places, subject, budget)
    with budget_bar(seconds, quiet=quiet) as bar:
        found = api.effects(
            ", ".join(targets),
            places,
            subject=subject,
            budget_s=seconds,
            results=results,
            notes=notes,
            observer=bar,
            tell=teller(quiet=quiet),
        )
    site = write_report(build_effects(found, shlex.join(["poolbench", *sys.argv[1:]])), output)
    if json:
        from poolbench.report.render.json import effects_document

        print_json({**effects_document(found), "page": str(site.page)})
        return
    from poolbench.report.render.terminal_effects import render_effects

    typer.echo(render_effects(found), nl=False)
    typer.echo(f"\nresults  {found.run}\npage     {site.page}")


def is_model(target: str) -> bool:
    """Whether ``target`` names a model and no layer."""
    return ":" in target or target.endswith(".onnx")
