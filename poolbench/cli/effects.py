"""``poolbench effects``: what pooling layers buy and cost, beside what could stand in their place."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from poolbench.cli.options import RESULTS, Json, Quiet, Results
from poolbench.cli.output import print_json, print_warning
from poolbench.cli.progress import budget_bar, teller
from poolbench.cli.report import REPORTS
from poolbench.errors import ExitCode, UsageError


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
    layers: Annotated[
        bool, typer.Option("--layers", help="Tell instead what each kind of layer takes of a PyTorch model's step.")
    ] = False,
    pass_: Annotated[str, typer.Option("--pass", help="With --layers: forward, or training.")] = "forward",
    classifier: Annotated[
        bool | None,
        typer.Option(
            "--classifier/--no-classifier",
            help="Whether a small classifier of digits is trained with each alternative.",
            show_default="where scikit-learn is installed",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="How often the classifier is trained for each.")] = 5,
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
    from poolbench.api import digits
    from poolbench.api import effects as api
    from poolbench.observe.effects.torch_classifier import NO_DIGITS
    from poolbench.report.needs import PAGES, need
    from poolbench.report.page.effects import build_effects
    from poolbench.report.page.site import write_report

    models = [target for target in targets if is_model(target)]
    if models and len(targets) > 1:
        raise UsageError(f"One model at a time: name '{models[0]}' alone, or layers without it.")
    if inputs and not models:
        raise UsageError("--input is a model's, and an id says its shape itself: leave it out.")
    if layers:
        if not models:
            raise UsageError("--layers profiles a model's step: name one, such as models.py:Net, and no layer.")
        _layers(models[0], inputs or [], pass_, framework=framework, budget=budget, timeout=timeout, json=json)
        return
    if pass_ != "forward":
        raise UsageError("--pass goes with --layers: alternatives are timed in their forward pass.")
    need("The page of effects", PAGES)
    api.require_subjects(subject)
    notes: tuple[str, ...] = ()
    if models:
        places, notes = api.places_in(models[0], inputs or (), framework=framework, timeout_s=timeout)
    else:
        places = api.places_of(targets)
    say = teller(quiet=quiet)
    known = None
    seconds = api.budget_s(places, subject, budget)
    try:
        if classifier is None and not digits.has_digits():
            notes = (*notes, f"The classifier is left out. {NO_DIGITS}")
        elif classifier is not False:
            say(f"training a small classifier, {seeds} times for each alternative")
            known = digits.accuracies(seeds=seeds)
        with budget_bar(seconds, quiet=quiet) as bar:
            found = api.effects(
                ", ".join(targets),
                places,
                subject=subject,
                budget_s=seconds,
                results=results,
                classifier=known,
                notes=notes,
                observer=bar,
                tell=say,
            )
    except KeyboardInterrupt:
        print_warning("interrupted: no effects are told of a run that is not whole.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    site = write_report(build_effects(found, shlex.join(["poolbench", *sys.argv[1:]])), output)
    if json:
        from poolbench.report.render.json import effects_document

        print_json({**effects_document(found), "page": str(site.page)})
        return
    from poolbench.report.render.terminal_effects import render_effects

    typer.echo(render_effects(found), nl=False)
    typer.echo(f"\nresults  {found.run}\npage     {site.page}")


def _layers(
    target: str, inputs: list[str], pass_: str, *, framework: str, budget: float | None, timeout: float, json: bool
) -> None:
    """Print what each kind of layer takes of a model's step."""
    from dataclasses import asdict

    from poolbench.api.kinds import LAYERS_BUDGET_S, step_costs
    from poolbench.catalogue.passes import parse_passes
    from poolbench.report.render.terminal_effects import render_kinds

    found = step_costs(
        target,
        inputs,
        pass_=parse_passes([pass_])[0],
        framework=framework,
        budget_s=LAYERS_BUDGET_S if budget is None else budget,
        timeout_s=timeout,
    )
    if json:
        print_json(asdict(found))
    else:
        typer.echo(render_kinds(found), nl=False)


def is_model(target: str) -> bool:
    """Whether ``target`` names a model and no layer."""
    return ":" in target or target.endswith(".onnx")
